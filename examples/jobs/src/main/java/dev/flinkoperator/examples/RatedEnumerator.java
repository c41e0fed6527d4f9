package dev.flinkoperator.examples;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;

/** Keeps the {@link Timeline}, tells it to every reader, and hands out partitions evenly. */
final class RatedEnumerator implements SplitEnumerator<Partition, RatedEnumerator.State> {
    private final SplitEnumeratorContext<Partition> context;
    private final Options options;
    private final Map<Integer, List<Partition>> waiting = new TreeMap<>();
    private Timeline timeline;

    private RatedEnumerator(
            SplitEnumeratorContext<Partition> context,
            Options options,
            Timeline timeline,
            List<Partition> unassigned) {
        this.context = context;
        this.options = options;
        this.timeline = timeline;
        for (Partition partition : unassigned) {
            waitFor(partition.number % context.currentParallelism(), partition);
        }
    }

    /** A job without state: its timeline starts when its first reader does. */
    static RatedEnumerator fresh(SplitEnumeratorContext<Partition> context, Options options) {
        List<Partition> all = new ArrayList<>();
        for (int number = 0; number < options.partitions; number++) {
            all.add(new Partition(number, 0));
        }
        return new RatedEnumerator(context, options, null, all);
    }

    /** A job from a checkpoint or savepoint: the timeline goes on; readers bring their partitions. */
    static RatedEnumerator restored(
            SplitEnumeratorContext<Partition> context, Options options, State state) {
        if (state.timeline == null) {
            return fresh(context, options);
        }
        Timeline timeline = state.timeline.under(options, System.currentTimeMillis());
        return new RatedEnumerator(context, options, timeline, state.unassigned);
    }

    @Override
    public void start() {}

    @Override
    public void addReader(int subtask) {
        if (timeline == null) {
            timeline = Timeline.starting(options, System.currentTimeMillis());
        }
        context.sendEventToSourceReader(subtask, timeline);
        List<Partition> mine = waiting.remove(subtask);
        if (mine != null) {
            mine.forEach(partition -> context.assignSplit(partition, subtask));
        }
        if (timeline.limit != Timeline.UNBOUNDED) {
            context.signalNoMoreSplits(subtask);
        }
    }

    /** A reader failed: its partitions wait until it registers again. */
    @Override
    public void addSplitsBack(List<Partition> partitions, int subtask) {
        partitions.forEach(partition -> waitFor(subtask, partition));
    }

    @Override
    public void handleSplitRequest(int subtask, String host) {}

    @Override
    public State snapshotState(long checkpointId) {
        List<Partition> unassigned = new ArrayList<>();
        waiting.values().forEach(unassigned::addAll);
        return new State(timeline, unassigned);
    }

    @Override
    public void close() {}

    private void waitFor(int subtask, Partition partition) {
        waiting.computeIfAbsent(subtask, ignored -> new ArrayList<>()).add(partition);
    }

    /** The enumerator's part of a checkpoint. */
    static final class State {
        final Timeline timeline;
        final List<Partition> unassigned;

        State(Timeline timeline, List<Partition> unassigned) {
            this.timeline = timeline;
            this.unassigned = unassigned;
        }
    }

    /** Its form in checkpoints. */
    static final class StateSerializer implements SimpleVersionedSerializer<State> {
        @Override
        public int getVersion() {
            return 1;
        }

        @Override
        public byte[] serialize(State state) throws IOException {
            DataOutputSerializer out = new DataOutputSerializer(128);
            out.writeBoolean(state.timeline != null);
            if (state.timeline != null) {
                state.timeline.write(out);
            }
            out.writeInt(state.unassigned.size());
            for (Partition partition : state.unassigned) {
                partition.write(out);
            }
            return out.getCopyOfBuffer();
        }

        @Override
        public State deserialize(int version, byte[] bytes) throws IOException {
            DataInputDeserializer in = new DataInputDeserializer(bytes);
            Timeline timeline = in.readBoolean() ? Timeline.read(in) : null;
            List<Partition> unassigned = new ArrayList<>();
            for (int left = in.readInt(); left > 0; left--) {
                unassigned.add(Partition.read(in));
            }
            return new State(timeline, unassigned);
        }
    }
}
