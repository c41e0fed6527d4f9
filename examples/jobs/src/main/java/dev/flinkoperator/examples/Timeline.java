package dev.flinkoperator.examples;

import java.io.IOException;
import java.io.Serializable;
import org.apache.flink.api.connector.source.SourceEvent;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/**
 * What the outside world has produced up to a point in time: the end offsets of all partitions.
 *
 * <p>It is part of the enumerator's state and sent to every reader, so all agree, and it goes on over
 * restarts and savepoints while the job is down.
 */
final class Timeline implements SourceEvent, Serializable {
    /** Stands for no limit. */
    static final long UNBOUNDED = Long.MAX_VALUE;

    private static final long serialVersionUID = 1L;

    /** Number of partitions; fixed when the job first starts, because offsets depend on it. */
    final int partitions;

    /** Keys in each partition; fixed too, because ordinals depend on it. */
    final int keysPerPartition;

    /** Records after which the world falls silent. */
    final long limit;

    private final String rate;
    private final long startMillis;
    private final long base;
    private transient Schedule schedule;

    private Timeline(
            String rate, long startMillis, long base, int partitions, int keysPerPartition, long limit) {
        this.rate = rate;
        this.startMillis = startMillis;
        this.base = base;
        this.partitions = partitions;
        this.keysPerPartition = keysPerPartition;
        this.limit = limit;
    }

    /** Starts at {@code nowMillis} with nothing produced. */
    static Timeline starting(Options options, long nowMillis) {
        return new Timeline(
                options.rate, nowMillis, 0, options.partitions, options.keysPerPartition, options.records);
    }

    /**
     * The same world under new options. A new rate starts its own clock now, on top of what has been
     * produced so far; otherwise a lower rate would take back records already read.
     */
    Timeline under(Options options, long nowMillis) {
        boolean same = rate.equals(options.rate);
        return new Timeline(
                options.rate,
                same ? startMillis : nowMillis,
                same ? base : produced(nowMillis),
                partitions,
                keysPerPartition,
                options.records);
    }

    /** End offset of a partition: offsets below it can be read. Partitions get records in turn. */
    long end(int partition, long nowMillis) {
        return share(produced(nowMillis), partition);
    }

    /** Whether a reader at {@code offset} has read all there will ever be. */
    boolean isLast(int partition, long offset) {
        return limit != UNBOUNDED && offset >= share(limit, partition);
    }

    private long share(long total, int partition) {
        return (total + partitions - 1 - partition) / partitions;
    }

    private long produced(long nowMillis) {
        if (schedule == null) {
            schedule = Schedule.parse(rate);
        }
        double seconds = Math.max(0, nowMillis - startMillis) / 1000.0;
        return Math.min(limit, base + (long) schedule.records(seconds));
    }

    void write(DataOutputView out) throws IOException {
        out.writeUTF(rate);
        out.writeLong(startMillis);
        out.writeLong(base);
        out.writeInt(partitions);
        out.writeInt(keysPerPartition);
        out.writeLong(limit);
    }

    static Timeline read(DataInputView in) throws IOException {
        return new Timeline(
                in.readUTF(), in.readLong(), in.readLong(), in.readInt(), in.readInt(), in.readLong());
    }
}
