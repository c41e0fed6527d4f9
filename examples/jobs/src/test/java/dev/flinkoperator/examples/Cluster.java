package dev.flinkoperator.examples;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.function.Predicate;
import org.apache.flink.api.common.JobID;
import org.apache.flink.api.common.JobStatus;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.minicluster.MiniClusterConfiguration;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;

/** A Flink cluster in this process, looked at only through REST, as an end-to-end test would. */
final class Cluster {
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    final MiniCluster flink;
    private final HttpClient http = HttpClient.newHttpClient();
    private final ObjectMapper json = new ObjectMapper();
    private final URI rest;

    Cluster(Configuration configuration) throws Exception {
        flink =
                new MiniCluster(
                        new MiniClusterConfiguration.Builder()
                                .setConfiguration(configuration)
                                .setNumTaskManagers(1)
                                .setNumSlotsPerTaskManager(4)
                                .build());
        flink.start();
        rest = flink.getRestAddress().get();
    }

    /** Sum over the subtasks of a gauge of a stage; NaN while there is none. */
    double sum(JobID job, String vertex, String metric) throws Exception {
        return aggregate(job, vertex, metric, "sum");
    }

    double aggregate(JobID job, String vertex, String metric, String how) throws Exception {
        String path = "/jobs/" + job + "/vertices/" + vertexId(job, vertex);
        JsonNode found = get(path + "/subtasks/metrics?get=" + metric + "&agg=" + how);
        return found.size() == 1 ? found.get(0).get(how).asDouble() : Double.NaN;
    }

    /** The accumulators of a job that has ended. */
    Map<String, Long> accumulators(JobID job) throws Exception {
        // The REST interface answers from a cache, which may still hold the job as it ran.
        eventually(
                () -> JobStatus.valueOf(get("/jobs/" + job).get("state").asText()),
                JobStatus::isGloballyTerminalState);
        Map<String, Long> all = new TreeMap<>();
        for (JsonNode each : get("/jobs/" + job + "/accumulators").get("user-task-accumulators")) {
            all.put(each.get("name").asText(), Long.parseLong(each.get("value").asText()));
        }
        return all;
    }

    /** Ids by name of vertex. */
    Map<String, String> vertexIds(JobID job) throws Exception {
        Map<String, String> all = new TreeMap<>();
        for (JsonNode vertex : get("/jobs/" + job).get("vertices")) {
            all.put(vertex.get("name").asText(), vertex.get("id").asText());
        }
        return all;
    }

    String vertexId(JobID job, String name) throws Exception {
        return vertexIds(job).entrySet().stream()
                .filter(each -> each.getKey().contains(name))
                .findFirst()
                .orElseThrow(() -> new IllegalStateException("no vertex " + name))
                .getValue();
    }

    JsonNode get(String path) throws Exception {
        return send(HttpRequest.newBuilder(rest.resolve(path)).build());
    }

    JsonNode put(String path, String body) throws Exception {
        return send(
                HttpRequest.newBuilder(rest.resolve(path))
                        .header("Content-Type", "application/json")
                        .PUT(HttpRequest.BodyPublishers.ofString(body))
                        .build());
    }

    private JsonNode send(HttpRequest request) throws Exception {
        HttpResponse<String> answer = http.send(request, HttpResponse.BodyHandlers.ofString());
        if (answer.statusCode() >= 300) {
            throw new IOException(request.uri() + ": " + answer.body());
        }
        return json.readTree(answer.body());
    }

    /** Looks until what is seen is as wished, and returns it. */
    static <T> T eventually(Callable<T> look, Predicate<T> wish) throws Exception {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        T seen = look.call();
        while (!wish.test(seen)) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError("not in " + PATIENCE + "; last seen: " + seen);
            }
            Thread.sleep(20);
            seen = look.call();
        }
        return seen;
    }

    void close() throws Exception {
        flink.close();
    }
}
