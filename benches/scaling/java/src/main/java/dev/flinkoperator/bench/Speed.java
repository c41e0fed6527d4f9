package dev.flinkoperator.bench;

import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.Map;
import java.util.SortedMap;
import org.apache.flink.api.common.JobID;
import org.apache.flink.autoscaler.DelayedScaleDown;
import org.apache.flink.autoscaler.JobAutoScalerContext;
import org.apache.flink.autoscaler.ScalingExecutor;
import org.apache.flink.autoscaler.ScalingMetricEvaluator;
import org.apache.flink.autoscaler.ScalingSummary;
import org.apache.flink.autoscaler.ScalingTracking;
import org.apache.flink.autoscaler.event.AutoScalerEventHandler;
import org.apache.flink.autoscaler.metrics.CollectedMetricHistory;
import org.apache.flink.autoscaler.metrics.EvaluatedMetrics;
import org.apache.flink.autoscaler.state.AutoScalerStateStore;
import org.apache.flink.autoscaler.topology.JobTopology;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.jobgraph.JobVertexID;

/**
 * Evaluation and decision of the last control loop once more, and how long they take. What is asked of the job and what is
 * stored is not part of it. Both parts are the library's own; here they only keep what they were given.
 */
final class Speed {
    private interface Step {
        EvaluatedMetrics run() throws Exception;
    }

    private interface Decision {
        void run(EvaluatedMetrics evaluated) throws Exception;
    }

    private Step evaluation;
    private Decision decision;

    /** The median over so many decisions, after as many again to warm up, in nanoseconds. */
    long median(int times) throws Exception {
        if (evaluation == null || decision == null) {
            throw new IllegalStateException("no decision yet: the window is not full");
        }
        Step step = evaluation;
        Decision then = decision;
        long[] nanos = new long[times];
        for (int n = -times; n < times; n++) {
            long start = System.nanoTime();
            then.run(step.run());
            if (n >= 0) {
                nanos[n] = System.nanoTime() - start;
            }
        }
        Arrays.sort(nanos);
        return nanos[times / 2];
    }

    final class Evaluator extends ScalingMetricEvaluator {
        @Override
        public EvaluatedMetrics evaluate(
                Configuration settings, CollectedMetricHistory collected, Duration restart) {
            evaluation = () -> super.evaluate(settings, collected, restart);
            return super.evaluate(settings, collected, restart);
        }
    }

    final class Executor extends ScalingExecutor<JobID, JobAutoScalerContext<JobID>> {
        Executor(
                AutoScalerEventHandler<JobID, JobAutoScalerContext<JobID>> events,
                AutoScalerStateStore<JobID, JobAutoScalerContext<JobID>> store) {
            super(events, store);
        }

        @Override
        public boolean scaleResource(
                JobAutoScalerContext<JobID> context,
                EvaluatedMetrics evaluated,
                Map<JobVertexID, SortedMap<Instant, ScalingSummary>> history,
                ScalingTracking tracking,
                Instant now,
                JobTopology topology,
                DelayedScaleDown delayed)
                throws Exception {
            decision =
                    again ->
                            super.scaleResource(
                                    context, again, history, tracking, now, topology, delayed);
            return super.scaleResource(
                    context, evaluated, history, tracking, now, topology, delayed);
        }
    }
}
