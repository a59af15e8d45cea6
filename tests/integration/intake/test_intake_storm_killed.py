"""kill -9 between any two batches of a storm of crashes, alerts and endings: as if nobody had been killed."""

import os
import random
import signal
import sys
import textwrap
import time

import pytest

from nightshift.daemon.kit.run import spawn
from nightshift.daemon.store.store import Store

FEED = textwrap.dedent("""
    import random, sys
    from nightshift.daemon.intake.intake import Intake
    from nightshift.daemon.intake.settings import Settings
    from nightshift.daemon.kit.clock import ManualClock
    from nightshift.daemon.model import Frame, Signal
    from nightshift.daemon.store.store import Store

    BATCH, clock, dice = 20, ManualClock(), random.Random(11)

    def made(number):
        service, variant = dice.choice(["shop", "web", "pay"]), dice.randrange(30)
        given = {"key": f"k{number}", "service": service, "at_ms": clock.now_ms() - dice.randrange(200_000),
                 "count": dice.randrange(1, 4)}
        if dice.random() < 0.5:
            frames = (Frame(path=f"/srv/{service}/a.py", line=variant, function=f"f{variant}"),)
            return Signal(source="logs", title=f"E{variant}", exception="E", frames=frames, **given)
        return Signal(source="prometheus", title=f"A{variant}", kind="alert", resolved=dice.random() < 0.4,
                      labels={"alertname": f"A{variant}", "instance": str(dice.randrange(3))}, **given)

    signals = [made(number) for number in range(8000)]
    store = Store.open(sys.argv[1])
    settings = Settings(topology={"web": ("shop",)}, max_new_incidents=20, min_counts={"pay": 5})
    intake = Intake(store, clock, settings, lambda incident: None)
    at = int(store.offsets.all("feed:").get("feed:at", "0"))
    for start in range(max(0, at - 3 * BATCH), len(signals), BATCH):
        intake.take(signals[start : start + BATCH], {"feed:at": str(start + BATCH)})
    print("done", flush=True)
""")


def remembered(path):
    """All that is stored, but for the ids of rows and for how often something was heard again."""
    store = Store.open(path)
    with store.transaction() as c:
        queries = {
            table: f"SELECT * FROM {table}"
            for table in ("incidents", "facets", "ties", "firing", "buckets", "seen_signals", "offsets")
        }
        queries["journal"] = "SELECT stage, reason, data FROM journal"
        queries["decisions"] = "SELECT * FROM decisions WHERE action <> 'duplicate'"
        found = {name: sorted(map(repr, c.exec_driver_sql(query))) for name, query in queries.items()}
    store.close()
    return found


def progress(store):
    return int(store.offsets.all("feed:").get("feed:at", "0"))


def feed(path):
    return spawn([sys.executable, "-c", FEED, str(path)])


@pytest.mark.slow
def test_killed_between_any_two_commits_nothing_is_lost_or_doubled(tmp_path):
    whole = feed(tmp_path / "whole.db")
    assert whole.wait(timeout=120) == 0
    dice, path = random.Random(5), tmp_path / "killed.db"
    store = Store.open(path)
    kills = 0
    for _ in range(10):
        before, child = progress(store), feed(path)
        while child.poll() is None and progress(store) <= before + 100:
            time.sleep(0.005)
        time.sleep(dice.uniform(0, 0.03))
        if child.poll() is not None:
            break
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        kills += 1
    assert kills >= 2, "it has far to go"
    store.close()
    assert feed(path).wait(timeout=120) == 0
    assert remembered(path) == remembered(tmp_path / "whole.db")
