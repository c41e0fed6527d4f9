"""Tests of the demo's second half, with a cluster that plays back."""

import contextlib
import io
import unittest
from unittest import mock

import follow
from follow import Failed, Story, View

READY = {"generation_seen": True, "lifecycle": "STABLE", "state": "RUNNING", "checkpoints": 2}


def vertices(keyed: int) -> list[tuple[str, str, int]]:
    return [("Source: rated", "a", 1), ("keyed-2", "b", keyed)]


class Playback:
    """Answers with one view after the other, the last one for ever."""

    def __init__(self, *views: View, restored: float = 1500):
        self.views = list(views)
        self.restored = restored
        self.patches: list[dict] = []

    def view(self) -> View:
        return self.views.pop(0) if len(self.views) > 1 else self.views[0]

    def metric(self, *_) -> float:
        return self.restored

    def patch(self, change: dict) -> None:
        self.patches.append(change)


def play(cluster: Playback, part: str) -> str:
    now = iter(range(0, 100_000, 5))
    out = io.StringIO()
    clocks = mock.patch.multiple(follow.time, monotonic=lambda: next(now), sleep=lambda _: None)
    with clocks, contextlib.redirect_stdout(out):
        getattr(Story(cluster), part)()
    return out.getvalue()


class Rows(unittest.TestCase):
    def test_a_row_shows_parallelism_load_and_the_recommendation_with_its_reason(self):
        scaler = {
            "reason": "rescale keyed-2 1 -> 3",
            "vertices": [
                {"name": "keyed-2", "current": 1, "target": 3},
                {"name": "map-1", "current": 1, "target": 1},
            ],
        }
        row = View(vertices=vertices(1), rate=500.4, lag=1200, scaler=scaler, **READY).row(65)
        self.assertIn("01:05  STABLE", row)
        self.assertIn("1-1", row)
        self.assertIn("   500   1200  keyed-2 1->3: rescale keyed-2 1 -> 3", row)

    def test_what_could_not_be_read_is_a_dash(self):
        self.assertIn("-      -  has not looked yet", View().row(0))


class Upgrade(unittest.TestCase):
    before = View(job_id="1", counters={"verify.counted": 1200}, **READY)

    def after(self, violations: int) -> View:
        counters = {"verify.counted": 1800, "verify.violations": violations}
        return View(job_id="2", restored_from="file:///s/1", counters=counters, **READY)

    def test_passes_when_the_successor_has_all_records(self):
        cluster = Playback(self.before, self.before, self.after(0))
        self.assertIn("restored from file:///s/1", play(cluster, "upgrade"))
        self.assertEqual(cluster.patches, [follow.UPGRADE])

    def test_fails_when_the_successor_starts_with_less(self):
        with self.assertRaisesRegex(Failed, "had counted 1200"):
            play(Playback(self.before, self.after(0), restored=10), "upgrade")

    def test_fails_when_records_were_lost(self):
        with self.assertRaisesRegex(Failed, "verify.violations is 3"):
            play(Playback(self.before, self.after(3)), "upgrade")

    def test_fails_when_no_successor_comes(self):
        with self.assertRaisesRegex(Failed, "waited 5 minutes in vain"):
            play(Playback(self.before), "upgrade")


class Scale(unittest.TestCase):
    def test_passes_when_scaled_and_the_backlog_is_gone(self):
        fine = {"verify.violations": 0}
        shown = play(
            Playback(
                View(vertices=vertices(1), rate=500, lag=2000, **READY),
                View(vertices=vertices(3), rate=1500, lag=4000, **READY),
                View(vertices=vertices(3), rate=900, lag=20, counters=fine, **READY),
            ),
            "scale",
        )
        self.assertIn("scaled by the autoscaler to 1-3", shown)

    def test_one_that_scales_before_the_load_has_tripled_is_followed_until_it_carries_that(self):
        early = View(vertices=vertices(2), rate=300, lag=1, counters={"verify.violations": 0}, **READY)
        restarting = View(vertices=vertices(2), rate=900, lag=1, **READY)
        done = View(vertices=vertices(4), rate=900, lag=20, counters={"verify.violations": 0}, **READY)
        shown = play(Playback(early, early, restarting, done), "scale")
        self.assertIn("1-4", shown.splitlines()[-1])

    def test_fails_when_the_autoscaler_does_nothing(self):
        with self.assertRaisesRegex(Failed, "waited 8 minutes in vain"):
            play(Playback(View(vertices=vertices(1), rate=500, lag=2000, **READY)), "scale")


if __name__ == "__main__":
    unittest.main()
