"""May this patch be merged without a person? Every rule answers with a reason; anything unclear is a no."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from nightshift.daemon.model import Patch, Reproduction, Service


class Settings(BaseModel):
    """What may happen without a person."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    dry_run: bool = False
    """Do everything but effects: nothing is proposed, merged, deployed or run."""
    auto_merge_fixers: tuple[str, ...] = ("revert", "templates")
    """Fixers whose patches may be merged without a person when a service's autonomy is `merge`."""
    trust_synthesised: bool = False
    """Let a test made from a traceback (it only knows that nothing crashes) be proof enough to merge a template."""
    breaker_bad_fixes: int = Field(default=3, ge=1)
    """Rolled-back fixes of one service within an hour after which nothing is merged automatically."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """What the rules look at."""

    service: Service
    patch: Patch
    reproduction: Reproduction
    bad_last_hour: int


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule's answer."""

    rule: str
    allowed: bool
    reason: str


@dataclass(frozen=True, kw_only=True)
class Decision:
    """`action`: observe (no effect at all) | propose (a person merges) | merge."""

    action: str
    reason: str
    rules: tuple[Rule, ...]


_REVERTS = ("revert", "partial-revert")


def _autonomy(case: Case, _: Settings) -> tuple[bool, str]:
    return case.service.autonomy == "merge", f"autonomy of {case.service.name} is {case.service.autonomy}"


def _fixer(case: Case, settings: Settings) -> tuple[bool, str]:
    allowed = case.patch.fixer in settings.auto_merge_fixers
    return allowed, f"fixer {case.patch.fixer} {'may' if allowed else 'may not'} merge by itself"


def _oracle(case: Case, settings: Settings) -> tuple[bool, str]:
    weak = case.reproduction.kind == "synthesised" and case.patch.kind not in _REVERTS
    if weak and not settings.trust_synthesised:
        return False, "the only proof is a test made from the traceback; a person should read the patch"
    return True, f"proved by {case.reproduction.kind}"


def _breaker(case: Case, settings: Settings) -> tuple[bool, str]:
    allowed = case.bad_last_hour < settings.breaker_bad_fixes
    return allowed, f"{case.bad_last_hour} rolled-back fixes in the last hour, limit {settings.breaker_bad_fixes}"


_RULES: dict[str, Callable[[Case, Settings], tuple[bool, str]]] = {
    "autonomy": _autonomy,
    "fixer": _fixer,
    "oracle": _oracle,
    "breaker": _breaker,
}


def forbidden(service: Service, settings: Settings) -> str:
    """Why nothing at all may be done outside the daemon for a service; '' when something may."""
    if settings.dry_run:
        return "dry run"
    if service.autonomy not in ("propose", "merge"):
        return f"autonomy of {service.name} is {service.autonomy}"
    return ""


def decide(case: Case, settings: Settings) -> Decision:
    """What may be done with an accepted patch; fails closed: an unknown autonomy means observe."""
    if reason := forbidden(case.service, settings):
        return Decision(action="observe", reason=reason, rules=(Rule(rule="effects", allowed=False, reason=reason),))
    rules = tuple(_apply(name, rule, case, settings) for name, rule in _RULES.items())
    refused = [r.reason for r in rules if not r.allowed]
    if refused:
        return Decision(action="propose", reason="; ".join(refused), rules=rules)
    return Decision(action="merge", reason="every rule allows it", rules=rules)


def _apply(name: str, rule: Callable[[Case, Settings], tuple[bool, str]], case: Case, settings: Settings) -> Rule:
    allowed, reason = rule(case, settings)
    return Rule(rule=name, allowed=allowed, reason=reason)
