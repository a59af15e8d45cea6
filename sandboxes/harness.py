"""Runs a check in a sandbox that holds a tree, and says what each test did in a way that is hard to forge.

A check that is one pytest call (`kit.checks.parse_pytest`) runs as that very call under our supervisor; anything else
runs as a shell line and is judged by its exit code. How evidence is guarded: docs/security.md, "The tester".
"""

from __future__ import annotations

import base64
import json
import secrets
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nightshift.daemon.kit.checks import PytestCall, parse_pytest
from nightshift.daemon.model import TestStatus
from nightshift.daemon.ports import EnvironmentBroke, Finished, Sandbox
from nightshift.sandboxes import node_tests
from nightshift.sandboxes.inside import source

_OWN_ARGS = ("--continue-on-collection-errors", "--maxfail=0", "-o", "cache_dir=/tmp/nightshift-pytest-cache")
_SPARE_S, _TAIL, _UNPACKED = 10.0, 16384, 256 << 20


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why one test failed. `frames` are in-tree (path, line, function, exception type), innermost last."""

    exception: str = ""
    message: str = ""
    missing: str = ""
    frames: tuple[tuple[str, int, str, str], ...] = ()
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class TestRun:
    """What one run of a check showed.

    `ended`: exited | stopped (pytest was interrupted) | died (left without finishing) | timeout | output | oom |
    killed | uncompiled (`syntax` says where). `statuses` maps ids to what they did, worst of all repetitions; a
    module that could not be collected stands under its own id as ``error``, those that could are in `collected`.
    `count` is how many tests were collected, None when pytest did not get that far.
    `forged` lists contradictions in the evidence; `equal` (path, class) what claims to equal anything, `tampered`
    (path, name) what of the test machinery was replaced by code of the tree.
    For a plain check there are no ids, only `code`. `cap` says which cap of the sandbox it hit, and its size.
    """

    __test__ = False
    pytest: bool
    ended: str
    code: int
    statuses: Mapping[str, TestStatus] = field(default_factory=dict)
    failures: Mapping[str, Failure] = field(default_factory=dict)
    collected: frozenset[str] = frozenset()
    count: int | None = None
    forged: tuple[str, ...] = ()
    equal: tuple[tuple[str, str], ...] = ()
    tampered: tuple[tuple[str, str], ...] = ()
    syntax: tuple[tuple[str, int, str], ...] = ()
    nopytest: str = ""
    finished: bool = False
    tail: str = ""
    duration_s: float = 0.0
    cap: str = ""

    @property
    def bad(self) -> tuple[str, ...]:
        """Ids that failed or erred, in order of appearance."""
        return tuple(i for i, s in self.statuses.items() if s in (TestStatus.FAILED, TestStatus.ERROR))

    @property
    def green(self) -> bool:
        """Ended properly with nothing red; says nothing of lost or skipped tests."""
        if not self.pytest:
            return self.ended == "exited" and self.code == 0
        return self.ended == "exited" and self.finished and not self.forged and not self.bad and bool(self.statuses)


def run_check(
    box: Sandbox,
    command: str,
    *,
    timeout_s: float,
    test_timeout_s: float | None = None,
    repeat: Collection[str] = (),
    rounds: int = 2,
    only: Collection[str] | None = None,
    compiled: Sequence[str] = (),
    probe: bool = False,
    backwards: bool = False,
) -> TestRun:
    """Run a check in a sandbox whose WORKDIR holds the tree.

    `repeat` are ids to run `rounds` more times in the same session; `only` restricts the session to those ids;
    `compiled` are Python files (relative) that must compile before anything runs; `probe` looks
    for classes of the tree whose objects equal anything; `backwards` turns the order of the tests around. Raises
    EnvironmentBroke.
    """
    call = parse_pytest(command)
    if call is None:
        line = node_tests.reporting(command)
        env = {"PYTHONDONTWRITEBYTECODE": "1"}
        return _plain(box.run(["sh", "-c", line], timeout_s=timeout_s, env=env), told=line != command)
    nonce = secrets.token_hex(16)
    each = test_timeout_s if test_timeout_s is not None else min(60.0, max(5.0, timeout_s / 15))
    orders = _orders(call, nonce, timeout_s, each, repeat, rounds, only, compiled)
    orders["session"] |= {"probe": probe, "backwards": backwards}
    argv = [*call.interpreter[:1], "-I", "-S", "-B", "-c", source("supervise")]
    stdin = json.dumps(orders).encode() + b"\n"
    done = box.run(argv, timeout_s=timeout_s + _SPARE_S, stdin=stdin)
    return _read(done, nonce)


def _orders(
    call: PytestCall, nonce: str, timeout_s: float, each_s: float, repeat: Collection[str], rounds: int,
    only: Collection[str] | None, compiled: Sequence[str],
) -> dict[str, Any]:  # fmt: skip
    session = {
        "key": secrets.token_hex(32), "args": [*call.args, *_OWN_ARGS], "module": call.module,
        "canaries": [f"test_{secrets.token_hex(6)}" for _ in range(2 + rounds)],
        "repeat": sorted(repeat), "rounds": rounds, "only": None if only is None else sorted(only),
        "test_timeout_s": each_s,
    }  # fmt: skip
    return {
        "nonce": nonce, "interpreter": list(call.interpreter),
        "boot": [source("pytest_integrity"), source("pytest_boot")],
        "env": {**dict(call.env), "PYTHONDONTWRITEBYTECODE": "1"}, "session": session,
        "timeout_s": timeout_s, "output_bytes": 64 << 20, "compile": list(compiled),
    }  # fmt: skip


def _plain(done: Finished, *, told: bool) -> TestRun:
    """A check that is not pytest: its exit code, and where node `told` of single tests, those.

    What contradicts the exit code, or is missing where it says that all is well, is a run that did not finish."""
    tail = (done.stdout + done.stderr)[-_TAIL:].decode("utf-8", "replace")
    run = TestRun(pytest=False, ended=done.ended, code=done.code, tail=tail, duration_s=done.duration_s)
    points = node_tests.read(done.stdout.decode("utf-8", "replace")) if told and done.ended == "exited" else None
    if points is not None and (done.code == 0) == all(p.status != TestStatus.FAILED for p in points.values()):
        return replace(run, pytest=True, finished=True, count=len(points), failures=_failures(points),
                       statuses={name: point.status for name, point in points.items()})  # fmt: skip
    return replace(run, pytest=True) if told and done.ended == "exited" and done.code == 0 else run


def _failures(points: Mapping[str, node_tests.Point]) -> dict[str, Failure]:
    return {
        name: Failure(
            exception=p.values.get("name", ""), message=p.values.get("error", ""), text="\n".join(p.text),
            frames=tuple((path, line, function, p.values.get("name", "")) for path, line, function in p.frames),
        )
        for name, p in points.items() if p.status == TestStatus.FAILED
    }  # fmt: skip


def _read(done: Finished, nonce: str) -> TestRun:
    mark = f"\n{nonce} ".encode()
    before, found, answer = done.stdout.rpartition(mark)
    if not found:
        tail = (before + done.stdout + done.stderr)[-_TAIL:].decode("utf-8", "replace")
        ended = done.ended if done.ended != "exited" else "killed"
        if done.code in (126, 127) and done.ended == "exited":
            raise EnvironmentBroke(f"the sandbox has no such interpreter: {tail.strip()[-300:]}")
        return TestRun(pytest=True, ended=ended, code=done.code, tail=tail, duration_s=done.duration_s)
    run = _run_of(_unpack(answer), done.duration_s)
    return replace(run, ended="oom") if run.ended == "died" and done.ended == "oom" else run


def _unpack(answer: bytes) -> dict[str, Any]:
    unpacker = zlib.decompressobj()
    data: dict[str, Any] = json.loads(unpacker.decompress(base64.b64decode(answer.strip()), _UNPACKED))
    return data


def _run_of(data: dict[str, Any], duration_s: float) -> TestRun:
    return TestRun(
        pytest=True, ended=data["ended"], code=data["code"], duration_s=duration_s,
        statuses={i: TestStatus(s) for i, s in data.get("statuses", {}).items()},
        failures={i: _failure(f) for i, f in data.get("failures", {}).items()},
        collected=frozenset(data.get("collected", ())), count=data.get("count"),
        forged=tuple(data.get("forged", ())), equal=tuple((p, n) for p, n in data.get("equal", ())),
        tampered=tuple((p, n) for p, n in data.get("tampered", ())),
        syntax=tuple((p, n, m) for p, n, m in data.get("syntax", ())), nopytest=data.get("nopytest", ""),
        finished=data.get("finish") is not None, tail=data.get("tail", ""),
    )  # fmt: skip


def _failure(data: dict[str, Any]) -> Failure:
    return Failure(
        exception=data.get("exception", ""), message=data.get("message", ""), missing=data.get("missing", ""),
        frames=tuple((p, n, f, e) for p, n, f, e in data.get("frames", ())), text=data.get("text", ""),
    )  # fmt: skip
