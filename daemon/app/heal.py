"""`nightshift heal`: sandboxes, tester and fixers for one request, and nothing of the daemon around them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from nightshift.daemon.app.late import LateSandboxes
from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.missions.budget import Tournament
from nightshift.daemon.missions.foreground import Healer, HealRequest, HealResult
from nightshift.daemon.model import Signal
from nightshift.daemon.ports import Critic, EnvironmentBroke, Note, Reproducer, Sandboxes, SandboxSpec, Tester

if TYPE_CHECKING:
    from nightshift.daemon.config import Config

COMPARING_S = 60.0
"""Each of the critic's runs may take this long."""


def heal(request: HealRequest, note: Note, config: Config | None = None) -> HealResult:
    """One mission; a broken environment is the outcome `unjudged`. Raises BadRequest.

    `config` gives the sandboxes', the fixers' and the tournament's settings; without one their defaults hold.
    """
    signals = _signals(request.log)
    engine = sandboxes(config)
    try:
        if request.image != "project":  # what that one holds is only known once the repository is read
            engine.prewarm(SandboxSpec(image=request.image, python=request.python), 2)
        return _healer(request, engine, note, config).heal(request, signals)
    except EnvironmentBroke as error:
        return HealResult(outcome="unjudged", reason=str(error))
    finally:
        engine.close()


def sandboxes(config: Config | None) -> LateSandboxes:
    """The engine of one command; close it."""
    from nightshift.sandboxes.all_sandboxes import Settings, engine

    settings = config.sandbox if config else Settings()
    return LateSandboxes(lambda: engine(settings), settings.limited)


def parts(engine: Sandboxes, timeout_s: float) -> tuple[Reproducer, Tester, Critic]:
    """Who makes it red, who judges, and who compares."""
    from nightshift.sandboxes.critic import GateCritic
    from nightshift.sandboxes.reproduce import SandboxReproducer
    from nightshift.sandboxes.tester import GateTester

    critic = GateCritic(engine, timeout_s=min(COMPARING_S, timeout_s))
    return SandboxReproducer(engine, timeout_s=timeout_s), GateTester(engine, timeout_s=timeout_s), critic


def _healer(request: HealRequest, engine: Sandboxes, note: Note, config: Config | None) -> Healer:
    from nightshift.fixers.all_fixers import create

    reproducer, tester, compares = parts(engine, min(300.0, request.budget_s))
    fixers = create(request.fixers, config.fixers.settings() if config else {})
    limits = config.budget.tournament if config else Tournament()
    return Healer(reproducer, tester, fixers, note, compares, limits)


def _signals(log: bytes | None) -> list[Signal]:
    if log is None:
        return []
    from nightshift.monitors.logs import read_signals

    return read_signals(io.BytesIO(log), service="heal", clock=SystemClock())
