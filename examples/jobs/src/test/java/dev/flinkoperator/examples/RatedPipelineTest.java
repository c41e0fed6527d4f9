package dev.flinkoperator.examples;

import static dev.flinkoperator.examples.Cluster.eventually;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.URI;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.flink.api.common.JobID;
import org.apache.flink.api.common.JobStatus;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.flink.runtime.jobgraph.JobGraph;
import org.apache.flink.runtime.jobgraph.SavepointRestoreSettings;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(value = 3, unit = TimeUnit.MINUTES)
class RatedPipelineTest {
    private static final String[] ENDLESS = {
        "--rate", "constant:3000", "--stages", "map:0.2ms,keyed:0.2ms"
    };

    @TempDir static Path directory;
    private static Cluster cluster;

    @BeforeAll
    static void start() throws Exception {
        cluster = new Cluster(configuration());
    }

    @AfterAll
    static void stop() throws Exception {
        cluster.close();
    }

    @Test
    void stateIsCarriedOverASavepointToAnotherParallelism() throws Exception {
        JobID first = submit(2, null, ENDLESS);
        eventually(() -> cluster.sum(first, "verify", "verify.counted"), count -> count > 1_000);
        String savepoint = stop(first);
        Map<String, Long> before = cluster.accumulators(first);
        assertEquals(0, before.get("verify.violations"));

        JobID second = submit(3, savepoint, ENDLESS);
        long carried = before.get("verify.counted");
        eventually(() -> cluster.sum(second, "verify", "verify.counted"), n -> n > carried + 1_000);
        assertEquals(carried, cluster.sum(second, "verify", "verify.restoredCounted"));
        assertEquals(carried, cluster.sum(second, "keyed-2", "keyed-2.restoredCounted"));
        assertTrue(cluster.aggregate(second, "verify", "verify.restoredFrom", "min") > 0);
        assertEquals(0, cluster.sum(second, "verify", "verify.violations"));
        assertEquals(0, cluster.sum(second, "keyed-2", "keyed-2.violations"));
        stop(second);
        assertEquals(0, cluster.accumulators(second).get("verify.violations"));
    }

    @Test
    void stateThatIsLostIsSeenAsViolations() throws Exception {
        JobID first = submit(2, null, ENDLESS);
        eventually(() -> cluster.sum(first, "verify", "verify.counted"), count -> count > 500);
        String savepoint = stop(first);
        for (String forgotten : new String[] {"source", "verify"}) {
            JobGraph forgetful = graph(2, forgotten, ENDLESS);
            forgetful.setSavepointRestoreSettings(SavepointRestoreSettings.forPath(savepoint, true));
            JobID second = submit(forgetful);
            eventually(() -> cluster.sum(second, "verify", "verify.violations"), n -> n > 0);
            cancel(second);
        }
    }

    /** The savepoint was taken by Flink 1.20.3 after 3384 of 6000 records, with the options below. */
    @Test
    void aSavepointOfFlink120IsContinued() throws Exception {
        URI savepoint = RatedPipelineTest.class.getResource("/savepoint-1.20").toURI();
        JobID job =
                submit(
                        3,
                        savepoint.toString(),
                        "--rate", "constant:1000",
                        "--partitions", "2",
                        "--keys", "3",
                        "--records", "6000",
                        "--stages", "map,keyed",
                        "--fail-on-violation", "true");
        assertEquals(JobStatus.FINISHED, finish(job));
        Map<String, Long> counts = cluster.accumulators(job);
        assertEquals(6_000, counts.get("verify.counted"));
        assertEquals(6_000, counts.get("keyed-2.counted"));
        assertEquals(0, counts.get("verify.violations"));
        assertEquals(0, counts.get("keyed-2.violations"));
    }

    @Test
    void aFailureLosesAndRepeatsNothing() throws Exception {
        JobID job =
                submit(
                        2,
                        null,
                        "--rate", "constant:1000000",
                        "--records", "10001",
                        "--stages", "map:0.1ms,keyed:0.1ms",
                        "--fail-at", "900",
                        "--fail-attempts", "1",
                        "--fail-on-violation", "true");
        assertEquals(JobStatus.FINISHED, finish(job));
        assertEquals(1, restarts(job));
        Map<String, Long> counts = cluster.accumulators(job);
        assertEquals(10_001, counts.get("map-1.counted"));
        assertEquals(10_001, counts.get("verify.counted"));
        assertEquals(0, counts.get("verify.violations"));
        assertEquals(0, counts.get("keyed-2.violations"));
    }

    @Test
    void aVertexIsRescaledInPlaceWithoutLoss() throws Exception {
        JobID job = submit(1, null, ENDLESS);
        eventually(() -> cluster.sum(job, "verify", "verify.counted"), count -> count > 500);
        cluster.put("/jobs/" + job + "/resource-requirements", requirements(job, "keyed-2", 3));
        eventually(() -> parallelism(job, "keyed-2"), parallelism -> parallelism == 3);
        double carried =
                eventually(
                        () -> cluster.sum(job, "verify", "verify.restoredCounted"), count -> count > 0);
        eventually(() -> cluster.sum(job, "verify", "verify.counted"), n -> n > carried + 500);
        assertEquals(1, parallelism(job, "map-1"));
        assertEquals(0, cluster.sum(job, "verify", "verify.violations"));
        cancel(job);
    }

