package dev.flinkoperator.examples;

import java.io.Serializable;

/** What a {@link CheckedStage} may conclude, and what it does about a violation. */
final class Strictness implements Serializable {
    private static final long serialVersionUID = 1L;

    /** Whether no record can overtake a checkpoint barrier. */
    final boolean barriersAreAligned;

    /** Whether a violation fails the job. */
    final boolean failOnViolation;

    Strictness(boolean barriersAreAligned, boolean failOnViolation) {
        this.barriersAreAligned = barriersAreAligned;
        this.failOnViolation = failOnViolation;
    }
}
