"""kill -9 at every step boundary, and at random instants: nothing is lost, nothing is doubled."""

import random
import time
from collections import Counter
from pathlib import Path

import pytest
from support.killing import TRAPS
from support.night import Night, night

from nightshift.daemon.model import Stage

pytestmark = [pytest.mark.engine, pytest.mark.slow]


def settled(made: Night, missions: int) -> None:
    """Waits until every mission is over and its notice is out; then stops the daemon."""
    assert made.until(lambda: made.over(missions), 300), made.log_tail()
    wanted = {f"{m.id}:ended" for m in made.missions()}
    assert made.until(lambda: wanted <= set(made.receiver.keys), 60), made.receiver.keys
    assert made.stop() == 0, made.log_tail()


def assert_nothing_doubled(made: Night, fixed: int) -> None:
    """One pull request, one merge, one commit, one notice for each mission."""
    with made.store() as store:
        healed = [m for m in store.missions.list() if m.stage == Stage.HEALED]
        assert len(healed) == fixed
        merges = [
            {e.data["change"]["merged"] for e in store.journal.of(m.id) if e.data.get("change", {}).get("merged")}
            for m in healed
        ]
        assert [len(m) for m in merges] == [1] * fixed, merges
    states = Counter(request.state.value for request in made.requests())
    # A request whose base moved is closed and proved again in a new one; what counts is what was merged or is open.
    assert states["merged"] == fixed, states
    assert states["open"] == 0, states
    endings = Counter(key for key in made.receiver.keys if key.endswith(":ended"))
    assert set(endings) == {f"{m.id}:ended" for m in made.missions()}
    assert len(made.subjects()) == 5 + fixed, made.subjects()


def test_killed_at_every_step_boundary(tmp_path: Path):
    with night(tmp_path / "n") as made:
        made.start(*TRAPS)
        assert made.until(made.ready, 60), made.log_tail()
        assert made.crash("revert") == 500
        deadline = time.monotonic() + 900
        while made.sprung() != set(TRAPS) and time.monotonic() < deadline:
            if not made.alive():
                made.start(*TRAPS)
            time.sleep(0.05)
        assert made.sprung() == set(TRAPS), set(TRAPS) - made.sprung()
        assert made.until(lambda: not made.alive(), 30), "the last trap kills too"
        made.start()
        settled(made, 1)
        assert_nothing_doubled(made, 1)
        assert made.crash("revert") == 200
        with made.store() as store:
            assert [request.number for request in made.requests()] == [1]
            incident = store.incidents.list()
            assert len(incident) == 1
            assert incident[0].count == 1


def test_killed_at_random_instants(tmp_path: Path):
    seed = random.randrange(10**6)
    dice = random.Random(seed)
    with night(tmp_path / "n") as made:
        made.start()
        assert made.until(made.ready, 60), made.log_tail()
        for name in ("revert", "templates", "none"):
            assert made.crash(name) == 500
        for _ in range(20):
            time.sleep(dice.uniform(0.05, 4.0))
            made.kill()
            made.start()
        settled(made, 3)
        assert_nothing_doubled(made, 2)
        ends = Counter(m.stage for m in made.missions())
        assert ends == {Stage.HEALED: 2, Stage.ESCALATED: 1}, f"seed {seed}: {ends}"
        assert made.crash("revert") == 200
        assert made.crash("templates") == 200
