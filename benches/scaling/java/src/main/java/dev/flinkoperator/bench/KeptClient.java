package dev.flinkoperator.bench;

import java.io.IOException;
import java.io.StringWriter;
import java.net.URI;
import java.util.concurrent.CompletableFuture;
import org.apache.flink.client.program.rest.RestClusterClient;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.RestOptions;
import org.apache.flink.runtime.highavailability.nonha.standalone.StandaloneClientHAServices;
import org.apache.flink.runtime.rest.messages.MessageHeaders;
import org.apache.flink.runtime.rest.messages.MessageParameters;
import org.apache.flink.runtime.rest.messages.RequestBody;
import org.apache.flink.runtime.rest.messages.ResponseBody;
import org.apache.flink.runtime.rest.util.RestMapperUtils;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JavaType;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;

/**
 * Flink's client with Flink's messages over one connection that is kept. The original opens a connection for
 * each request and hands it from thread to thread, and the autoscaler opens and closes a client, with
 * threads of its own, for each call; together that takes most of the time of a control loop.
 */
final class KeptClient extends RestClusterClient<String> {
    private static final ObjectMapper JSON = RestMapperUtils.getStrictObjectMapper();

    private final Connection connection;

    private KeptClient(Configuration settings, URI url) throws Exception {
        super(settings, "simulated", (c, e) -> new StandaloneClientHAServices(url.toString()));
        connection = new Connection(url.getHost(), url.getPort());
    }

    static KeptClient of(URI url) throws Exception {
        var settings = new Configuration();
        settings.set(RestOptions.ADDRESS, url.getHost());
        settings.set(RestOptions.PORT, url.getPort());
        return new KeptClient(settings, url);
    }

    @Override
    public <
                    M extends MessageHeaders<R, P, U>,
                    U extends MessageParameters,
                    R extends RequestBody,
                    P extends ResponseBody>
            CompletableFuture<P> sendRequest(M headers, U parameters, R body) {
        try {
            String path =
                    MessageParameters.resolveUrl(headers.getTargetRestEndpointURL(), parameters);
            var text = new StringWriter();
            JSON.writeValue(text, body);
            String method = headers.getHttpMethod().name();
            byte[] answer = connection.ask(method, "/v1" + path, text.toString());
            JavaType type =
                    headers.getResponseTypeParameters().isEmpty()
                            ? JSON.constructType(headers.getResponseClass())
                            : JSON.getTypeFactory()
                                    .constructParametricType(
                                            headers.getResponseClass(),
                                            headers.getResponseTypeParameters()
                                                    .toArray(new Class<?>[0]));
            P message = JSON.readValue(answer, type);
            return CompletableFuture.completedFuture(message);
        } catch (IOException error) {
            return CompletableFuture.failedFuture(error);
        }
    }

    @Override
    public void close() {
        // See above.
    }

    void shut() {
        connection.close();
        super.close();
    }
}
