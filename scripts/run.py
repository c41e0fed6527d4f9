"""`make check` and `make test`: what is run, in which order, on which of two lanes.

Settings, all from the environment:

    CI=true           install missing Debian packages; nothing may be skipped
    CLUSTER=current   the end-to-end tests use the cluster of KUBECONFIG, not one of our own
    KEEP_CLUSTER=1    leave our own cluster running afterwards
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from stages import Runner, Stage

ROOT = Path(__file__).resolve().parent.parent
RUST = (1, 95)


def check(tool: str) -> list[Stage]:
    """The fast ones: seconds to a few minutes, no root, no cluster."""
    tests = ["cargo", "test", "--locked", "--no-fail-fast", "--workspace"]
    tests += ["--exclude", "flink-cluster", "--exclude", "flink-e2e"]
    stages = [
        Stage(
            "format",
            ["cargo", "fmt", "--all", "--check"],
            remedy="run `cargo fmt`",
        ),
        Stage(
            "cluster tool",
            ["cargo", "build", "--locked", "--package", "flink-cluster"],
            remedy="the first build needs the registry of crates and a C compiler",
        ),
        Stage(
            "helm",
            [tool, "path", "helm"],
            lane="side",
            needs=("cluster tool",),
            gives="HELM",
            optional=os.environ.get("CI") != "true",
            remedy="without Go 1.26 the chart is not rendered by the tests; they say so",
        ),
        Stage(
            "lint",
            ["cargo", "clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"],
        ),
        Stage(
            "tests",
            tests,
            needs=("helm",),
            remedy="if a generated file is stale: run `make generate` and look at the difference",
        ),
        Stage(
            "documentation",
            ["cargo", "doc", "--locked", "--workspace", "--no-deps", "--document-private-items"],
            env={"RUSTDOCFLAGS": "-D warnings -A rustdoc::private_intra_doc_links"},
        ),
        Stage(
            "scripts",
            [sys.executable, "-m", "unittest", "discover", "--start-directory", "scripts"],
        ),
    ]
    if shutil.which("cargo-deny"):
        stages.append(Stage("policy", ["cargo", "deny", "check", "bans", "licenses", "sources"]))
    else:
        print("policy: not checked, cargo-deny is not installed (`cargo install cargo-deny`)")
    return stages


def everything(tool: str) -> list[Stage]:
    """All levels, from a fresh machine."""
    install = [tool, "--install"] if os.environ.get("CI") == "true" else [tool]
    own = os.environ.get("CLUSTER") != "current"
    stages = check(tool)
    stages += [
        Stage(
            f"{program} program",
            [*install, "path", program],
            lane="side",
            needs=("cluster tool",),
            remedy="Go 1.26 and the Go module proxy are needed",
        )
        for program in ("kubectl", "coredns", "metrics-server")
    ]
    stages += [
        Stage(
            "example jobs",
            ["mvn", "--batch-mode", "--file", "examples/jobs/pom.xml", "package"],
            lane="side",
            remedy="Java 17, Maven and Maven Central are needed",
        ),
        # Compiled for speed; `make lives` plays more.
        Stage(
            "random lives",
            [
                *["cargo", "test", "--locked", "--profile", "lives", "--package", "flink-operator"],
                *["--test", "it", "lives::nothing"],
            ],
            needs=("tests",),
            env={"LIVES": "100000"},
            remedy="the end of the log says how to play the life that failed again",
        ),
        Stage(
            "cluster tool tests",
            ["cargo", "test", "--locked", "--package", "flink-cluster"],
            needs=("kubectl program",),
        ),
    ]
    return [*stages, *end_to_end(install, own)]


def end_to_end(tool: list[str], own: bool) -> list[Stage]:
    """The operator's program against a real API server, and against real pods on a cluster."""
    test = ["cargo", "test", "--locked", "--package", "flink-e2e"]
    program = Stage(
        "operator program",
        ["cargo", "build", "--locked", "--release", "--package", "flink-operator"],
    )
    api = Stage(
        "API tests",
        [*test, "--test", "api", "--", "--test-threads=4"],
        needs=("kubectl program", "helm", "operator program"),
        minutes=30,
    )
    ready: tuple[str, ...] = ("operator program",)
    before: list[Stage] = []
    after: list[Stage] = []
    if own:
        programs = tuple(f"{name} program" for name in ("kubectl", "coredns", "metrics-server"))
        flink = ["flink-1.20", "flink-2.3", "example-1.20", "example-2.3", "example-python", "kafka"]
        before = [
            Stage(
                "cluster",
                [*tool, "up"],
                lane="side",
                needs=programs,
                remedy="`make cluster-down` takes back what a broken start left",
            ),
            Stage(
                "flink images",
                [*tool, "images", *flink],
                lane="side",
                needs=("cluster", "example jobs"),
                remedy="Flink comes from PyPI, and Debian packages from its mirror",
            ),
            Stage("operator image", [*tool, "images", "operator"], needs=("cluster", "operator program")),
        ]
        ready = ("flink images", "operator image")
        if os.environ.get("KEEP_CLUSTER") != "1":
            after = [Stage("cluster down", [*tool, "down"], needs=("examples",), always=True)]
    look = "`KEEP_CLUSTER=1 make test` leaves the cluster for a look"
    e2e = [
        Stage(
            "end to end",
            [*test, "--test", "e2e", "--", "--test-threads=3", "--skip", "examples::"],
            needs=ready,
            remedy=look,
        ),
        # They ask for more CPU than the others, and are applied unchanged: a machine of two cores has no room for both.
        Stage(
            "examples",
            [*test, "--test", "e2e", "--", "--test-threads=2", "examples::"],
            needs=ready,
            remedy=look,
        ),
    ]
    return [program, api, *before, *e2e, *after]


