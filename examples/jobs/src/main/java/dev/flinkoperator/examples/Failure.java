package dev.flinkoperator.examples;

import java.io.Serializable;

/** A failure on purpose, at one offset of partition 0, in the first attempts of the task. */
final class Failure implements Serializable {
    /** Never fails. */
    static final Failure NONE = new Failure(-1, 0);

    private static final long serialVersionUID = 1L;

    private final long offset;
    private final int attempts;

    Failure(long offset, int attempts) {
        this.offset = offset;
        this.attempts = attempts;
    }

    void check(Event event, int attempt) {
        if (event.offset == offset && event.partition == 0 && attempt < attempts) {
            throw new IllegalStateException(
                    "failing on purpose at offset " + offset + " of partition 0, attempt " + attempt);
        }
    }
}
