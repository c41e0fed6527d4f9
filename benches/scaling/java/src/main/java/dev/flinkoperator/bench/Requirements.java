package dev.flinkoperator.bench;

import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.flink.api.common.JobID;
import org.apache.flink.api.common.JobStatus;
import org.apache.flink.autoscaler.JobAutoScalerContext;
import org.apache.flink.autoscaler.realizer.ScalingRealizer;
import org.apache.flink.autoscaler.tuning.ConfigChanges;
import org.apache.flink.runtime.jobgraph.JobResourceRequirements;
import org.apache.flink.runtime.jobgraph.JobVertexID;
import org.apache.flink.runtime.jobgraph.JobVertexResourceRequirements;
import org.apache.flink.runtime.jobgraph.JobVertexResourceRequirements.Parallelism;
import org.apache.flink.runtime.rest.messages.EmptyRequestBody;
import org.apache.flink.runtime.rest.messages.JobMessageParameters;
import org.apache.flink.runtime.rest.messages.job.JobResourceRequirementsBody;
import org.apache.flink.runtime.rest.messages.job.JobResourceRequirementsHeaders;
import org.apache.flink.runtime.rest.messages.job.JobResourcesRequirementsUpdateHeaders;

/** Carries a decision out in place, by the job's resource requirements, if it differs from them. */
final class Requirements implements ScalingRealizer<JobID, JobAutoScalerContext<JobID>> {
    @Override
    public void realizeParallelismOverrides(
            JobAutoScalerContext<JobID> context, Map<String, String> overrides) throws Exception {
        if (context.getJobStatus() != JobStatus.RUNNING) {
            return;
        }
        var client = context.getRestClusterClient();
        var job = new JobMessageParameters();
        job.jobPathParameter.resolve(context.getJobID());
        Map<JobVertexID, JobVertexResourceRequirements> present =
                client.sendRequest(
                                new JobResourceRequirementsHeaders(),
                                job,
                                EmptyRequestBody.getInstance())
                        .get(JobLoop.SECONDS, TimeUnit.SECONDS)
                        .asJobResourceRequirements()
                        .orElseThrow()
                        .getJobVertexParallelisms();
        Map<JobVertexID, JobVertexResourceRequirements> wanted = new HashMap<>(present);
        overrides.forEach(
                (vertex, subtasks) ->
                        wanted.computeIfPresent(
                                JobVertexID.fromHexString(vertex),
                                (id, before) ->
                                        new JobVertexResourceRequirements(
                                                new Parallelism(1, Integer.parseInt(subtasks)))));
        if (!wanted.equals(present)) {
            var body = new JobResourceRequirementsBody(new JobResourceRequirements(wanted));
            client.sendRequest(new JobResourcesRequirementsUpdateHeaders(), job, body)
                    .get(JobLoop.SECONDS, TimeUnit.SECONDS);
        }
    }

    @Override
    public void realizeConfigOverrides(
            JobAutoScalerContext<JobID> context, ConfigChanges changes) {
        // Memory cannot be changed in place.
    }
}
