"""The critic: one sandbox per field of patches; it refutes by oracles, tells behaviours apart, and may abstain."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from nightshift.daemon.kit.git import GitError
from nightshift.daemon.kit.redact import redact
from nightshift.daemon.model import Case, Criticism, Critique, Patch
from nightshift.daemon.ports import EnvironmentBroke, Note, Sandboxes
from nightshift.sandboxes.critic.clusters import clusters, usable, witnesses
from nightshift.sandboxes.critic.examine import Examination, Field, examine, field_of
from nightshift.sandboxes.critic.grounds import Grounds
from nightshift.sandboxes.critic.inputs import PRODUCTION
from nightshift.sandboxes.critic.oracles import Refutation, refutations
from nightshift.sandboxes.critic.session import NoAnswer
from nightshift.sandboxes.critic.telling import untellable
from nightshift.sandboxes.lab import Lab

log = logging.getLogger(__name__)
_KILLS = "the program that calls its functions is ended from inside, whatever else runs beside it"
_UNHEARD = "the best ranked patch ends the program that calls its functions, though not every time"


class GateCritic:
    """Port `Critic` over an engine of sandboxes. `timeout_s` bounds each of the two runs of a critique."""

    def __init__(self, sandboxes: Sandboxes, *, timeout_s: float = 60.0) -> None:
        self._lab = Lab(sandboxes, timeout_s=timeout_s, name="critic")
        self._grounds = Grounds(self._lab)

    def expect(self, case: Case, patches: Sequence[Patch]) -> None:
        """See the port: what base does is found out in the background."""
        try:
            field = field_of(case, patches)
            if field.changed and case.base:
                self._grounds.begin(field)
        except (GitError, OSError):
            log.info("nothing could be found out ahead of a comparison")
        except Exception:  # hostile trees: the comparison itself will say so
            log.exception("nothing could be found out ahead of a comparison")

    def criticise(self, case: Case, patches: Sequence[Patch], note: Note) -> Critique:
        """See the port: never raises for infrastructure."""
        try:
            return self._criticise(case, patches, note)
        except (EnvironmentBroke, NoAnswer, GitError, OSError) as error:
            note(redact(f"critic: nothing could be compared: {error}"))
        except Exception as error:  # hostile trees and answers: what they break must not end a mission
            log.exception("the critic failed on %s", case.id)
            note(redact(f"critic: it failed itself: {type(error).__name__}: {error}"))
        return Critique(criticisms=tuple(Criticism(patch=patch.id) for patch in patches))

    def _criticise(self, case: Case, patches: Sequence[Patch], note: Note) -> Critique:
        field = field_of(case, patches)
        if not field.changed or not case.base:
            return Critique(criticisms=tuple(Criticism(patch=patch.id) for patch in patches))
        try:
            found, killers = self._examined(field), dict[str, Refutation]()
        except NoAnswer as first:
            note(redact(f"critic: {first}; every patch is tried in a sandbox of its own"))
            killers = self._killers(field)
            if not killers:
                raise
            found = self._examined(_without(field, killers))
        critique = summed_up(found, killers, patches)
        note(redact(_words(critique)))
        return critique

    def _examined(self, field: Field) -> Examination:
        return examine(field, self._lab, self._lab.timeout_s, self._grounds.known(field))

    def _killers(self, field: Field) -> dict[str, Refutation]:
        """Patches that, with no other in a sandbox, end the supervisor, which base does not; refuted are those that do
        so twice. Each comes twice: it may end what clears up behind it. Raises NoAnswer."""
        self._examined(replace(field, versions=()))
        found = {}
        for version in field.versions:
            alone = replace(field, versions=(version, version))
            heard = [self._answers(alone) for _ in range(2)]
            if not all(heard):
                found[version.patch.id] = Refutation(why="" if any(heard) else _KILLS)
        return found

    def _answers(self, field: Field) -> bool:
        try:
            self._examined(field)
        except NoAnswer:
            return False
        return True


def _without(field: Field, killers: Mapping[str, Refutation]) -> Field:
    return replace(field, versions=tuple(v for v in field.versions if v.patch.id not in killers))


def summed_up(found: Examination, killers: Mapping[str, Refutation], patches: Sequence[Patch]) -> Critique:
    """The critique that follows from an examination."""
    numbers, refuted = clusters(found), refutations(found)
    places = {version.patch.id: at for at, version in enumerate(found.field.versions)}
    said = []
    for patch in patches:
        at = places.get(patch.id, -1)
        against = killers.get(patch.id) or refuted.get(at)
        said.append(Criticism(
            patch=patch.id, cluster=numbers[at] if at >= 0 else 0,
            refuted=redact(against.why) if against else "", lesson=redact(against.lesson) if against else "",
        ))  # fmt: skip
    left = [at for at in range(len(found.field.versions)) if at not in refuted]
    asked = usable(found)
    return Critique(
        criticisms=tuple(said), clusters=len(set(numbers) - {0}), inputs=len(asked),
        recorded=sum(found.inputs[n].source == PRODUCTION for n in asked),
        abstain=redact(_unheard(killers, patches) or untellable(found, numbers, left)),
        witnesses=tuple(redact(line) for line in witnesses(found, numbers, left)),
    )  # fmt: skip


def _unheard(killers: Mapping[str, Refutation], patches: Sequence[Patch]) -> str:
    """Why nothing is known of the patch that would be chosen, or ''."""
    best = next((patch.id for patch in patches if not (patch.id in killers and killers[patch.id].why)), "")
    return _UNHEARD if best in killers else ""


def _words(critique: Critique) -> str:
    refuted = sum(bool(each.refuted) for each in critique.criticisms)
    said = f"critic: {len(critique.criticisms)} patch(es), {critique.clusters} behaviour(s) on {critique.inputs} inputs"
    return f"{said}, {refuted} refuted" + (f"; abstains: {critique.abstain}" if critique.abstain else "")
