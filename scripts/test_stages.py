"""The runner's own tests: `python3 -m unittest discover --start-directory scripts`."""

import contextlib
import io
import os
import tempfile
import unittest
from pathlib import Path

from stages import Runner, Stage, count


def run(stages: list[Stage]) -> tuple[int, str]:
    """Runs stages in a folder of their own; the exit code and what was printed."""
    out = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(out):
        code = Runner(stages, Path(folder), dict(os.environ)).run()
    return code, out.getvalue()


def shell(name: str, script: str, **settings) -> Stage:
    return Stage(name, ["sh", "-c", script], **settings)


class Counting(unittest.TestCase):
    def test_cargo_and_maven_are_added_up(self):
        stage = shell("tests", "")
        count(
            stage,
            [
                "test result: ok. 81 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
                "test result: FAILED. 3 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out",
                "[INFO] Tests run: 7, Failures: 0, Errors: 0, Skipped: 0, Time elapsed: 1 s - in A",
                "[WARNING] Tests run: 9, Failures: 1, Errors: 1, Skipped: 2",
            ],
        )
        self.assertEqual((stage.passed, stage.failed, stage.ignored), (89, 4, 3))


class Running(unittest.TestCase):
    def test_the_last_line_counts(self):
        line = "test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured"
        code, text = run([shell("one", f"echo '{line}'"), shell("two", "true", lane="side")])
        self.assertEqual(code, 0)
        self.assertEqual(text.splitlines()[-1], "5 passed, 0 failed")
        self.assertIn(line, text)

    def test_a_failure_skips_what_needs_it_and_nothing_else(self):
        stages = [
            shell("broken", "echo the reason; exit 3", remedy="mend it"),
            shell("needs it", "true", needs=("broken",)),
            shell("other", "true"),
        ]
        code, text = run(stages)
        self.assertEqual(code, 1)
        self.assertEqual([stage.result for stage in stages], ["failed", "skipped", "passed"])
        self.assertIn("the reason", text)
        self.assertIn("mend it", text)
        self.assertEqual(text.splitlines()[-1], "0 passed, 1 failed")

    def test_the_tests_that_failed_are_named_at_the_end(self):
        lines = "test a::good ... ok\ntest b::bad ... FAILED\ntest result: FAILED. 1 passed; 1 failed; 0 ignored"
        code, text = run([shell("tests", f"echo '{lines}'; exit 101"), shell("other", "true")])
        self.assertEqual(code, 1)
        end = text.splitlines()[text.splitlines().index("failed: tests") :]
        self.assertEqual(end[1], "  b::bad")
        self.assertEqual(end[-1], "1 passed, 1 failed")

    def test_what_takes_something_back_runs_after_a_failure(self):
        stages = [shell("broken", "exit 1"), shell("down", "true", needs=("broken",), always=True)]
        run(stages)
        self.assertEqual(stages[1].result, "passed")

    def test_a_stage_gives_its_last_line_to_those_that_follow(self):
        stages = [
            shell("path", "echo one; echo /a/path", gives="FOUND", lane="side"),
            shell("uses", 'test "$FOUND" = /a/path', needs=("path",)),
        ]
        code, text = run(stages)
        self.assertEqual(code, 0, text)

    def test_an_optional_failure_is_told_and_forgiven(self):
        stages = [shell("maybe", "exit 1", optional=True, remedy="install it"), shell("next", "true", needs=("maybe",))]
        code, text = run(stages)
        self.assertEqual(code, 0)
        self.assertIn("install it", text)

    def test_a_program_that_is_missing_is_named(self):
        code, text = run([Stage("gone", ["/no/such/program"])])
        self.assertEqual(code, 1)
        self.assertIn("/no/such/program cannot be started", text)


if __name__ == "__main__":
    unittest.main()
