"""The gates a patch passes, in order, cheapest first. Explicit: a new gate is one line before the last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nightshift.sandboxes.tester import (
    gate_compiles,
    gate_confirmation,
    gate_constructs,
    gate_critic,
    gate_minimal,
    gate_policy,
    gate_reproduction,
    gate_suite,
)
from nightshift.sandboxes.tester.trial import Ruling, Trial


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A named question. `judge` may raise EnvironmentBroke or GitError: then nothing is known of the patch."""

    name: str
    judge: Callable[[Trial], Ruling]


ALL_GATES: tuple[Gate, ...] = (
    Gate(name="policy", judge=gate_policy.judge),
    Gate(name="compiles", judge=gate_compiles.judge),
    Gate(name="constructs", judge=gate_constructs.judge),
    Gate(name="reproduction", judge=gate_reproduction.judge),
    Gate(name="suite", judge=gate_suite.judge),
    Gate(name="minimal", judge=gate_minimal.judge),
    Gate(name="critic", judge=gate_critic.judge),
    Gate(name="confirmation", judge=gate_confirmation.judge),
)
