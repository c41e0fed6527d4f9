package dev.flinkoperator.bench;

import java.time.Duration;
import org.apache.flink.api.common.JobID;
import org.apache.flink.autoscaler.JobAutoScalerContext;
import org.apache.flink.autoscaler.event.LoggingEventHandler;

/** Logs events, and keeps the failure of the cycle, which the autoscaler turns into an event. */
final class Events extends LoggingEventHandler<JobID, JobAutoScalerContext<JobID>> {
    private Throwable failure;

    void clear() {
        failure = null;
    }

    void rethrow() throws Exception {
        if (failure != null) {
            throw new Exception(failure);
        }
    }

    @Override
    public void handleException(
            JobAutoScalerContext<JobID> context, String reason, Throwable error) {
        failure = error;
    }

    @Override
    public void handleEvent(
            JobAutoScalerContext<JobID> context,
            Type type,
            String reason,
            String message,
            String messageKey,
            Duration interval) {
        // The handler of the library tells repeated events apart by wall time; logging is all it does.
        super.handleEvent(context, type, reason, message, messageKey, null);
    }
}