def prerequisites(level: str) -> list[str]:
    """What the machine lacks, each with its remedy."""
    missing = []
    if rust := shutil.which("rustc"):
        text = subprocess.run([rust, "--version"], capture_output=True, text=True).stdout
        found = re.search(r"(\d+)\.(\d+)", text)
        if not found or tuple(map(int, found.groups())) < RUST:
            missing.append(f"Rust {RUST[0]}.{RUST[1]} or newer: run `rustup update stable`")
    else:
        missing.append("Rust: install it with rustup")
    wanted = [("cc", "a C compiler: `apt-get install build-essential`")]
    if level == "test":
        wanted += [
            ("go", "Go 1.26 or newer"),
            ("javac", "a JDK, 17 or newer: `apt-get install openjdk-17-jdk-headless`"),
            ("mvn", "Maven: `apt-get install maven`"),
        ]
    missing += [remedy for program, remedy in wanted if not shutil.which(program)]
    return missing


def install_packages() -> None:
    """In CI, what is missing to compile C and to test is installed; the rest the cluster tool sees to."""
    packages = {"cc": "build-essential", "prometheus": "prometheus"}
    missing = [package for program, package in packages.items() if not shutil.which(program)]
    if os.environ.get("CI") == "true" and os.geteuid() == 0 and missing:
        apt = ["apt-get", "--quiet", "--yes"]
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for arguments in (["update"], ["install", "--no-install-recommends", *missing]):
            subprocess.run([*apt, *arguments], env=environment, check=True)


def main() -> int:
    level = sys.argv[1] if len(sys.argv) > 1 else "check"
    if level not in ("check", "test"):
        print("usage: run.py check|test", file=sys.stderr)
        return 2
    os.chdir(ROOT)
    install_packages()
    if missing := prerequisites(level):
        print("this machine lacks:\n  " + "\n  ".join(missing), file=sys.stderr)
        return 1
    target = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    tool = str(target / "debug/local-cluster")
    env = {**os.environ, "CARGO_TARGET_DIR": str(target), "CARGO_TERM_COLOR": "never"}
    stages = check(tool) if level == "check" else everything(tool)
    return Runner(stages, target / "logs" / level, env).run()


if __name__ == "__main__":
    sys.exit(main())
