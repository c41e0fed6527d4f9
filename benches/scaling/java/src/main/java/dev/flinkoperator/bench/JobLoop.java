package dev.flinkoperator.bench;

import java.lang.reflect.Field;
import java.net.URI;
import java.time.Instant;
import java.util.Collection;
import java.util.concurrent.TimeUnit;
import org.apache.flink.api.common.JobID;
import org.apache.flink.autoscaler.JobAutoScalerContext;
import org.apache.flink.autoscaler.JobAutoScalerImpl;
import org.apache.flink.autoscaler.RestApiMetricsCollector;
import org.apache.flink.autoscaler.state.InMemoryAutoScalerStateStore;
import org.apache.flink.autoscaler.utils.JobStatusUtils;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.metrics.groups.UnregisteredMetricsGroup;
import org.apache.flink.runtime.client.JobStatusMessage;
import org.apache.flink.runtime.rest.messages.EmptyMessageParameters;
import org.apache.flink.runtime.rest.messages.EmptyRequestBody;
import org.apache.flink.runtime.rest.messages.JobMessageParameters;
import org.apache.flink.runtime.rest.messages.JobsOverviewHeaders;
import org.apache.flink.runtime.rest.messages.job.JobManagerJobConfigurationHeaders;

/**
 * An autoscaler of its own for the job of one cluster, with a clock of its own. A cycle does what the
 * control loop of the standalone autoscaler does: list the jobs, take each one's settings, scale.
 */
final class JobLoop implements AutoCloseable {
    static final long SECONDS = 30;

    private final VirtualClock clock = new VirtualClock();
    private final Events events = new Events();
    private final Speed speed = new Speed();
    private final KeptClient client;
    private final JobAutoScalerImpl<JobID, JobAutoScalerContext<JobID>> autoscaler;

    JobLoop(String url) throws Exception {
        client = KeptClient.of(URI.create(url));
        var collector = new RestApiMetricsCollector<JobID, JobAutoScalerContext<JobID>>();
        var store = new InMemoryAutoScalerStateStore<JobID, JobAutoScalerContext<JobID>>();
        var executor = speed.new Executor(events, store);
        autoscaler =
                new JobAutoScalerImpl<>(
                        collector,
                        speed.new Evaluator(),
                        executor,
                        events,
                        new Requirements(),
                        store);
        // All places where the core asks for the time.
        setClock(autoscaler);
        setClock(collector);
        setClock(field(executor, "jobVertexScaler").get(executor));
    }

    /** One control loop at this time; throws what the autoscaler would only report as an event. */
    synchronized void cycle(Instant now) throws Exception {
        clock.set(now);
        events.clear();
        Collection<JobStatusMessage> jobs =
                client
                        .sendRequest(
                                JobsOverviewHeaders.getInstance(),
                                EmptyMessageParameters.getInstance(),
                                EmptyRequestBody.getInstance())
                        .get(SECONDS, TimeUnit.SECONDS)
                        .getJobs()
                        .stream()
                        .map(JobStatusUtils::toJobStatusMessage)
                        .toList();
        for (JobStatusMessage job : jobs) {
            autoscaler.scale(context(job));
        }
        events.rethrow();
    }

    /** How long evaluation and decision of the last control loop take, in nanoseconds. */
    synchronized long time(int times) throws Exception {
        return speed.median(times);
    }

    private JobAutoScalerContext<JobID> context(JobStatusMessage job) throws Exception {
        var parameters = new JobMessageParameters();
        parameters.jobPathParameter.resolve(job.getJobId());
        var settings = new Configuration();
        client.sendRequest(
                        JobManagerJobConfigurationHeaders.getInstance(),
                        parameters,
                        EmptyRequestBody.getInstance())
                .get(SECONDS, TimeUnit.SECONDS)
                .forEach(entry -> settings.setString(entry.getKey(), entry.getValue()));
        return new JobAutoScalerContext<>(
                job.getJobId(),
                job.getJobId(),
                job.getJobState(),
                settings,
                new UnregisteredMetricsGroup(),
                () -> client);
    }

    private void setClock(Object holder) throws ReflectiveOperationException {
        field(holder, "clock").set(holder, clock);
    }

    private static Field field(Object holder, String name) throws NoSuchFieldException {
        for (Class<?> type = holder.getClass(); type != null; type = type.getSuperclass()) {
            for (Field field : type.getDeclaredFields()) {
                if (field.getName().equals(name)) {
                    field.setAccessible(true);
                    return field;
                }
            }
        }
        throw new NoSuchFieldException(holder.getClass().getName() + "." + name);
    }

    @Override
    public void close() {
        client.shut();
    }
}
