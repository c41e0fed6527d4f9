package dev.flinkoperator.examples;

import java.util.List;
import org.apache.flink.api.common.accumulators.LongCounter;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.metrics.Gauge;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.apache.flink.streaming.api.checkpoint.CheckpointedFunction;

/**
 * A stage: spends time on each record and counts it. The count is state; whatever the parallelism, the
 * sum over the subtasks goes on after a restore exactly where the checkpoint left it.
 *
 * <p>Gauges and accumulators are described in the README.
 */
class Stage extends RichMapFunction<Event, Event> implements CheckpointedFunction {
    private static final long serialVersionUID = 1L;

    private final String name;
    private final Work work;
    private final Failure failure;
    private transient ListState<Long> countedState;
    private transient LongCounter countedTotal;
    private transient volatile long counted;
    private transient long restoredCounted;
    private transient long restoredFrom;

    Stage(String name, Work work, Failure failure) {
        this.name = name;
        this.work = work;
        this.failure = failure;
    }

    @Override
    public void initializeState(FunctionInitializationContext context) throws Exception {
        countedState =
                context.getOperatorStateStore()
                        .getListState(new ListStateDescriptor<>("counted", Types.LONG));
        restoredCounted = sum(countedState);
        restoredFrom = context.getRestoredCheckpointId().orElse(-1);
        counted = restoredCounted;
    }

    @Override
    public void open(OpenContext context) throws Exception {
        gauge("counted", () -> counted);
        gauge("restoredCounted", () -> restoredCounted);
        gauge("restoredFrom", () -> restoredFrom);
        countedTotal = accumulator("counted", counted);
    }

    @Override
    public Event map(Event event) throws Exception {
        failure.check(event, getRuntimeContext().getTaskInfo().getAttemptNumber());
        work.once();
        counted++;
        countedTotal.add(1L);
        return event;
    }

    @Override
    public void snapshotState(FunctionSnapshotContext context) throws Exception {
        countedState.update(List.of(counted));
    }

    final String name() {
        return name;
    }

    final void gauge(String metric, Gauge<Long> value) {
        MetricGroup metrics = getRuntimeContext().getMetricGroup();
        metrics.gauge(metric, value);
    }

    /** An accumulator of this stage that starts from what was restored, as Flink's own do not. */
    final LongCounter accumulator(String metric, long start) {
        LongCounter total = new LongCounter();
        total.add(start);
        getRuntimeContext().addAccumulator(name + "." + metric, total);
        return total;
    }

    static long sum(ListState<Long> state) throws Exception {
        long sum = 0;
        for (long part : state.get()) {
            sum += part;
        }
        return sum;
    }
}
