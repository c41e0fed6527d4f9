package dev.flinkoperator.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ScheduleTest {
    @Test
    void aConstantRateGrowsWithTime() {
        Schedule schedule = Schedule.parse("constant:500");
        assertEquals(0, schedule.records(0));
        assertEquals(750, schedule.records(1.5));
    }

    @Test
    void stepsAddUpAndTheLastOneStays() {
        Schedule schedule = Schedule.parse("step:500@0,2000@60s,500@5m");
        assertEquals(5_000, schedule.records(10));
        assertEquals(30_000, schedule.records(60));
        assertEquals(30_000 + 2_000, schedule.records(61));
        assertEquals(30_000 + 240 * 2_000, schedule.records(300));
        assertEquals(30_000 + 240 * 2_000 + 100 * 500, schedule.records(400));
    }

    @Test
    void nothingHappensBeforeALateFirstStep() {
        Schedule schedule = Schedule.parse("step:100@10s");
        assertEquals(0, schedule.records(10));
        assertEquals(100, schedule.records(11));
    }

    @Test
    void aSineStartsLowAndAveragesOut() {
        Schedule schedule = Schedule.parse("sine:100..900/10m");
        assertEquals(100, rateAt(schedule, 0), 0.1);
        assertEquals(900, rateAt(schedule, 300), 0.1);
        assertEquals(500, rateAt(schedule, 150), 0.1);
        assertEquals(500 * 600, schedule.records(600), 0.001);
    }

    @ParameterizedTest
    @ValueSource(strings = {"constant:7", "step:9@0,0@5s,3@7s", "sine:0..50/4s"})
    void producedRecordsAreNeverTakenBack(String text) {
        Schedule schedule = Schedule.parse(text);
        for (int i = 0; i < 10_000; i++) {
            assertTrue(schedule.records(i / 1e3) <= schedule.records((i + 1) / 1e3) + 1e-9);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "500",
                "constant",
                "constant:-1",
                "constant:x",
                "step:1@5s,2@5s",
                "step:1",
                "sine:9..1/1m",
                "sine:1..9/0s"
            })
    void whatIsNoRateIsRefused(String text) {
        assertThrows(IllegalArgumentException.class, () -> Schedule.parse(text));
    }

    private static double rateAt(Schedule schedule, double seconds) {
        return (schedule.records(seconds + 1e-3) - schedule.records(seconds)) / 1e-3;
    }
}