    @Test
    void anAutoscalerFindsWhatItReads() throws Exception {
        // One subtask manages 1000 records/s, so half of the load piles up in the partitions.
        JobID job = submit(1, null, "--rate", "constant:2000", "--stages", "map:1ms");
        eventually(
                () -> cluster.sum(job, "Source", "Source__rated.pendingRecords"), lag -> lag > 1_000);
        eventually(() -> cluster.sum(job, "map-1", "busyTimeMsPerSecond"), busy -> busy > 800);
        assertTrue(cluster.sum(job, "Source", "Source__rated.numRecordsIn") > 0);
        eventually(() -> cluster.sum(job, "Source", "Source__rated.numRecordsInPerSecond"), n -> n > 0);
        String source = "/jobs/" + job + "/vertices/" + cluster.vertexId(job, "Source");
        String names = cluster.get(source + "/subtasks/metrics").toString();
        for (int partition = 0; partition < 8; partition++) {
            String topic = "Source__rated.KafkaSourceReader.topic.rated.partition.";
            assertTrue(names.contains(topic + partition + ".currentOffset"), names);
        }
        cancel(job);
    }

    @Test
    void vertexIdsAreThoseOfTheReadme() throws Exception {
        JobID job = submit(1, null);
        Map<String, String> ids = cluster.vertexIds(job);
        cancel(job);
        assertEquals(
                Map.of(
                        "Source: rated", "e5a72f353fc1e6bbf3bd96a41384998c",
                        "map-1", "cbc42da82d8ff22c85d9a03aa8685856",
                        "keyed-2", "e4bcd4ae8010bdb3501c3d70e937ec27",
                        "verify -> discard: Writer", "c4db0e1e13f60387829bb98eda2ab3a1"),
                ids);
    }

    private static Configuration configuration() {
        Configuration conf = new Configuration();
        conf.setString("rest.port", "0");
        conf.setString("rest.bind-port", "0");
        conf.setString("jobmanager.scheduler", "adaptive");
        // The names of 1.20, then those of 2.x: rescale at once.
        String adaptive = "jobmanager.adaptive-scheduler.";
        conf.setString(adaptive + "resource-stabilization-timeout", "0s");
        conf.setString(adaptive + "scaling-interval.min", "0s");
        conf.setString(adaptive + "submission.resource-stabilization-timeout", "0s");
        conf.setString(adaptive + "executing.resource-stabilization-timeout", "0s");
        conf.setString(adaptive + "executing.cooldown-after-rescaling", "0s");
        conf.setString("metrics.fetcher.update-interval", "100");
        conf.setString("web.refresh-interval", "100");
        conf.setString("heartbeat.interval", "500");
        conf.setString("taskmanager.memory.network.max", "64m");
        conf.setString("taskmanager.memory.managed.size", "16m");
        conf.setString("execution.checkpointing.interval", "200ms");
        conf.setString("execution.checkpointing.dir", directory.resolve("checkpoints").toUri() + "");
        conf.setString("restart-strategy.type", "fixed-delay");
        conf.setString("restart-strategy.fixed-delay.attempts", "2");
        conf.setString("restart-strategy.fixed-delay.delay", "0s");
        return conf;
    }

    private static JobID submit(int parallelism, String savepoint, String... args) throws Exception {
        JobGraph graph = graph(parallelism, "", args);
        if (savepoint != null) {
            graph.setSavepointRestoreSettings(SavepointRestoreSettings.forPath(savepoint));
        }
        return submit(graph);
    }

    private static JobID submit(JobGraph graph) throws Exception {
        JobID job = cluster.flink.submitJob(graph).get().getJobID();
        eventually(
                () -> cluster.flink.getJobStatus(job).get(),
                status -> status == JobStatus.RUNNING || status.isTerminalState());
        return job;
    }

    /** The job, with another uid for one operator so that its state finds no owner. */
    private static JobGraph graph(int parallelism, String renamed, String... args) {
        StreamExecutionEnvironment env =
                StreamExecutionEnvironment.getExecutionEnvironment(configuration());
        env.setParallelism(parallelism);
        RatedPipeline.build(env, Options.parse(args));
        env.getTransformations().stream()
                .flatMap(end -> end.getTransitivePredecessors().stream())
                .filter(each -> renamed.equals(each.getUid()))
                .forEach(each -> each.setUid(renamed + "-renamed"));
        return env.getStreamGraph().getJobGraph();
    }

    private static String stop(JobID job) throws Exception {
        String savepoint =
                cluster.flink
                        .stopWithSavepoint(
                                job,
                                directory.resolve("savepoints").toUri().toString(),
                                false,
                                SavepointFormatType.CANONICAL)
                        .get();
        assertEquals(JobStatus.FINISHED, finish(job));
        return savepoint;
    }

    private static void cancel(JobID job) throws Exception {
        cluster.flink.cancelJob(job).get();
        finish(job);
    }

    private static JobStatus finish(JobID job) throws Exception {
        return eventually(
                () -> cluster.flink.getJobStatus(job).get(), JobStatus::isGloballyTerminalState);
    }

    private static int parallelism(JobID job, String vertex) throws Exception {
        String id = cluster.vertexId(job, vertex);
        return cluster.get("/jobs/" + job + "/vertices/" + id).get("parallelism").asInt();
    }

    private static int restarts(JobID job) throws Exception {
        return cluster.get("/jobs/" + job + "/exceptions?maxExceptions=10")
                .get("exceptionHistory")
                .get("entries")
                .size();
    }

    private static String requirements(JobID job, String vertex, int parallelism) throws Exception {
        String changed = cluster.vertexId(job, vertex);
        String form = "\"%s\":{\"parallelism\":{\"lowerBound\":1,\"upperBound\":%d}}";
        return cluster.vertexIds(job).values().stream()
                .map(id -> String.format(form, id, id.equals(changed) ? parallelism : 1))
                .collect(Collectors.joining(",", "{", "}"));
    }
}
