package dev.flinkoperator.examples;

import java.util.ArrayList;
import java.util.List;

/**
 * How many records the outside world has produced after some time: the integral of a rate.
 *
 * <pre>
 * constant:500                     500 records/s
 * step:500@0,2000@60s,500@5m       from each given time on, that rate
 * sine:100..900/10m                between the two, starting at the lower, one period long 10 min
 * </pre>
 *
 * Its one rule: a function of time alone, so that a restart changes nothing.
 */
interface Schedule {
    /** Records produced in the first {@code seconds}; never falls as time goes on. */
    double records(double seconds);

    /** Reads the text form. */
    static Schedule parse(String text) {
        String[] parts = text.trim().split(":", 2);
        try {
            switch (parts[0]) {
                case "constant":
                    return constant(rate(parts[1]));
                case "step":
                    return steps(parts[1]);
                case "sine":
                    return sine(parts[1]);
                default:
                    throw new IllegalArgumentException("it starts with none of constant:, step:, sine:");
            }
        } catch (RuntimeException e) {
            throw new IllegalArgumentException("not a rate: '" + text + "'; see the README", e);
        }
    }

    private static Schedule constant(double rate) {
        return seconds -> rate * seconds;
    }

    private static Schedule steps(String text) {
        List<double[]> steps = new ArrayList<>();
        for (String step : text.split(",")) {
            String[] parts = step.split("@", 2);
            double from = parts[1].trim().equals("0") ? 0 : Span.seconds(parts[1]);
            if (!steps.isEmpty() && from <= steps.get(steps.size() - 1)[1]) {
                throw new IllegalArgumentException("steps are not in the order of time");
            }
            steps.add(new double[] {rate(parts[0]), from});
        }
        return seconds -> {
            double sum = 0;
            for (int i = 0; i < steps.size(); i++) {
                double from = steps.get(i)[1];
                double to = i + 1 < steps.size() ? steps.get(i + 1)[1] : Double.MAX_VALUE;
                sum += steps.get(i)[0] * Math.max(0, Math.min(seconds, to) - from);
            }
            return sum;
        };
    }

    private static Schedule sine(String text) {
        String[] parts = text.split("/", 2);
        String[] bounds = parts[0].split("\\.\\.", 2);
        double low = rate(bounds[0]);
        double high = rate(bounds[1]);
        double period = Span.seconds(parts[1]);
        if (high < low || period <= 0) {
            throw new IllegalArgumentException("bounds or period are out of order");
        }
        double turn = 2 * Math.PI / period;
        double middle = (low + high) / 2;
        double swing = (high - low) / 2;
        return seconds -> middle * seconds - swing / turn * Math.sin(turn * seconds);
    }

    private static double rate(String text) {
        double rate = Double.parseDouble(text.trim());
        if (!(rate >= 0 && rate < 1e12)) {
            throw new IllegalArgumentException("a rate is at least 0 records/s");
        }
        return rate;
    }
}
