"""The rules. Each says how far it lets a change go, and why; what it does not know, or breaks on, it does not allow."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from functools import partial

from nightshift.daemon.missions.policy import times
from nightshift.daemon.missions.policy.decision import Case, Decision, Rule
from nightshift.daemon.missions.policy.levels import lowest
from nightshift.daemon.missions.policy.settings import Freeze, Grant, Limit, Settings
from nightshift.daemon.missions.policy.switch import by_settings
from nightshift.daemon.missions.policy.trust import earned, lost
from nightshift.daemon.model import Patch, Service

Answer = tuple[str, str]
"""(observe | propose | merge, why)."""
_REVERTS = ("revert", "partial-revert")
NEVER_ALONE = ("configuration",)
"""Kinds of change that no configuration and no track record lets be merged without a person."""
_PROPOSERS = ("environment",)
_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")


def forbidden(service: Service, settings: Settings) -> str:
    """Why the configuration lets nothing at all be done outside the daemon for a service; '' when something may."""
    if why := by_settings(settings):
        return why
    if settings.dry_run:
        return "dry run"
    if service.autonomy not in ("propose", "earned", "merge"):
        return f"autonomy of {service.name} is {service.autonomy}"
    return ""


def decide(case: Case, settings: Settings) -> Decision:
    """What may be done with a patch; fails closed: what is unknown or broken allows nothing."""
    rules = tuple(_rules(case, settings))
    action = lowest(*(rule.limit for rule in rules))
    refused = [rule.reason for rule in rules if rule.limit == action]
    return Decision(action=action, reason="; ".join(refused) if action != "merge" else "every rule allows it",
                    rules=rules)  # fmt: skip


def _rules(case: Case, settings: Settings) -> Iterator[Rule]:
    for name, rule in _RULES.items():
        yield _asked(name, rule, case, settings)
    for limit in settings.limits:
        yield _asked(f"limit {limit.name}", partial(_limit, limit), case, settings)
    for freeze in settings.freezes:
        yield _asked(f"freeze {freeze.name}", partial(_freeze, freeze), case, settings)


def _asked(name: str, rule: Callable[[Case, Settings], Answer], case: Case, settings: Settings) -> Rule:
    try:
        limit, reason = rule(case, settings)
    except Exception as error:  # noqa: BLE001 - a rule that breaks must not let anything through
        limit, reason = "observe", f"the rule broke: {type(error).__name__}: {error}"
    return Rule(rule=name, limit=lowest(limit), reason=reason)


# ---------------------------------------------------------------- whether there may be any effect


def _switch(case: Case, _: Settings) -> Answer:
    if case.stopped is None:
        return "observe", "whether everything is stopped can't be read"
    return ("observe", case.stopped) if case.stopped else ("merge", "nothing is stopped")


def _dry_run(_: Case, settings: Settings) -> Answer:
    return ("observe", "dry run") if settings.dry_run else ("merge", "no dry run")


# ---------------------------------------------------------------- whose word counts, and how much


def _autonomy(case: Case, settings: Settings) -> Answer:
    given = lowest(case.service.autonomy)
    if lowest(case.service.autonomy) != case.service.autonomy:
        return "observe", f"autonomy of {case.service.name} is {case.service.autonomy}, which is no level"
    grant = next((g for g in settings.grants if _granted(g, case)), None)
    if settings.grants and case.patch is None:
        return "observe", "there is no patch yet to look a grant up for"
    level = lowest(given, grant.autonomy) if grant else given
    reason = f"autonomy of {case.service.name} is {given}"
    if grant and case.patch:
        reason += f", granted to {case.patch.fixer}/{case.patch.kind or '-'}: {grant.autonomy}"
    return ("merge" if level == "earned" else level), reason


def _track_record(case: Case, settings: Settings) -> Answer:
    grant = next((g for g in settings.grants if _granted(g, case)), None)
    level = lowest(case.service.autonomy, grant.autonomy) if grant else lowest(case.service.autonomy)
    if case.trust is None:
        return "propose", "the track record is not known"
    enough, words = earned(case.trust, settings.earning)
    if level == "earned":
        return ("merge" if enough else "propose"), ("" if enough else "not earned: ") + words
    if why := lost(case.trust, settings.earning):
        return "propose", f"lost: {why}"
    return "merge", words


def _fixer(case: Case, settings: Settings) -> Answer:
    if case.patch is None:
        return "propose", "there is no patch yet"
    may = case.patch.fixer in settings.auto_merge_fixers
    return _only(may), f"fixer {case.patch.fixer} {'may' if may else 'may not'} merge by itself"


def _kind(case: Case, _: Settings) -> Answer:
    """Configuration and data are people's: what a sandbox proves of them says nothing of production."""
    if case.patch is None:
        return "propose", "there is no patch yet"
    if case.patch.kind in NEVER_ALONE or case.patch.fixer in _PROPOSERS:
        return "propose", f"changes of the kind {case.patch.kind or case.patch.fixer} are merged by people only"
    return "merge", f"the kind {case.patch.kind or '-'} may be merged alone"


def _oracle(case: Case, settings: Settings) -> Answer:
    if case.patch is None or case.reproduction is None:
        return "propose", "there is no proof yet"
    if case.reproduction.kind in ("none", ""):
        return "propose", "nothing was reproduced"
    weak = case.reproduction.kind == "synthesised" and case.patch.kind not in _REVERTS
    if weak and not settings.trust_synthesised:
        return "propose", "the only proof is a test made from the traceback; a person should read the patch"
    return "merge", f"proved by {case.reproduction.kind}"


