package dev.flinkoperator.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class OptionsTest {
    @Test
    void withoutOptionsTheDefaultsRun() {
        Options options = Options.parse();
        assertEquals("constant:500", options.rate);
        assertEquals(2, options.stages.size());
        assertTrue(options.verify);
    }

    @Test
    void stagesCarryTheirCost() {
        Options options = Options.parse("--stages", "map:0.5ms, keyed:2ms,cpu:200us,map");
        assertEquals(500_000, options.stages.get(0).nanos);
        assertEquals("keyed", options.stages.get(1).kind);
        assertEquals(200_000, options.stages.get(2).nanos);
        assertEquals(0, options.stages.get(3).nanos);
    }

    @Test
    void anUnknownOptionIsNamed() {
        assertTrue(refusal("--ratte", "constant:1").contains("ratte"));
    }

    @Test
    void aValueOutOfRangeIsRefused() {
        assertTrue(refusal("--partitions", "0").contains("--partitions 0"));
    }

    @Test
    void anOptionWithoutValueIsRefused() {
        assertTrue(refusal("--verify").contains("--verify"));
        assertTrue(refusal("verify", "true").contains("verify"));
    }

    @Test
    void anUnknownStageIsRefused() {
        assertTrue(refusal("--stages", "filter:1ms").contains("filter"));
        assertTrue(refusal("--stages", "map:1 week").contains("1 week"));
    }

    @Test
    void aPipelineThatDoesNothingIsRefused() {
        assertTrue(refusal("--stages", "none", "--verify", "false").contains("nothing to do"));
    }

    private static String refusal(String... args) {
        return assertThrows(IllegalArgumentException.class, () -> Options.parse(args)).getMessage();
    }
}
