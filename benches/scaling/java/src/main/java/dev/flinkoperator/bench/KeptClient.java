package dev.flinkoperator.bench;

import java.net.URI;
import org.apache.flink.client.program.rest.RestClusterClient;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.RestOptions;
import org.apache.flink.runtime.highavailability.nonha.standalone.StandaloneClientHAServices;

/**
 * Flink's own client, kept open from one cycle to the next: the autoscaler opens and closes one for
 * every call, and each would start threads of its own.
 */
final class KeptClient extends RestClusterClient<String> {
    private KeptClient(Configuration settings, URI url) throws Exception {
        super(settings, "simulated", (c, e) -> new StandaloneClientHAServices(url.toString()));
    }

    static KeptClient of(URI url) throws Exception {
        var settings = new Configuration();
        settings.set(RestOptions.ADDRESS, url.getHost());
        settings.set(RestOptions.PORT, url.getPort());
        // What fails once on this machine is broken.
        settings.set(RestOptions.RETRY_MAX_ATTEMPTS, 0);
        return new KeptClient(settings, url);
    }

    @Override
    public void close() {
        // See above.
    }

    void shut() {
        super.close();
    }
}
