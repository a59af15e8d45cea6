"""`nightshift heal`: sandboxes, tester and fixers for one request, and nothing of the daemon around them."""

from __future__ import annotations

import io

from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.missions.foreground import Healer, HealRequest, HealResult
from nightshift.daemon.model import Signal
from nightshift.daemon.ports import EnvironmentBroke, Note, Sandboxes, SandboxSpec


def heal(request: HealRequest, note: Note) -> HealResult:
    """One mission; a missing engine is the outcome `unjudged`. Raises BadRequest."""
    from nightshift.sandboxes.all_sandboxes import engine

    signals = _signals(request.log)
    try:
        sandboxes = engine()
    except EnvironmentBroke as error:
        return HealResult(outcome="unjudged", reason=str(error))
    try:
        sandboxes.prewarm(SandboxSpec(image=request.image, python=request.python), 2)
        return _healer(request, sandboxes, note).heal(request, signals)
    finally:
        sandboxes.close()


def _healer(request: HealRequest, sandboxes: Sandboxes, note: Note) -> Healer:
    from nightshift.fixers.all_fixers import create
    from nightshift.sandboxes.reproduce import SandboxReproducer
    from nightshift.sandboxes.tester import GateTester

    timeout_s = min(300.0, request.budget_s)
    return Healer(
        SandboxReproducer(sandboxes, timeout_s=timeout_s),
        GateTester(sandboxes, timeout_s=timeout_s),
        create(request.fixers, {}),
        note,
    )


def _signals(log: bytes | None) -> list[Signal]:
    if log is None:
        return []
    from nightshift.monitors.logs import read_signals

    return read_signals(io.BytesIO(log), service="heal", clock=SystemClock())
