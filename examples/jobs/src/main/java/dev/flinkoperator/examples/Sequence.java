package dev.flinkoperator.examples;

/**
 * Whether the positions 0, 1, 2, … of one key each arrive exactly once, in any order.
 *
 * <p>Records overtake each other between subtasks, so a position ahead of its turn is no mistake: it is
 * remembered until the ones before it have come. A position seen before is a duplicate at once. One
 * that never comes is known only where nothing can be under way any more: when an aligned checkpoint
 * barrier has passed, every record before it has, and nothing may be left waiting.
 */
final class Sequence {
    private Sequence() {}

    /** What one more position tells. */
    enum Finding {
        /** All positions so far have come. */
        COMPLETE,
        /** Some before it have not come yet. */
        AHEAD,
        /** It came before. */
        DUPLICATE
    }

    /** Takes in one position. */
    static Finding accept(Memory memory, long position) throws Exception {
        long next = memory.next();
        if (position < next) {
            return Finding.DUPLICATE;
        }
        if (position > next) {
            return memory.addAhead(position) ? Finding.AHEAD : Finding.DUPLICATE;
        }
        next++;
        while (memory.takeAhead(next)) {
            next++;
        }
        memory.setNext(next);
        return memory.hasAhead() ? Finding.AHEAD : Finding.COMPLETE;
    }

    /** Gives up on positions that are lost for certain, and goes on after the last one seen. */
    static void skipLost(Memory memory) throws Exception {
        long next = memory.next();
        while (memory.hasAhead()) {
            memory.takeAhead(next);
            next++;
        }
        memory.setNext(next);
    }

    /** What is remembered of one key. */
    interface Memory {
        /** The lowest position that has not come. */
        long next() throws Exception;

        void setNext(long position) throws Exception;

        /** Remembers a position ahead of its turn; false if it was there. */
        boolean addAhead(long position) throws Exception;

        /** Forgets a position ahead of its turn; false if it was not there. */
        boolean takeAhead(long position) throws Exception;

        boolean hasAhead() throws Exception;
    }
}
