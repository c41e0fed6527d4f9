"""The second half of `make demo`: shows a running job as a table, upgrades it, and waits for the autoscaler.

Ends with 0 only if the job came back from its upgrade with all its state and was then scaled by the autoscaler
until its backlog was gone. Tests: `test_follow.py`.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

PACE = 5  # seconds between two rows
TRIPLED = 600  # records/s that come only once the load has tripled
VERIFY = "c4db0e1e13f60387829bb98eda2ab3a1"  # the vertex that checks every record
UPGRADE = {"spec": {"flinkConfiguration": {"execution.checkpointing.interval": "15s"}}}
HEAD = f"{'time':>5}  {'lifecycle':<10} {'job':<12} {'parallelism':<11} {'in/s':>6} {'lag':>6}  autoscaler"


@dataclass
class View:
    """What is known about the job at one instant; None is what could not be read."""

    generation_seen: bool = False
    lifecycle: str = "-"
    state: str = "-"
    job_id: str = ""
    restored_from: str = ""
    # Name, id and parallelism of each vertex, in the order of the graph.
    vertices: list[tuple[str, str, int]] = field(default_factory=list)
    rate: float | None = None
    lag: float | None = None
    counters: dict[str, int] = field(default_factory=dict)
    checkpoints: int = 0
    # As the operator reports it in status.autoscaler.
    scaler: dict = field(default_factory=dict)

    def parallelism(self) -> str:
        return "-".join(str(parallelism) for _, _, parallelism in self.vertices) or "-"

    def largest(self) -> int:
        return max((parallelism for _, _, parallelism in self.vertices), default=0)

    def steady(self) -> bool:
        return self.generation_seen and self.lifecycle == "STABLE" and self.state == "RUNNING"

    def opinion(self) -> str:
        """What the autoscaler recommends and why, in one line."""
        changes = [
            f"{vertex['name']} {vertex['current']}->{vertex['target']}"
            for vertex in self.scaler.get("vertices", [])
            if vertex.get("target") != vertex.get("current")
        ]
        said = self.scaler.get("reason", "has not looked yet")
        return f"{', '.join(changes)}: {said}" if changes else said

    def row(self, seconds: float) -> str:
        def number(value: float | None) -> str:
            return "-" if value is None else f"{value:.0f}"

        return (
            f"{clock(seconds):>5}  {self.lifecycle:<10} {self.state:<12} {self.parallelism():<11} "
            f"{number(self.rate):>6} {number(self.lag):>6}  {self.opinion()}"
        )


def clock(seconds: float) -> str:
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"


class Failed(Exception):
    """The story did not go as it should."""


class Cluster:
    """The resource and Flink's REST interface, both through kubectl."""

    def __init__(self, kubectl: str, namespace: str, name: str):
        self.kubectl = kubectl
        self.namespace = namespace
        self.name = name

    def run(self, *arguments: str) -> str:
        command = [self.kubectl, "--namespace", self.namespace, "--request-timeout=10s", *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def flink(self, path: str):
        """An answer of the JobManager, or None while there is none."""
        service = f"/api/v1/namespaces/{self.namespace}/services/http:{self.name}-rest:8081/proxy"
        try:
            return json.loads(self.run("get", "--raw", f"{service}{path}"))
        except (Failed, json.JSONDecodeError):
            return None

    def metric(self, job: str, vertex: str, name: str) -> float | None:
        answer = self.flink(f"/jobs/{job}/vertices/{vertex}/subtasks/metrics?get={name}&agg=sum")
        return answer[0].get("sum") if answer else None

    def patch(self, change: dict) -> None:
        kind = "flinkdeployment"
        self.run("patch", kind, self.name, "--type=merge", "--patch", json.dumps(change))

    def view(self) -> View:
        resource = json.loads(self.run("get", "flinkdeployment", self.name, "--output", "json"))
        status = resource.get("status", {})
        job = status.get("jobStatus", {})
        view = View(
            generation_seen=resource["metadata"]["generation"] == status.get("observedGeneration"),
            lifecycle=status.get("lifecycleState", "-"),
            state=job.get("state", "-"),
            job_id=job.get("jobId", ""),
            restored_from=job.get("upgradeSavepointPath", ""),
            scaler=status.get("autoscaler", {}),
        )
        if view.state == "RUNNING":
            self.fill(view)
        return view

    def fill(self, view: View) -> None:
        """Adds what Flink says."""
        detail = self.flink(f"/jobs/{view.job_id}")
        if not detail:
            return
        view.vertices = [
            (vertex["name"], vertex["id"], vertex["parallelism"]) for vertex in detail["vertices"]
        ]
        for name, vertex, _ in view.vertices:
            if name.startswith("Source: "):
                operator = name.replace(": ", "__")
                view.lag = self.metric(view.job_id, vertex, f"{operator}.pendingRecords")
                view.rate = self.metric(view.job_id, vertex, f"{operator}.numRecordsOutPerSecond")
        counters = self.flink(f"/jobs/{view.job_id}/accumulators") or {}
        view.counters = {
            counter["name"]: int(counter["value"])
            for counter in counters.get("user-task-accumulators", [])
            if counter["value"].lstrip("-").isdigit()
        }
        checkpoints = self.flink(f"/jobs/{view.job_id}/checkpoints") or {}
        view.checkpoints = checkpoints.get("counts", {}).get("completed", 0)


class Story:
    def __init__(self, cluster: Cluster):
        self.cluster = cluster
        self.began = time.monotonic()

    def say(self, text: str) -> None:
        print(f"\n-- {text}", flush=True)

    def until(self, what: str, minutes: float, reached: Callable[[View], bool]) -> View:
        """Prints rows until something is reached; `Failed` when it takes too long."""
        end = time.monotonic() + minutes * 60
        print(HEAD, flush=True)
        while time.monotonic() < end:
            view = self.cluster.view()
            print(view.row(time.monotonic() - self.began), flush=True)
            if reached(view):
                return view
            time.sleep(PACE)
        raise Failed(f"waited {minutes:.0f} minutes in vain until {what}")

    def upgrade(self) -> None:
        self.say("the job counts what it has processed (parallelism: source-map-keyed-verify)")
        before = self.until(
            "it has counted 1000 records",
            3,
            lambda view: view.steady() and view.counters.get("verify.counted", 0) >= 1000,
        )
        counted = before.counters["verify.counted"]
        self.say(f"upgrade with a savepoint after {counted} records: {json.dumps(UPGRADE['spec'])}")
        self.cluster.patch(UPGRADE)
        after = self.until(
            "another job has taken over and completed checkpoints",
            5,
            lambda view: view.steady() and view.job_id != before.job_id and view.checkpoints >= 2,
        )
        restored = self.cluster.metric(after.job_id, VERIFY, "verify.restoredCounted")
        self.say(
            f"restored from {after.restored_from}: {restored or 0:.0f} records counted in the savepoint, "
            f"{after.counters.get('verify.violations', '?')} lost or counted twice"
        )
        if restored is None or restored < counted:
            raise Failed(f"the job had counted {counted} records, its successor starts with {restored}")
        self.verify(after)

    def scale(self) -> None:
        self.say("the load triples two minutes after the start, and one subtask of keyed-2 is too few")
        grown = self.until(
            "the autoscaler has given it more",
            8,
            lambda view: view.steady() and view.largest() > 1,
        )
        self.say(f"scaled by the autoscaler to {grown.parallelism()}; now it has to carry the tripled load")
        done = self.until(
            "the load has tripled and the backlog is gone",
            8,
            lambda view: view.steady()
            and view.lag is not None
            and TRIPLED < (view.rate or 0) > view.lag
            and "verify.violations" in view.counters,
        )
        self.verify(done)

    def verify(self, view: View) -> None:
        violations = view.counters.get("verify.violations")
        if violations != 0:
            raise Failed(f"verify.violations is {violations}: records were lost or counted twice")


def main() -> int:
    if len(sys.argv) != 4:
        print("usage: follow.py KUBECTL NAMESPACE NAME", file=sys.stderr)
        return 2
    story = Story(Cluster(*sys.argv[1:]))
    try:
        story.upgrade()
        story.scale()
    except Failed as failure:
        print(f"\nthe demo failed: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nended; the job goes on running", file=sys.stderr)
        return 130
    story.say("deployed, upgraded with its state, and scaled by the autoscaler; no record lost or counted twice")
    return 0


if __name__ == "__main__":
    sys.exit(main())
