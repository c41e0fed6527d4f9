package dev.flinkoperator.examples;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.apache.flink.api.connector.source.ReaderOutput;
import org.apache.flink.api.connector.source.SourceEvent;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.core.io.InputStatus;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.Gauge;
import org.apache.flink.metrics.MetricGroup;

/**
 * Emits what is available as fast as downstream takes it, and says how much is not yet read.
 *
 * <p>Its one rule: all but the metrics runs in the task's thread; metrics only read volatile fields.
 */
final class RatedReader implements SourceReader<Event, Partition> {
    /** Pause before looking again after everything available was read. */
    private static final long LOOK_AGAIN_MILLIS = 10;

    private final List<Cursor> cursors = new CopyOnWriteArrayList<>();
    private final Options options;
    private final Work work;
    private final MetricGroup metrics;
    private final Counter recordsIn;
    private final ScheduledExecutorService timer;
    private CompletableFuture<Void> lookAgain = CompletableFuture.completedFuture(null);
    private volatile Timeline timeline;
    private boolean noMorePartitions;
    private int turn;

    RatedReader(SourceReaderContext context, Options options) {
        this.options = options;
        this.work = Work.waiting(options.sourceCostNanos);
        this.metrics = context.metricGroup();
        this.recordsIn = context.metricGroup().getIOMetricGroup().getNumRecordsInCounter();
        this.timer =
                Executors.newSingleThreadScheduledExecutor(
                        task -> {
                            Thread thread = new Thread(task, "rated-reader-" + context.getIndexOfSubtask());
                            thread.setDaemon(true);
                            return thread;
                        });
        context.metricGroup().setPendingRecordsGauge(this::pending);
    }

    @Override
    public void start() {}

    @Override
    public InputStatus pollNext(ReaderOutput<Event> output) throws Exception {
        Cursor cursor = nextReadable();
        if (cursor != null) {
            work.once();
            output.collect(Event.at(cursor.partition, cursor.offset, timeline.keysPerPartition));
            cursor.offset++;
            recordsIn.inc();
            return InputStatus.MORE_AVAILABLE;
        }
        return isDone() ? InputStatus.END_OF_INPUT : InputStatus.NOTHING_AVAILABLE;
    }

    /** The next partition in turn with something to read; looks at the clock only when all are read. */
    private Cursor nextReadable() {
        Cursor cursor = nextBelowEnd();
        if (cursor != null || timeline == null) {
            return cursor;
        }
        long now = System.currentTimeMillis();
        cursors.forEach(each -> each.end = timeline.end(each.partition, now));
        return nextBelowEnd();
    }

    private Cursor nextBelowEnd() {
        for (int tried = 0; tried < cursors.size(); tried++) {
            turn = (turn + 1) % cursors.size();
            Cursor cursor = cursors.get(turn);
            if (cursor.offset < cursor.end) {
                return cursor;
            }
        }
        return null;
    }

    private boolean isDone() {
        return noMorePartitions
                && timeline != null
                && cursors.stream().allMatch(each -> timeline.isLast(each.partition, each.offset));
    }

    private long pending() {
        Timeline known = timeline;
        if (known == null) {
            return 0;
        }
        long now = System.currentTimeMillis();
        return cursors.stream()
                .mapToLong(each -> Math.max(0, known.end(each.partition, now) - each.offset))
                .sum();
    }

    @Override
    public CompletableFuture<Void> isAvailable() {
        if (lookAgain.isDone()) {
            CompletableFuture<Void> next = new CompletableFuture<>();
            timer.schedule(() -> next.complete(null), LOOK_AGAIN_MILLIS, TimeUnit.MILLISECONDS);
            lookAgain = next;
        }
        return lookAgain;
    }

    @Override
    public void addSplits(List<Partition> partitions) {
        for (Partition partition : partitions) {
            Cursor cursor = new Cursor(partition.number, partition.offset);
            cursors.add(cursor);
            if (options.partitionMetrics) {
                publishPosition(cursor);
            }
        }
    }

    /** Under the name that Kafka's source uses, by which an autoscaler counts partitions. */
    private void publishPosition(Cursor cursor) {
        metrics.addGroup("KafkaSourceReader")
                .addGroup("topic", "rated")
                .addGroup("partition", Integer.toString(cursor.partition))
                .gauge("currentOffset", (Gauge<Long>) () -> cursor.offset - 1);
    }

    @Override
    public void notifyNoMoreSplits() {
        noMorePartitions = true;
    }

    @Override
    public void handleSourceEvents(SourceEvent event) {
        timeline = (Timeline) event;
    }

    @Override
    public List<Partition> snapshotState(long checkpointId) {
        List<Partition> partitions = new ArrayList<>();
        cursors.forEach(each -> partitions.add(new Partition(each.partition, each.offset)));
        return partitions;
    }

    @Override
    public void close() {
        timer.shutdownNow();
    }

    /** Where reading stands in one partition. */
    private static final class Cursor {
        final int partition;
        volatile long offset;
        long end;

        Cursor(int partition, long offset) {
            this.partition = partition;
            this.offset = offset;
        }
    }
}
