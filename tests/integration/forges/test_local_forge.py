"""What the local forge does beyond the contract: publishing, divergence, stale locks, death at any instant."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from nightshift.daemon.forges.local import LocalForge, Settings
from nightshift.daemon.kit.clock import ManualClock, SystemClock
from nightshift.daemon.kit.git import ZERO, BareRepo
from nightshift.daemon.kit.run import run, spawn
from nightshift.daemon.model import ChangeState, Service
from nightshift.daemon.ports import EnvironmentBroke, Refused, StaleBase

Upstream = Any  # the fixture's class lives in conftest.py


@pytest.fixture
def forge(tmp_path: Path) -> LocalForge:
    return LocalForge(tmp_path / "forge", SystemClock())


def _proposed(forge: LocalForge, upstream: Upstream, service: Service, key: str = "m-1", line: int = 3) -> Any:
    path = forge.sync(service)
    return forge.propose(service, upstream.edit(path, forge.head(service), line, f"by {key}", key=key))


def test_a_merge_reaches_a_bare_upstream_and_runs_none_of_its_hooks(
    forge: LocalForge, upstream: Upstream, tmp_path: Path
) -> None:
    hooks = upstream.path / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("pre-receive", "update", "post-receive", "post-update", "reference-transaction", "proc-receive"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran-{name}\nexit 1\n")
        (hooks / name).chmod(0o755)
    service = upstream.service()
    request = _proposed(forge, upstream, service)
    merged = forge.merge(service, "m-1", head=request.head, base=request.base)
    assert upstream.tip() == merged.merged == request.head
    assert not list(tmp_path.glob("ran-*"))


def test_a_work_tree_is_never_touched(forge: LocalForge, work_tree: Upstream) -> None:
    service, before = work_tree.service(), work_tree.tip()
    (work_tree.work / "app.py").write_text("half-done work\n")
    request = _proposed(forge, work_tree, service)
    merged = forge.merge(service, "m-1", head=request.head, base=request.base)
    assert work_tree.tip() == before and (work_tree.work / "app.py").read_text() == "half-done work\n"
    forge.sync(service)
    assert forge.head(service) == merged.merged
    pushing = LocalForge(forge.root, SystemClock(), Settings(publish=True))
    second = _proposed(pushing, work_tree, service, key="m-2")
    with pytest.raises(Refused, match="files checked out"):
        pushing.merge(service, "m-2", head=second.head, base=merged.merged)
    assert forge.head(service) == merged.merged and work_tree.tip() == before


def test_upstream_moving_first_makes_the_merge_stale_and_leaves_nothing(forge: LocalForge, upstream: Upstream) -> None:
    service = upstream.service()
    request = _proposed(forge, upstream, service)
    theirs = upstream.commit("people were faster", more__py="x = 1\n")
    with pytest.raises(StaleBase, match="upstream"):
        forge.merge(service, "m-1", head=request.head, base=request.base)
    assert upstream.tip() == theirs and forge.find(service, "m-1").state is ChangeState.OPEN
    forge.sync(service)
    assert forge.head(service) == theirs
    merged = forge.merge(service, "m-1", head=request.head, base=theirs)
    assert upstream.tip() == merged.merged
    assert BareRepo(upstream.path).is_ancestor(theirs, merged.merged)


def test_an_upstream_that_refuses_leaves_nothing(forge: LocalForge, upstream: Upstream) -> None:
    service = upstream.service()
    request = _proposed(forge, upstream, service)
    BareRepo(upstream.path).out("config", "receive.shallowUpdate", "false")
    BareRepo(upstream.path).out("config", "receive.maxInputSize", "1")
    with pytest.raises((Refused, EnvironmentBroke)):
        forge.merge(service, "m-1", head=request.head, base=request.base)
    assert forge.head(service) == upstream.tip() == request.base
    BareRepo(upstream.path).out("config", "--unset", "receive.maxInputSize")
    assert forge.merge(service, "m-1", head=request.head, base=request.base).state is ChangeState.MERGED


def test_both_sides_moved_says_what_to_do_and_goes_on_after_it(forge: LocalForge, work_tree: Upstream) -> None:
    service = work_tree.service()
    request = _proposed(forge, work_tree, service)
    forge.merge(service, "m-1", head=request.head, base=request.base)
    work_tree.commit("meanwhile", more__py="x = 1\n")
    with pytest.raises(Refused, match=r"git pull --no-rebase .*shop\.git main") as refused:
        forge.sync(service)
    pull = str(refused.value).split("`")[1].split()[1:]
    work_tree.git(*pull, "--no-edit", "-q")
    forge.sync(service)
    assert forge.head(service) == work_tree.tip()


def test_rewritten_history_is_followed_when_nothing_of_ours_is_lost(forge: LocalForge, work_tree: Upstream) -> None:
    service = work_tree.service()
    forge.sync(service)
    work_tree.git("commit", "-q", "--amend", "-m", "said better")
    forge.sync(service)
    assert forge.head(service) == work_tree.tip()


def test_a_merge_that_a_killed_call_never_finished_gives_way(forge: LocalForge, upstream: Upstream) -> None:
    service = upstream.service()
    request = _proposed(forge, upstream, service)
    assert BareRepo(forge.path(service)).swap("refs/heads/main", request.head, request.base)  # killed right here
    theirs = upstream.commit("meanwhile", more__py="x = 1\n")
    forge.sync(service)
    assert forge.head(service) == theirs
    with pytest.raises(StaleBase):
        forge.merge(service, "m-1", head=request.head, base=request.base)


@pytest.mark.parametrize("verb", ["merge", "close"])
def test_killed_between_ref_and_record(forge: LocalForge, upstream: Upstream, verb: str) -> None:
    service = upstream.service()
    request = _proposed(forge, upstream, service)
    assert BareRepo(forge.path(service)).swap("refs/heads/main", request.head, request.base)
    if verb == "close":
        assert forge.close(service, "m-1", "no").state is ChangeState.CLOSED
        assert forge.head(service) == upstream.tip() == request.base
        return
    merged = forge.merge(service, "m-1", head=request.head, base=request.base)
    assert merged.state is ChangeState.MERGED and upstream.tip() == request.head


def test_a_merge_by_people_is_noticed(forge: LocalForge, work_tree: Upstream) -> None:
    service = work_tree.service()
    request = _proposed(forge, work_tree, service)
    work_tree.commit("meanwhile", more__py="x = 1\n")
    work_tree.git("pull", "-q", "--no-rebase", "--no-edit", str(forge.path(service)), request.branch)
    forge.sync(service)
    found = forge.find(service, "m-1")
    assert (found.state, found.merged) == (ChangeState.MERGED, work_tree.tip())


def test_a_request_branch_that_moved_is_judged_again(forge: LocalForge, upstream: Upstream) -> None:
    service = upstream.service()
    request = _proposed(forge, upstream, service)
    repo = BareRepo(forge.path(service))
    assert repo.swap(f"refs/heads/{request.branch}", request.base, request.head)
    with pytest.raises(StaleBase):
        forge.merge(service, "m-1", head=request.head, base=request.base)
    assert forge.head(service) == request.base


def test_same_draft_same_commit_and_odd_keys_are_safe(forge: LocalForge, upstream: Upstream, tmp_path: Path) -> None:
    service = upstream.service(name="shop/../../evil name")
    path = forge.sync(service)
    assert Path(path).parent == forge.root
    draft = upstream.edit(path, upstream.tip(), 3, "three", key="../../refs/heads/main.lock")
    other = LocalForge(tmp_path / "other", ManualClock())
    other.sync(service)
    assert forge.propose(service, draft).head == other.propose(service, draft).head
    assert forge.find(service, draft.key).branch.startswith("nightshift/")


def test_a_stale_lock_is_removed_and_a_living_one_is_not(tmp_path: Path, upstream: Upstream) -> None:
    clock = ManualClock()
    forge, service = LocalForge(tmp_path / "forge", clock), upstream.service()
    request = _proposed(forge, upstream, service)
    repo = forge.path(service)
    lock = repo / "refs/heads/main.lock"
    lock.touch()
    living = spawn(["git", f"--git-dir={repo}", "cat-file", "--batch"], stdin=-1)
    try:
        with pytest.raises((EnvironmentBroke, StaleBase), match=r"lock|stands"):
            forge.merge(service, "m-1", head=request.head, base=request.base)
        assert lock.exists()
    finally:
        living.kill()
        living.stdin.close()
        living.wait()
    assert forge.merge(service, "m-1", head=request.head, base=request.base).state is ChangeState.MERGED
    assert not lock.exists()


def test_numbers_stay_unique_when_a_claim_was_never_used(forge: LocalForge, upstream: Upstream) -> None:
    service = upstream.service()
    repo = BareRepo(forge.sync(service))
    assert repo.swap("refs/nightshift/numbers/1", repo.write_blob(b"m-0"), ZERO)  # killed right after the claim
    assert _proposed(forge, upstream, service, key="m-1", line=3).number == 2
    assert _proposed(forge, upstream, service, key="m-0", line=4).number == 1


CHILD = """
import sys
from pathlib import Path
from nightshift.daemon.forges.local import LocalForge
from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.model import ChangeDraft, Service
from nightshift.daemon.ports import StaleBase
root, repo, key, text, patience = sys.argv[1:]
forge, service = LocalForge(Path(root), SystemClock()), Service(name="shop", repo=repo)
bare = BareRepo(forge.path(service))
print("ready", flush=True)
path = forge.sync(service)
found = forge.find(service, key)
if found is None:
    base = forge.head(service)
    tree = bare.with_files(base, {f"{key}.py": text.encode()})
    found = forge.propose(service, ChangeDraft(key=key, base=base, diff=bare.diff(base, tree), title="t", body="b"))
