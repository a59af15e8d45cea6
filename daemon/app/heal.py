"""`nightshift heal`: sandboxes, tester and fixers for one request, and nothing of the daemon around them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from nightshift.daemon.app.late import LateSandboxes
from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.missions.foreground import Healer, HealRequest, HealResult
from nightshift.daemon.model import Signal
from nightshift.daemon.ports import EnvironmentBroke, Note, Sandboxes, SandboxSpec

if TYPE_CHECKING:
    from nightshift.daemon.config import Config


def heal(request: HealRequest, note: Note, config: Config | None = None) -> HealResult:
    """One mission; a broken environment is the outcome `unjudged`. Raises BadRequest.

    `config` gives the sandboxes' and the fixers' settings; without one their defaults hold.
    """
    signals = _signals(request.log)
    sandboxes = _sandboxes(config)
    try:
        if request.image != "project":  # what that one holds is only known once the repository is read
            sandboxes.prewarm(SandboxSpec(image=request.image, python=request.python), 2)
        return _healer(request, sandboxes, note, config).heal(request, signals)
    except EnvironmentBroke as error:
        return HealResult(outcome="unjudged", reason=str(error))
    finally:
        sandboxes.close()


def _sandboxes(config: Config | None) -> LateSandboxes:
    from nightshift.sandboxes.all_sandboxes import Settings, engine

    settings = config.sandbox if config else Settings()
    return LateSandboxes(lambda: engine(settings), settings.limited)


def _healer(request: HealRequest, sandboxes: Sandboxes, note: Note, config: Config | None) -> Healer:
    from nightshift.fixers.all_fixers import create
    from nightshift.sandboxes.reproduce import SandboxReproducer
    from nightshift.sandboxes.tester import GateTester

    timeout_s = min(300.0, request.budget_s)
    return Healer(
        SandboxReproducer(sandboxes, timeout_s=timeout_s),
        GateTester(sandboxes, timeout_s=timeout_s),
        create(request.fixers, config.fixers.settings() if config else {}),
        note,
    )


def _signals(log: bytes | None) -> list[Signal]:
    if log is None:
        return []
    from nightshift.monitors.logs import read_signals

    return read_signals(io.BytesIO(log), service="heal", clock=SystemClock())
