package dev.flinkoperator.examples;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The outside world of a job that reads Kafka: a program that fills a topic at a given rate, with
 * events from which completeness can be told.
 *
 * <p>Its one rule: it goes on where the topic ends, so it may be stopped and started with another rate.
 * Only one may write to a topic at a time.
 */
public final class KafkaLoad {
    /** Pause between two looks at the clock. */
    private static final long PAUSE_MILLIS = 20;

    private final String topic;
    private final long[] next;
    private final AtomicReference<Exception> failure = new AtomicReference<>();
    private long sent;

    /** A load on top of what each partition holds. */
    KafkaLoad(String topic, long[] ends) {
        this.topic = topic;
        this.next = ends.clone();
    }

    /** Runs until it has written {@code --records}, or is ended; the options are in the README. */
    public static void main(String[] args) throws Exception {
        Options options = Options.parse(args);
        if (options.kafka.isEmpty()) {
            throw new IllegalArgumentException("where to write is not said: give --kafka host:port");
        }
        Properties properties = new Properties();
        properties.put("bootstrap.servers", options.kafka);
        long[] ends = ends(properties, options);
        KafkaLoad load = new KafkaLoad(options.topic, ends);
        System.out.println("topic " + options.topic + " holds " + load.total() + " records");
        properties.put(ProducerConfig.LINGER_MS_CONFIG, "5");
        ByteArraySerializer bytes = new ByteArraySerializer();
        Producer<byte[], byte[]> producer = new KafkaProducer<>(properties, bytes, bytes);
        // A pod's end: what was begun is finished, so that the next one sees the true end.
        Runtime.getRuntime().addShutdownHook(new Thread(producer::close));
        load.run(producer, Schedule.parse(options.rate), options.records);
        producer.close();
        System.out.println("topic " + options.topic + " holds " + load.total() + " records");
    }

    private void run(Producer<byte[], byte[]> producer, Schedule schedule, long limit) throws Exception {
        long start = System.nanoTime();
        while (sent < limit) {
            double seconds = (System.nanoTime() - start) / 1e9;
            sendUpTo(Math.min(limit, (long) schedule.records(seconds)), producer);
            Thread.sleep(PAUSE_MILLIS);
        }
    }

    /** Sends until {@code count} records were sent since the start; partitions get records in turn. */
    void sendUpTo(long count, Producer<byte[], byte[]> producer) throws Exception {
        for (; sent < count; sent++) {
            int partition = (int) (sent % next.length);
            byte[] value = KafkaEvents.write(partition, next[partition]);
            producer.send(
                    new ProducerRecord<>(topic, partition, null, value),
                    (metadata, exception) -> failure.compareAndSet(null, exception));
            next[partition]++;
        }
        if (failure.get() != null) {
            throw new ExecutionException("Kafka did not take a record", failure.get());
        }
    }

    /** Records in the topic once all that was sent has arrived. */
    long total() {
        long total = 0;
        for (long end : next) {
            total += end;
        }
        return total;
    }

    /** Where each partition of the topic ends, which is made when it is not there. */
    private static long[] ends(Properties properties, Options options) throws Exception {
        try (Admin admin = Admin.create(properties)) {
            NewTopic wanted =
                    new NewTopic(options.topic, Optional.of(options.partitions), Optional.empty());
            try {
                admin.createTopics(List.of(wanted)).all().get();
            } catch (ExecutionException e) {
                if (!(e.getCause() instanceof TopicExistsException)) {
                    throw e;
                }
            }
            Map<TopicPartition, OffsetSpec> latest = new TreeMap<>(KafkaLoad::byPartition);
            for (int partition : partitions(admin, options.topic)) {
                latest.put(new TopicPartition(options.topic, partition), OffsetSpec.latest());
            }
            long[] ends = new long[latest.size()];
            Map<TopicPartition, ListOffsetsResultInfo> found = admin.listOffsets(latest).all().get();
            found.forEach((partition, end) -> ends[partition.partition()] = end.offset());
            return ends;
        }
    }

    private static List<Integer> partitions(Admin admin, String topic) throws Exception {
        List<Integer> all = new ArrayList<>();
        admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions()
                .forEach(partition -> all.add(partition.partition()));
        return all;
    }

    private static int byPartition(TopicPartition one, TopicPartition other) {
        return Integer.compare(one.partition(), other.partition());
    }
}
