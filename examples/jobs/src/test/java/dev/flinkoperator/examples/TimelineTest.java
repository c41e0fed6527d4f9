package dev.flinkoperator.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class TimelineTest {
    private static final long T0 = 1_000_000;

    private final Timeline timeline = starting("--rate", "constant:100", "--partitions", "3");

    @Test
    void partitionsTakeTurns() {
        assertEquals(List.of(0L, 0L, 0L), ends(timeline, T0));
        assertEquals(List.of(1L, 1L, 0L), ends(timeline, T0 + 20));
        assertEquals(List.of(34L, 33L, 33L), ends(timeline, T0 + 1_000));
    }

    @Test
    void timeBeforeTheStartProducesNothing() {
        assertEquals(List.of(0L, 0L, 0L), ends(timeline, T0 - 5_000));
    }

    @Test
    void theSameOptionsChangeNothing() {
        Timeline later = timeline.under(options("--rate", "constant:100"), T0 + 9_000);
        assertEquals(ends(timeline, T0 + 20_000), ends(later, T0 + 20_000));
    }

    @Test
    void anotherRateGoesOnFromWhatWasProduced() {
        Timeline faster = timeline.under(options("--rate", "constant:300"), T0 + 30_000);
        assertEquals(3_000, total(faster, T0 + 30_000));
        assertEquals(3_300, total(faster, T0 + 31_000));
    }

    @Test
    void partitionsAndKeysStayAsAtTheFirstStart() {
        Timeline restored = timeline.under(options("--partitions", "9", "--keys", "7"), T0);
        assertEquals(3, restored.partitions);
        assertEquals(100, restored.keysPerPartition);
    }

    @Test
    void aLimitEndsEveryPartitionAtItsShare() {
        Timeline bounded = starting("--rate", "constant:100", "--partitions", "3", "--records", "10");
        assertEquals(List.of(4L, 3L, 3L), ends(bounded, T0 + 3_600_000));
        assertTrue(bounded.isLast(0, 4) && bounded.isLast(1, 3));
        assertFalse(bounded.isLast(0, 3));
        assertFalse(timeline.isLast(0, 1_000_000));
    }

    @Test
    void aCheckpointHoldsAllOfIt() throws IOException {
        Timeline rebased = timeline.under(options("--rate", "sine:5..50/1m"), T0 + 1_000);
        RatedEnumerator.StateSerializer serializer = new RatedEnumerator.StateSerializer();
        byte[] bytes =
                serializer.serialize(
                        new RatedEnumerator.State(rebased, List.of(new Partition(2, 77))));
        RatedEnumerator.State read = serializer.deserialize(serializer.getVersion(), bytes);
        assertEquals(ends(rebased, T0 + 90_000), ends(read.timeline, T0 + 90_000));
        assertEquals(2, read.unassigned.get(0).number);
        assertEquals(77, read.unassigned.get(0).offset);

        byte[] unstarted = serializer.serialize(new RatedEnumerator.State(null, List.of()));
        assertNull(serializer.deserialize(serializer.getVersion(), unstarted).timeline);
    }

    @Test
    void everyKeyNumbersItsRecordsWithoutGaps() {
        for (long offset = 0; offset < 1_000; offset++) {
            Event event = Event.at(2, offset, 7);
            assertEquals(2 * 7 + offset % 7, event.key);
            assertEquals(offset, event.ordinal * 7 + event.key - 2 * 7);
        }
    }

    private static Options options(String... args) {
        return Options.parse(args);
    }

    private static Timeline starting(String... args) {
        return Timeline.starting(options(args), T0);
    }

    private static List<Long> ends(Timeline timeline, long now) {
        return List.of(timeline.end(0, now), timeline.end(1, now), timeline.end(2, now));
    }

    private static long total(Timeline timeline, long now) {
        return IntStream.range(0, timeline.partitions).mapToLong(p -> timeline.end(p, now)).sum();
    }
}
