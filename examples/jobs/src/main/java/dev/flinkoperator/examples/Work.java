package dev.flinkoperator.examples;

import java.io.Serializable;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.concurrent.TimeUnit;

/**
 * The cost of a record: time spent in the task's thread, so Flink counts it as busy.
 *
 * <p>A sleep is never as short as asked and costs too much per record. Therefore the time is owed
 * until a slice is due, spent at once, and measured; what was spent too much is credited to the next
 * records, so the rate over a second is the rate asked for.
 */
final class Work implements Serializable {
    private static final long serialVersionUID = 1L;

    /** Owed time that is worth a sleep. */
    static final long SLICE_NANOS = TimeUnit.MILLISECONDS.toNanos(5);

    /** The most that is credited: a long pause must not turn into a burst. */
    static final long CREDIT_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

    private final long nanosPerRecord;
    private final Spending spending;
    private long owed;

    Work(long nanosPerRecord, Spending spending) {
        this.nanosPerRecord = nanosPerRecord;
        this.spending = spending;
    }

    /** Waits, as a call to another service does: takes time and no CPU. */
    static Work waiting(long nanosPerRecord) {
        return new Work(nanosPerRecord, Work::sleep);
    }

    /** Computes: takes CPU time, however long the CPU makes it wait for that. */
    static Work computing(long nanosPerRecord) {
        return new Work(nanosPerRecord, Work::burn);
    }

    /** Does the work of one record, now or with one of the next. */
    void once() throws InterruptedException {
        owed += nanosPerRecord;
        if (owed >= SLICE_NANOS) {
            owed = Math.max(owed - spending.spend(owed), -CREDIT_NANOS);
        }
    }

    private static long sleep(long nanos) throws InterruptedException {
        long start = System.nanoTime();
        Thread.sleep(TimeUnit.NANOSECONDS.toMillis(nanos));
        return System.nanoTime() - start;
    }

    private static long burn(long nanos) {
        ThreadMXBean threads = ManagementFactory.getThreadMXBean();
        long start = threads.getCurrentThreadCpuTime();
        long spent = 0;
        long mix = nanos;
        while (spent < nanos) {
            for (int i = 0; i < 10_000; i++) {
                mix = mix * 6364136223846793005L + 1442695040888963407L;
            }
            // The result decides something, so the loop cannot be optimised away.
            spent = threads.getCurrentThreadCpuTime() - start + (mix & 1);
        }
        return spent;
    }

    /** A way to spend time. */
    interface Spending extends Serializable {
        /** Spends about {@code nanos} and returns the nanoseconds really spent. */
        long spend(long nanos) throws InterruptedException;
    }
}
