package dev.flinkoperator.examples;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** The command line, read and checked; the README explains each option. */
final class Options implements Serializable {
    private static final long serialVersionUID = 1L;

    final String rate;
    final int partitions;
    final int keysPerPartition;
    final long records;
    final long sourceCostNanos;
    final List<StageSpec> stages;
    final boolean chain;
    final boolean verify;
    final boolean failOnViolation;
    final long failAt;
    final int failAttempts;
    final boolean partitionMetrics;

    /** Bootstrap servers of Kafka; empty for the source of our own. */
    final String kafka;

    final String topic;
    final String name;

    private Options(Reader reader) {
        rate = reader.text("rate", "constant:500");
        Schedule.parse(rate);
        partitions = (int) reader.number("partitions", 8, 1, 32_768);
        keysPerPartition = (int) reader.number("keys", 100, 1, 1_000_000);
        records = reader.number("records", Timeline.UNBOUNDED, 1, Timeline.UNBOUNDED);
        sourceCostNanos = Span.nanos(reader.text("source-cost", "0ms"));
        stages = StageSpec.parse(reader.text("stages", "map:1ms,keyed:1ms"));
        chain = reader.flag("chain", false);
        verify = reader.flag("verify", true);
        failOnViolation = reader.flag("fail-on-violation", false);
        failAt = reader.number("fail-at", -1, -1, Long.MAX_VALUE);
        failAttempts = (int) reader.number("fail-attempts", Integer.MAX_VALUE, 0, Integer.MAX_VALUE);
        partitionMetrics = reader.flag("partition-metrics", true);
        kafka = reader.text("kafka", "");
        topic = reader.text("topic", "events");
        name = reader.text("name", "");
        reader.end();
        if (stages.isEmpty() && !verify) {
            throw new IllegalArgumentException("nothing to do: give --stages or --verify true");
        }
    }

    /** Reads pairs of {@code --option value}. */
    static Options parse(String... args) {
        return new Options(new Reader(args));
    }

    /** One stage as written: {@code kind:cost}. */
    static final class StageSpec implements Serializable {
        private static final long serialVersionUID = 1L;

        /** {@code map}, {@code keyed}, {@code async} or {@code cpu}. */
        final String kind;

        /** Cost of a record. */
        final long nanos;

        private StageSpec(String text) {
            String[] parts = text.trim().split(":", 2);
            kind = parts[0];
            if (!List.of("map", "keyed", "async", "cpu").contains(kind)) {
                throw new IllegalArgumentException(
                        "not a stage: '" + text + "'; write map:, keyed:, async: or cpu: and a length of time");
            }
            nanos = parts.length == 1 ? 0 : Span.nanos(parts[1]);
        }

        static List<StageSpec> parse(String text) {
            List<StageSpec> stages = new ArrayList<>();
            if (!text.equals("none")) {
                for (String stage : text.split(",")) {
                    stages.add(new StageSpec(stage));
                }
            }
            return stages;
        }
    }

    /** Takes options out of the command line, and complains about what nobody took. */
    private static final class Reader {
        private final Map<String, String> given = new TreeMap<>();
        private final List<String> known = new ArrayList<>();

        Reader(String... args) {
            for (int i = 0; i < args.length; i += 2) {
                if (!args[i].startsWith("--") || i + 1 == args.length) {
                    throw new IllegalArgumentException(
                            "options are pairs '--option value', but '" + args[i] + "' is not");
                }
                given.put(args[i].substring(2), args[i + 1]);
            }
        }

        String text(String option, String otherwise) {
            known.add(option);
            String value = given.remove(option);
            return value == null ? otherwise : value;
        }

        boolean flag(String option, boolean otherwise) {
            return Boolean.parseBoolean(text(option, Boolean.toString(otherwise)));
        }

        long number(String option, long otherwise, long low, long high) {
            long value = Long.parseLong(text(option, Long.toString(otherwise)));
            if (value < low || value > high) {
                throw new IllegalArgumentException(
                        "--" + option + " " + value + " is not between " + low + " and " + high);
            }
            return value;
        }

        void end() {
            if (!given.isEmpty()) {
                throw new IllegalArgumentException(
                        "unknown options " + given.keySet() + "; there are " + known);
            }
        }
    }
}