try:
    done = forge.merge(service, key, head=found.head, base=found.base)
except StaleBase:
    if patience == "gives up":
        raise
    forge.sync(service)  # as a mission does, which would judge again first
    done = forge.merge(service, key, head=found.head, base=forge.head(service))
print(done.state.value, done.number, flush=True)
"""


def _child(forge: LocalForge, upstream: Upstream, key: str, patience: str = "tries again") -> list[str]:
    return [sys.executable, "-c", CHILD, str(forge.root), str(upstream.path), key, f"text of {key}\n", patience]


@pytest.mark.slow
def test_killed_thirty_times_there_is_one_request_and_one_merge_each(forge: LocalForge, upstream: Upstream) -> None:
    service, chance = upstream.service(), random.Random(7)
    forge.sync(service)
    for round_ in range(30):
        key = f"k-{round_ // 3}"
        child = spawn(_child(forge, upstream, key), stdout=-1)
        assert child.stdout.readline() == b"ready\n"
        time.sleep(chance.uniform(0, 0.25))
        os.killpg(child.pid, signal.SIGKILL) if chance.random() < 0.5 else child.kill()
        child.wait()
        child.stdout.close()
    for n in range(10):
        done = run(_child(forge, upstream, f"k-{n}"), timeout_s=60)
        assert done.ok and b"merged" in done.stdout, done.stderr.decode()
    requests = forge.list(service)
    assert sorted(r.key for r in requests) == sorted(f"k-{n}" for n in range(10))
    assert len({r.number for r in requests}) == 10
    assert {r.state for r in requests} == {ChangeState.MERGED}
    said = BareRepo(upstream.path).out("log", "--format=%(trailers:key=Nightshift-Key,valueonly)", "main").split()
    assert sorted(said) == sorted(f"k-{n}".encode() for n in range(10))
    assert forge.head(service) == upstream.tip()
    assert BareRepo(forge.path(service)).run("fsck", "--no-dangling", "--connectivity-only").ok


@pytest.mark.slow
def test_eight_racing_processes_one_merge(forge: LocalForge, upstream: Upstream) -> None:
    service = upstream.service()
    path = forge.sync(service)
    for n in range(8):
        forge.propose(service, upstream.edit(path, upstream.tip(), 3, f"by {n}", key=f"m-{n}"))
    children = [spawn(_child(forge, upstream, f"m-{n}", "gives up"), stdout=-1) for n in range(8)]
    said = [child.communicate()[0] for child in children]
    assert sum(b"\nmerged " in text for text in said) == 1
    assert sum(b"StaleBase" in text for text in said) == 7
    assert sum(r.state is ChangeState.MERGED for r in forge.list(service)) == 1
