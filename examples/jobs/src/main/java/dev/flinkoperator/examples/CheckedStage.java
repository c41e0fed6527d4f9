package dev.flinkoperator.examples;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.flink.api.common.accumulators.LongCounter;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A stage whose keyed state knows which records of each key it has seen, and which therefore notices
 * every record that is lost or seen twice, and every keyed state that did not come back.
 */
final class CheckedStage extends Stage {
    private static final long serialVersionUID = 1L;
    private static final Logger LOG = LoggerFactory.getLogger(CheckedStage.class);

    /** Violations a subtask writes to the log; the rest are only counted. */
    private static final int LOGGED = 20;

    private final Subject subject;
    private final Strictness strictness;
    private transient ListState<Long> violationsState;
    private transient KeyedMemory memory;
    private transient Set<Long> incomplete;
    private transient Set<Long> withLosses;
    private transient LongCounter violationsTotal;
    private transient volatile long violations;
    private transient int logged;
    private transient String fatal;

    CheckedStage(String name, Work work, Failure failure, Subject subject, Strictness strictness) {
        super(name, work, failure);
        this.subject = subject;
        this.strictness = strictness;
    }

    @Override
    public void initializeState(FunctionInitializationContext context) throws Exception {
        super.initializeState(context);
        violationsState =
                context.getOperatorStateStore()
                        .getListState(new ListStateDescriptor<>("violations", Types.LONG));
        violations = sum(violationsState);
        memory =
                new KeyedMemory(
                        context.getKeyedStateStore()
                                .getState(new ValueStateDescriptor<>("next", Types.LONG)),
                        context.getKeyedStateStore()
                                .getMapState(
                                        new MapStateDescriptor<>("ahead", Types.LONG, Types.BOOLEAN)));
        incomplete = new HashSet<>();
        withLosses = new HashSet<>();
    }

    @Override
    public void open(OpenContext context) throws Exception {
        super.open(context);
        gauge("violations", () -> violations);
        violationsTotal = accumulator("violations", violations);
    }

    @Override
    public Event map(Event event) throws Exception {
        long key = subject.key(event);
        if (withLosses.remove(key)) {
            Sequence.skipLost(memory);
        }
        switch (Sequence.accept(memory, subject.position(event))) {
            case COMPLETE:
                incomplete.remove(key);
                break;
            case AHEAD:
                incomplete.add(key);
                break;
            default:
                violation(key, "position " + subject.position(event) + " seen twice");
        }
        if (fatal != null) {
            throw new IllegalStateException(fatal);
        }
        return super.map(event);
    }

    /** With aligned barriers nothing is under way here, so what is incomplete now has lost records. */
    @Override
    public void snapshotState(FunctionSnapshotContext context) throws Exception {
        if (strictness.barriersAreAligned) {
            for (long key : incomplete) {
                violation(key, "positions missing at checkpoint " + context.getCheckpointId());
            }
            withLosses.addAll(incomplete);
            incomplete.clear();
        }
        super.snapshotState(context);
        violationsState.update(List.of(violations));
    }

    private void violation(long key, String what) {
        violations++;
        violationsTotal.add(1L);
        String message = "violation in " + name() + ": " + subject + " " + key + ": " + what;
        if (logged++ < LOGGED) {
            LOG.error(message);
        }
        if (strictness.failOnViolation) {
            fatal = message;
        }
    }

    /** What the sequences are of. */
    enum Subject implements KeySelector<Event, Long> {
        /** Ordinals of a key. */
        KEY,
        /** Offsets of a partition. */
        PARTITION;

        long key(Event event) {
            return this == KEY ? event.key : event.partition;
        }

        long position(Event event) {
            return this == KEY ? event.ordinal : event.offset;
        }

        @Override
        public Long getKey(Event event) {
            return key(event);
        }

        @Override
        public String toString() {
            return this == KEY ? "key" : "partition";
        }
    }

    /** {@link Sequence.Memory} in Flink's keyed state, of the key at hand. */
    private static final class KeyedMemory implements Sequence.Memory {
        private final ValueState<Long> next;
        private final MapState<Long, Boolean> ahead;

        KeyedMemory(ValueState<Long> next, MapState<Long, Boolean> ahead) {
            this.next = next;
            this.ahead = ahead;
        }

        @Override
        public long next() throws Exception {
            Long value = next.value();
            return value == null ? 0 : value;
        }

        @Override
        public void setNext(long position) throws Exception {
            next.update(position);
        }

        @Override
        public boolean addAhead(long position) throws Exception {
            if (ahead.contains(position)) {
                return false;
            }
            ahead.put(position, true);
            return true;
        }

        @Override
        public boolean takeAhead(long position) throws Exception {
            if (!ahead.contains(position)) {
                return false;
            }
            ahead.remove(position);
            return true;
        }

        @Override
        public boolean hasAhead() throws Exception {
            return !ahead.isEmpty();
        }
    }
}