# ---------------------------------------------------------------- how much at once, and when


def _breaker(case: Case, settings: Settings) -> Answer:
    if case.bad_last_hour is None:
        return "propose", "how many fixes were rolled back is not known"
    words = f"{case.bad_last_hour} rolled-back fixes in the last hour, limit {settings.breaker_bad_fixes}"
    return _only(case.bad_last_hour < settings.breaker_bad_fixes), words


def _open_missions(case: Case, settings: Settings) -> Answer:
    if case.open_missions is None:
        return "propose", "how many missions are open is not known"
    words = f"{case.open_missions} open missions of {case.service.name}, limit {settings.max_open_missions}"
    return _only(case.open_missions <= settings.max_open_missions), words


def _budget(case: Case, settings: Settings) -> Answer:
    if case.merged_last_day is None or case.left_s is None:
        return "propose", "what was spent is not known"
    if case.left_s <= 0:
        return "propose", "the mission's budget is spent"
    words = f"{case.merged_last_day} merges alone in 24 hours, limit {settings.merges_per_day}"
    return _only(case.merged_last_day < settings.merges_per_day), words


def _window(case: Case, settings: Settings) -> Answer:
    if not settings.windows:
        return "merge", "at any time"
    if case.now_ms is None:
        return "propose", "the time is not known"
    listed = "; ".join(map(times.spoken, settings.windows))
    now = any(times.inside(window, case.now_ms, settings.timezone) for window in settings.windows)
    return _only(now), f"{'within' if now else 'outside of'} {listed} ({settings.timezone})"


# ---------------------------------------------------------------- what the configuration lists


def _limit(limit: Limit, case: Case, _: Settings) -> Answer:
    if case.patch is None or case.severity is None:
        return limit.autonomy, "whether it applies is not known yet"
    if not _fits(limit, case):
        return "merge", "does not apply"
    why = [*_touched(limit, case.patch), *_sized(limit, case.patch)]
    return ("merge", "does not apply") if None in why else (limit.autonomy, "; ".join(filter(None, why)) or "applies")


def _fits(limit: Limit, case: Case) -> bool:
    severe = not limit.severities or case.severity in limit.severities
    return severe and _granted(limit, case)


def _touched(limit: Limit, patch: Patch) -> Iterator[str | None]:
    if limit.paths:
        found = next((p for p in (*patch.files, *paths_in(patch.diff)) if any(_path(p, g) for g in limit.paths)), None)
        yield found and f"touches {found}"


def _sized(limit: Limit, patch: Patch) -> Iterator[str | None]:
    lines, files = lines_in(patch.diff), len({*patch.files, *paths_in(patch.diff)})
    for most, count, what in ((limit.more_than_lines, lines, "lines"), (limit.more_than_files, files, "files")):
        if most is not None:
            yield f"changes {count:g} {what}, more than {most}" if count > most else None


def _freeze(freeze: Freeze, case: Case, _: Settings) -> Answer:
    if case.now_ms is None:
        return freeze.autonomy, "the time is not known"
    if not any(fnmatchcase(case.service.name, name) for name in freeze.services):
        return "merge", "another service's"
    during = freeze.start.timestamp() * 1000 <= case.now_ms < freeze.end.timestamp() * 1000
    span = f"{freeze.start.isoformat()} to {freeze.end.isoformat()}"
    return (freeze.autonomy, f"frozen {span}") if during else ("merge", f"not now: {span}")


def lines_in(diff: str) -> float:
    """How many lines a diff adds and removes, told by its hunks' lengths; a binary one counts as without end."""
    if re.search(r"^(GIT binary patch|Binary files )", diff, re.MULTILINE):
        return float("inf")
    changed = old = new = 0
    for line in diff.split("\n"):
        if old <= 0 and new <= 0:
            if hunk := _HUNK.match(line):
                old, new = (int(count or 1) for count in hunk.groups(default="1"))
            continue
        mark = line[:1]
        changed += mark in ("+", "-")
        old -= mark not in ("+", "\\")
        new -= mark not in ("-", "\\")
    return changed


def paths_in(diff: str) -> list[str]:
    """The paths a diff names, whatever the patch says it touches."""
    heads = re.findall(r'^(?:---|\+\+\+) "?[ab]/([^"\t\n]+)', diff, re.MULTILINE)
    return list(dict.fromkeys([*heads, *re.findall(r"^rename (?:from|to) (.+)$", diff, re.MULTILINE)]))


def _granted(terms: Grant | Limit, case: Case) -> bool:
    if case.patch is None:
        return False
    pairs = (
        (case.service.name, terms.services),
        (case.patch.fixer, terms.fixers),
        (case.patch.kind, terms.kinds),
    )
    return all(any(fnmatchcase(name, glob) for glob in globs) for name, globs in pairs)


def _path(path: str, glob: str) -> bool:
    """`**` is any folders, `*` and `?` stay within one."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", glob)
    meant = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.fullmatch("".join(meant.get(part) or re.escape(part) for part in parts), path, re.DOTALL) is not None


def _only(may: bool) -> str:
    return "merge" if may else "propose"


_RULES: dict[str, Callable[[Case, Settings], Answer]] = {
    "kill switch": _switch,
    "dry run": _dry_run,
    "autonomy": _autonomy,
    "track record": _track_record,
    "fixer": _fixer,
    "kind": _kind,
    "oracle": _oracle,
    "breaker": _breaker,
    "open missions": _open_missions,
    "budget": _budget,
    "window": _window,
}
