package dev.flinkoperator.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class WorkTest {
    private static final int RECORDS = 100_000;
    private static final long COST = 130_000;

    private long spent;

    @Test
    void oversleepingDoesNotSlowTheRate() throws InterruptedException {
        Work work = new Work(COST, nanos -> spend(nanos + nanos / 3));
        repeat(work, RECORDS);
        assertEquals(1.0, (double) spent / (COST * RECORDS), 0.001);
    }

    @Test
    void undersleepingDoesNotQuickenTheRate() throws InterruptedException {
        Work work = new Work(COST, nanos -> spend(nanos - nanos / 3));
        repeat(work, RECORDS);
        assertEquals(1.0, (double) spent / (COST * RECORDS), 0.001);
    }

    @Test
    void aLongPauseIsNotMadeUpByABurst() throws InterruptedException {
        Work paused = new Work(Work.SLICE_NANOS, nanos -> spend(3_600_000_000_000L));
        repeat(paused, 1);
        long before = spent;
        long free = Work.CREDIT_NANOS / Work.SLICE_NANOS;
        repeat(paused, (int) free);
        assertEquals(before, spent, "credited");
        repeat(paused, 1);
        assertTrue(spent > before, "the credit is used up");
    }

    @Test
    void freeRecordsNeverWait() throws InterruptedException {
        repeat(new Work(0, nanos -> spend(nanos)), RECORDS);
        assertEquals(0, spent);
    }

    @Test
    void realWaitingTakesAtLeastWhatIsOwed() throws InterruptedException {
        long start = System.nanoTime();
        repeat(Work.waiting(1_000_000), 200);
        assertTrue((System.nanoTime() - start) / 200e6 >= 0.95);
    }

    @Test
    void realComputingTakesAtLeastWhatIsOwed() throws InterruptedException {
        long start = System.nanoTime();
        repeat(Work.computing(1_000_000), 100);
        assertTrue((System.nanoTime() - start) / 100e6 >= 0.9);
    }

    private long spend(long nanos) {
        spent += nanos;
        return nanos;
    }

    private static void repeat(Work work, int records) throws InterruptedException {
        for (int i = 0; i < records; i++) {
            work.once();
        }
    }
}
