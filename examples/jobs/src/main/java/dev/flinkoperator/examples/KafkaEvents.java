package dev.flinkoperator.examples;

import java.nio.charset.StandardCharsets;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/**
 * Events in a topic of Kafka: the value of a record is the text {@code partition/position}, written by
 * {@link KafkaLoad}.
 *
 * <p>Positions are written, not derived from the record's offset, so that what a producer lost or wrote
 * twice shows as well.
 */
final class KafkaEvents implements KafkaRecordDeserializationSchema<Event> {
    private static final long serialVersionUID = 1L;

    private final int keysPerPartition;

    KafkaEvents(int keysPerPartition) {
        this.keysPerPartition = keysPerPartition;
    }

    /** The source of a pipeline: all of the topic, from its beginning. */
    static KafkaSource<Event> source(Options options) {
        return KafkaSource.<Event>builder()
                .setBootstrapServers(options.kafka)
                .setTopics(options.topic)
                .setStartingOffsets(OffsetsInitializer.earliest())
                .setDeserializer(new KafkaEvents(options.keysPerPartition))
                .build();
    }

    /** The value of a record. */
    static byte[] write(int partition, long position) {
        return (partition + "/" + position).getBytes(StandardCharsets.UTF_8);
    }

    /** The event of a value. */
    Event read(byte[] value) {
        String text = value == null ? "" : new String(value, StandardCharsets.UTF_8);
        String[] parts = text.split("/", 2);
        try {
            return Event.at(Integer.parseInt(parts[0]), Long.parseLong(parts[1]), keysPerPartition);
        } catch (RuntimeException e) {
            throw new IllegalArgumentException(
                    "not an event: '" + text + "'; the topic must be written by KafkaLoad alone", e);
        }
    }

    @Override
    public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<Event> out) {
        out.collect(read(record.value()));
    }

    @Override
    public TypeInformation<Event> getProducedType() {
        return Types.POJO(Event.class);
    }
}
