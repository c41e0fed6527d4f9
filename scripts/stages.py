"""Runs stages: two lanes side by side, a log file for each stage, a summary at the end.

A stage that fails stops those that need it and no others, so that one run shows all that is wrong.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

HEARTBEAT = 30  # seconds of silence after which the running stages are named
TAIL = 40  # lines of a failed stage's log that are shown

CARGO_RESULT = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored")
# Surefire's sum of a module; its lines about single classes go on with the time they took.
MAVEN_RESULT = re.compile(r"Tests run: (\d+), Failures: (\d+), Errors: (\d+), Skipped: (\d+)\s*$")
CARGO_FAILURE = re.compile(r"^test (\S+) (?:- should panic )?\.\.\. FAILED")
# What the test of random lives says in the end: how many there were, and how fast.
LIVES_RESULT = re.compile(r"^\d+ of \d+ lives from seed \d+, .*: ")
PYTHON_RESULT = re.compile(r"^Ran (\d+) tests? in ")


@dataclass
class Stage:
    name: str
    command: list[str]
    lane: str = "main"
    needs: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    # A variable for the stages that follow, set to the last line this one prints.
    gives: str = ""
    # What to do when it fails, in one sentence.
    remedy: str = ""
    # A failure is told and forgiven.
    optional: bool = False
    # Runs even when what it needs has failed: it takes something back.
    always: bool = False
    minutes: int = 60
    result: str = ""
    seconds: float = 0.0
    passed: int = 0
    failed: int = 0
    ignored: int = 0
    # The tests that failed, where the test program names them.
    broken: list[str] = field(default_factory=list)


def clock(seconds: float) -> str:
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"


class Runner:
    def __init__(self, stages: list[Stage], logs: Path, env: dict[str, str]):
        self.stages = stages
        self.logs = logs
        self.env = env
        self.began = time.monotonic()
        self.spoke = self.began
        self.running: dict[str, float] = {}
        self.children: dict[str, subprocess.Popen] = {}
        self.changed = threading.Condition()
        self.interrupted = False

    def say(self, text: str) -> None:
        with self.changed:
            self.spoke = time.monotonic()
            print(f"[{clock(self.spoke - self.began)}] {text}", flush=True)

    def run(self) -> int:
        self.logs.mkdir(parents=True, exist_ok=True)
        for signal_number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signal_number, lambda *_: self.interrupt())
        lanes = dict.fromkeys(stage.lane for stage in self.stages)
        threads = [threading.Thread(target=self.drive, args=(lane,)) for lane in lanes]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            time.sleep(0.2)
            self.heartbeat()
        return self.summary()

    def interrupt(self) -> None:
        """Ends what runs; stages that take something back still follow."""
        self.interrupted = True
        for child in list(self.children.values()):
            end(child)

    def heartbeat(self) -> None:
        now = time.monotonic()
        if now - self.spoke > HEARTBEAT and self.running:
            running = (f"{name} {clock(now - since)}" for name, since in list(self.running.items()))
            self.say("... " + ", ".join(running))

    def drive(self, lane: str) -> None:
        for stage in self.stages:
            if stage.lane != lane:
                continue
            missing = self.wait_for(stage)
            if (missing or self.interrupted) and not stage.always:
                stage.result = "skipped"
                why = "interrupted" if self.interrupted else f"{missing} did not pass"
                self.say(f"{stage.name}: skipped, {why}")
            else:
                self.perform(stage)
            with self.changed:
                self.changed.notify_all()

    def wait_for(self, stage: Stage) -> str:
        """Waits for what a stage needs; the name of a need that did not pass."""
        needed = [other for other in self.stages if other.name in stage.needs]
        with self.changed:
            self.changed.wait_for(lambda: all(other.result for other in needed))
        bad = (other.name for other in needed if other.result not in ("passed", "forgiven"))
        return next(bad, "")

    def perform(self, stage: Stage) -> None:
        log = self.logs / f"{self.stages.index(stage) + 1:02d}-{stage.name.replace(' ', '-')}.log"
        self.say(f"{stage.name} ...")
        began = time.monotonic()
        self.running[stage.name] = began
        code, why = self.execute(stage, log)
        stage.seconds = time.monotonic() - began
        del self.running[stage.name]
        lines = log.read_text(errors="replace").splitlines()
        count(stage, lines)
        self.say_results(stage, lines)
        if code == 0:
            stage.result = "passed"
            if stage.gives and lines:
                self.env[stage.gives] = lines[-1].strip()
        elif stage.optional:
            stage.result = "forgiven"
        else:
            stage.result = "failed"
        self.say(f"{stage.name}: {stage.result} in {clock(stage.seconds)}{tally(stage)}")
        if code != 0:
            self.explain(stage, log, lines, why)

    def execute(self, stage: Stage, log: Path) -> tuple[int, str]:
        with log.open("w") as out:
            try:
                child = subprocess.Popen(
                    stage.command,
                    env={**self.env, **stage.env},
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                return 127, f"{stage.command[0]} cannot be started: {error.strerror}"
            self.children[stage.name] = child
            try:
                return child.wait(timeout=stage.minutes * 60), ""
            except subprocess.TimeoutExpired:
                end(child)
                return 124, f"took longer than {stage.minutes} minutes and was ended"
            finally:
                del self.children[stage.name]

    def say_results(self, stage: Stage, lines: list[str]) -> None:
        """Repeats the closing lines of the test programs that had anything to run."""
        for line in lines:
            found = CARGO_RESULT.match(line) or MAVEN_RESULT.search(line)
            if (found and any(int(number) for number in found.groups())) or LIVES_RESULT.match(line):
                self.say(f"{stage.name}: {line.strip()}")

    def explain(self, stage: Stage, log: Path, lines: list[str], why: str) -> None:
        with self.changed:
            if not stage.optional:
                print("\n".join(f"    | {line}" for line in lines[-TAIL:]))
            for text in (why, stage.remedy, f"the whole log: {log}"):
                if text:
                    print(f"    {text}")
            sys.stdout.flush()

    def summary(self) -> int:
        print(f"\n{'stage':<24} {'result':<9} {'time':>6}  {'passed':>6} {'failed':>6} {'ignored':>7}")
        for stage in self.stages:
            counts = f"{stage.passed:>6} {stage.failed:>6} {stage.ignored:>7}" if tally(stage) else ""
            row = f"{stage.name:<24} {stage.result:<9} {clock(stage.seconds):>6}  {counts}"
            print(row.rstrip())
        bad = [stage for stage in self.stages if stage.result in ("failed", "skipped")]
        passed = sum(stage.passed for stage in self.stages)
        failed = sum(max(stage.failed, stage.result == "failed") for stage in self.stages)
        if bad:
            print(f"\nlogs: {self.logs}")
            names = ", ".join(stage.name for stage in bad if stage.result == "failed")
            print(f"failed: {names or 'nothing, but not everything ran'}")
            for stage in bad:
                print("".join(f"  {test}\n" for test in stage.broken), end="")
        print(f"\nafter {clock(time.monotonic() - self.began)}:")
        print(f"{passed} passed, {max(failed, int(bool(bad)))} failed", flush=True)
        return 1 if bad else 0


def count(stage: Stage, lines: list[str]) -> None:
    for line in lines:
        if found := CARGO_RESULT.match(line):
            passed, failed, ignored = (int(number) for number in found.groups())
            stage.passed += passed
            stage.failed += failed
            stage.ignored += ignored
        elif found := MAVEN_RESULT.search(line):
            run, failures, errors, skipped = (int(number) for number in found.groups())
            stage.passed += run - failures - errors - skipped
            stage.failed += failures + errors
            stage.ignored += skipped
        elif found := CARGO_FAILURE.match(line):
            stage.broken.append(found.group(1))
        elif found := PYTHON_RESULT.match(line):
            stage.passed += int(found.group(1))


def tally(stage: Stage) -> str:
    if not (stage.passed or stage.failed or stage.ignored):
        return ""
    ignored = f", {stage.ignored} ignored" if stage.ignored else ""
    return f": {stage.passed} passed, {stage.failed} failed{ignored}"


def end(child: subprocess.Popen) -> None:
    """Ends a stage and all it started: politely, then for good."""
    for signal_number, patience in ((signal.SIGTERM, 20), (signal.SIGKILL, 5)):
        try:
            os.killpg(child.pid, signal_number)
            child.wait(timeout=patience)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
