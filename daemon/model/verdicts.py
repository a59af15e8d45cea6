"""What is said of patches: gate by gate, and side by side."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from nightshift.daemon.model.evidence import Patch


class Judgement(StrEnum):
    """A verdict's three outcomes; `unjudged` means the environment broke, not that the patch is wrong."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNJUDGED = "unjudged"


@dataclass(frozen=True, kw_only=True)
class GateResult:
    """What one gate said of one patch."""

    gate: str
    judgement: Judgement
    reason: str
    duration_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The tester's judgement of one patch, gate by gate; `failed` names the gate that stopped it.

    `patch` may be smaller than the one drafted: hunks that proved unnecessary are dropped. `quarantined` are tests that
    were not held against the patch: on base they do not do the same every time, or in every order.
    """

    judgement: Judgement
    patch: Patch
    gates: tuple[GateResult, ...] = ()
    failed: str = ""
    reason: str = ""
    quarantined: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Criticism:
    """What the critic says of one patch.

    Patches that answered every tried input alike carry the same `cluster` (0: nothing could be compared). `refuted`
    says which oracle contradicts the patch ('' = none does). `lesson` is the source of a test module, or '', that fails
    for this patch and holds what the oracle says: the next round's creators have to turn it green.
    """

    patch: str
    cluster: int = 0
    refuted: str = ""
    lesson: str = ""


@dataclass(frozen=True, kw_only=True)
class Critique:
    """What the critic says of a field of patches, best first.

    `inputs` is how many inputs were tried, `recorded` how many of them production recorded. `abstain` says why nobody
    can tell which patch is right ('' = one can). `witnesses` are lines for people: an input and what each cluster
    answers.
    """

    criticisms: tuple[Criticism, ...] = ()
    clusters: int = 0
    inputs: int = 0
    recorded: int = 0
    abstain: str = ""
    witnesses: tuple[str, ...] = ()
