"""Daemons that know nothing of each other, or share a store, race for one merge or one deploy: one wins, nothing is
doubled. And claims on effects, whoever dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import racing
from support.scenario import commit, scenario

from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.store.store import Store

SCRIPT = str(Path(racing.__file__))
TESTS = str(Path(racing.__file__).parents[1])


def begin(folder: Path, *args: str) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": TESTS}
    return subprocess.Popen([sys.executable, SCRIPT, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env=environment, cwd=folder)  # fmt: skip


def off(folder: Path, names: list[str], patience_s: float = 60) -> None:
    """Everybody is ready: go."""
    deadline = time.monotonic() + patience_s
    while not all((folder / f"ready-{name}").exists() for name in names):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (folder / "go").touch()


def ended(process: subprocess.Popen) -> dict:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err.decode()[-3000:]
    return json.loads(out.decode().splitlines()[-1])


@pytest.fixture
def upstream(tmp_path: Path) -> BareRepo:
    made = BareRepo.ensure(tmp_path / "upstream.git")
    commit(made, {"app.py": b"x = 1\n"}, "first")
    return made


def test_daemons_with_stores_of_their_own_race_for_one_merge(tmp_path: Path, upstream: BareRepo) -> None:
    names = ["a", "b", "c"]
    racers = [begin(tmp_path, str(tmp_path), name, str(tmp_path / f"store-{name}")) for name in names]
    off(tmp_path, names)
    results = [ended(process) for process in racers]
    won = [result for result in results if result["stage"] == "healed"]
    assert len(won) == 1, results
    for lost in results:
        if lost not in won:
            assert lost["stage"] == "escalated" and "does not fail any more" in lost["reason"], lost
    assert int(upstream.out("rev-list", "--count", "main")) == 2
    assert upstream.read("main", "app.py") == b"x = 2\n"
    assert (tmp_path / "deployed").read_text() == f"{won[0]['name']}\n"


def test_daemons_that_share_a_store_deploy_once(tmp_path: Path, upstream: BareRepo) -> None:
    names = ["a", "b", "c", "d"]
    scenario(tmp_path / "store", upstream=upstream.path).store.close()
    racers = [begin(tmp_path, "deploy", str(tmp_path), name) for name in names]
    off(tmp_path, names)
    results = [ended(process) for process in racers]
    assert len((tmp_path / "deployed").read_text().split()) == 1
    assert len({result["said"] for result in results}) == 1


def test_a_deploy_whose_daemon_was_killed_is_taken_up_by_the_same_one_and_by_nobody_else(
    tmp_path: Path, upstream: BareRepo
) -> None:
    scenario(tmp_path / "store", upstream=upstream.path).store.close()
    first = begin(tmp_path, "deploy", str(tmp_path), "a")
    off(tmp_path, ["a"])
    store = Store.open(tmp_path / "store" / "n.db")
    while store.effects.claim("deploy:m-1-fix@cccccccccccc", "nobody", 0, 0).mine:  # until its claim is there
        store.effects.give_up("deploy:m-1-fix@cccccccccccc", "nobody")
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    now_ms = round(time.time() * 1000)
    claim = store.effects.claim("deploy:m-1-fix@cccccccccccc", "b", now_ms, 1000)
    assert (claim.mine, claim.owner, claim.result) == (False, "a", None)
    again = ended(begin(tmp_path, "deploy", str(tmp_path), "a"))
    assert again["name"] == "a"
    other = ended(begin(tmp_path, "deploy", str(tmp_path), "b"))
    assert other["said"] == again["said"]
    assert set((tmp_path / "deployed").read_text().split()) == {"a"}


def test_a_claim_is_free_when_its_owner_did_not_come_back_or_gave_it_up(tmp_path: Path) -> None:
    effects = Store.open(tmp_path / "n.db").effects
    assert effects.claim("k", "a", 0, 1000).mine
    assert effects.claim("k", "a", 10, 1000).mine, "after a kill the same daemon goes on"
    assert effects.claim("k", "b", 500, 1000).owner == "a"
    assert effects.claim("k", "b", 1011, 1000).mine, "the lease is over"
    assert effects.claim("k", "a", 1012, 1000).owner == "b"
    effects.done("k", "a", "late")
    assert effects.claim("k", "a", 1013, 1000).result is None, "only the owner says what came of it"
    effects.give_up("k", "b")
    assert effects.claim("k", "c", 1014, 1000).mine
    effects.done("k", "c", "shipped")
    for owner in ("a", "b", "c"):
        assert effects.claim("k", owner, 10**9, 1000).result == "shipped"
    effects.give_up("k", "c")
    assert effects.claim("k", "a", 10**9, 1000).result == "shipped"
