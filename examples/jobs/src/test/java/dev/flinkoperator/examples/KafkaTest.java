package dev.flinkoperator.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.kafka.clients.producer.MockProducer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.Test;

/** What needs no broker; with one, the end-to-end tests of the operator run the job. */
class KafkaTest {
    @Test
    void anEventComesBackAsItWasWritten() {
        Event read = new KafkaEvents(10).read(KafkaEvents.write(3, 1_742));
        Event same = Event.at(3, 1_742, 10);
        assertEquals(List.of(3, 1_742L), List.of(read.partition, read.offset));
        assertEquals(List.of(same.key, same.ordinal), List.of(read.key, read.ordinal));
    }

    @Test
    void aValueOfAnotherProducerIsRefusedByName() {
        for (String other : new String[] {"", "3", "3/", "{\"a\": 1}"}) {
            byte[] value = other.getBytes(StandardCharsets.UTF_8);
            Exception refusal =
                    assertThrows(
                            IllegalArgumentException.class, () -> new KafkaEvents(10).read(value));
            assertTrue(refusal.getMessage().contains("'" + other + "'"), refusal.getMessage());
        }
        assertThrows(IllegalArgumentException.class, () -> new KafkaEvents(10).read(null));
    }

    @Test
    void aLoadGoesOnWhereTheTopicEnds() throws Exception {
        MockProducer<byte[], byte[]> kafka = broker(true);
        KafkaLoad load = new KafkaLoad("events", new long[] {7, 5});
        load.sendUpTo(2, kafka);
        load.sendUpTo(3, kafka);
        List<String> written =
                kafka.history().stream()
                        .map(record -> new String(record.value(), StandardCharsets.UTF_8))
                        .collect(Collectors.toList());
        assertEquals(List.of("0/7", "1/5", "0/8"), written);
        assertEquals(List.of(0, 1, 0), kafka.history().stream().map(r -> r.partition()).collect(Collectors.toList()));
        assertEquals(15, load.total());
    }

    @Test
    void aRecordThatIsNotTakenEndsTheLoad() throws Exception {
        MockProducer<byte[], byte[]> kafka = broker(false);
        KafkaLoad load = new KafkaLoad("events", new long[] {0});
        load.sendUpTo(1, kafka);
        kafka.errorNext(new IllegalStateException("full"));
        assertThrows(ExecutionException.class, () -> load.sendUpTo(1, kafka));
    }

    @Test
    void aLoadWithoutABrokerIsRefused() {
        Exception refusal =
                assertThrows(IllegalArgumentException.class, () -> KafkaLoad.main(new String[] {}));
        assertTrue(refusal.getMessage().contains("--kafka"), refusal.getMessage());
    }

    @Test
    void thePipelineReadsKafkaInPlaceOfItsOwnSource() {
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
        RatedPipeline.build(
                env, Options.parse("--kafka", "nowhere:9092", "--stages", "map:1ms", "--chain", "true"));
        String plan = env.getExecutionPlan();
        assertTrue(plan.contains("Source: kafka"), plan);
    }

    private static MockProducer<byte[], byte[]> broker(boolean takes) {
        ByteArraySerializer bytes = new ByteArraySerializer();
        return new MockProducer<>(takes, new TwoPartitions(), bytes, bytes);
    }

    /** Partitions are given with each record; nothing may ask for one. */
    private static final class TwoPartitions
            implements org.apache.kafka.clients.producer.Partitioner {
        @Override
        public int partition(
                String topic,
                Object key,
                byte[] keyBytes,
                Object value,
                byte[] valueBytes,
                org.apache.kafka.common.Cluster cluster) {
            throw new IllegalStateException("a record without a partition");
        }

        @Override
        public void close() {}

        @Override
        public void configure(java.util.Map<String, ?> configuration) {}
    }
}
