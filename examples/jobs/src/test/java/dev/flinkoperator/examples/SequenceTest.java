package dev.flinkoperator.examples;

import static dev.flinkoperator.examples.Sequence.Finding.AHEAD;
import static dev.flinkoperator.examples.Sequence.Finding.COMPLETE;
import static dev.flinkoperator.examples.Sequence.Finding.DUPLICATE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

class SequenceTest {
    private final InMemory memory = new InMemory();

    @Test
    void inOrderIsComplete() throws Exception {
        assertEquals(List.of(COMPLETE, COMPLETE, COMPLETE), accept(0, 1, 2));
    }

    @Test
    void overtakingIsNoMistakeOnceTheOthersHaveCome() throws Exception {
        assertEquals(List.of(AHEAD, AHEAD, AHEAD, COMPLETE), accept(2, 3, 0, 1));
    }

    @Test
    void aRepeatedPositionIsADuplicateBehindAndAhead() throws Exception {
        assertEquals(List.of(COMPLETE, DUPLICATE, AHEAD, DUPLICATE), accept(0, 0, 5, 5));
    }

    @Test
    void aLostPositionLeavesItAheadForEver() throws Exception {
        assertEquals(List.of(COMPLETE, AHEAD, AHEAD), accept(0, 2, 3));
    }

    @Test
    void afterALossItGoesOnBehindTheLastSeen() throws Exception {
        accept(0, 2, 4);
        Sequence.skipLost(memory);
        assertEquals(List.of(COMPLETE, COMPLETE, DUPLICATE), accept(5, 6, 1));
        assertFalse(memory.hasAhead());
    }

    @Test
    void anyOrderOfAllPositionsEndsComplete() throws Exception {
        for (int seed = 0; seed < 200; seed++) {
            List<Integer> positions = new ArrayList<>();
            for (int i = 0; i < 40; i++) {
                positions.add(i);
            }
            Collections.shuffle(positions, new Random(seed));
            InMemory fresh = new InMemory();
            Sequence.Finding last = null;
            for (int position : positions) {
                last = Sequence.accept(fresh, position);
                assertFalse(last == DUPLICATE, "seed " + seed);
            }
            assertEquals(COMPLETE, last, "seed " + seed);
        }
    }

    private List<Sequence.Finding> accept(long... positions) throws Exception {
        List<Sequence.Finding> findings = new ArrayList<>();
        for (long position : positions) {
            findings.add(Sequence.accept(memory, position));
        }
        return findings;
    }

    private static final class InMemory implements Sequence.Memory {
        private final TreeSet<Long> ahead = new TreeSet<>();
        private long next;

        @Override
        public long next() {
            return next;
        }

        @Override
        public void setNext(long position) {
            next = position;
        }

        @Override
        public boolean addAhead(long position) {
            return ahead.add(position);
        }

        @Override
        public boolean takeAhead(long position) {
            return ahead.remove(position);
        }

        @Override
        public boolean hasAhead() {
            return !ahead.isEmpty();
        }
    }
}
