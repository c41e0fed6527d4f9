package dev.flinkoperator.examples;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Reads lengths of time such as {@code 0.5ms}, {@code 200us}, {@code 60s}, {@code 5m} or {@code 1h}. */
final class Span {
    private static final Pattern FORM = Pattern.compile("(\\d+(?:\\.\\d+)?)(us|ms|s|m|h)");

    private Span() {}

    /** Nanoseconds in {@code text}. */
    static long nanos(String text) {
        Matcher match = FORM.matcher(text.trim());
        if (!match.matches()) {
            throw new IllegalArgumentException(
                    "not a length of time: '" + text + "'; write a number and us, ms, s, m or h");
        }
        return Math.round(Double.parseDouble(match.group(1)) * unitNanos(match.group(2)));
    }

    /** Seconds in {@code text}. */
    static double seconds(String text) {
        return nanos(text) / 1e9;
    }

    private static double unitNanos(String unit) {
        switch (unit) {
            case "us":
                return 1e3;
            case "ms":
                return 1e6;
            case "s":
                return 1e9;
            case "m":
                return 60e9;
            default:
                return 3600e9;
        }
    }
}
