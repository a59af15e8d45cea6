"""The tournament, as values and rules: who drafts next, who is judged, what the critic compares, when it is over.

Pure: the durable workflow and `nightshift heal` both go by `next_move`, so the same history gives the same next move,
after a kill as in a replay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nightshift.daemon.model import Criticism, Critique, Judgement, Patch, Verdict

CONTRADICTED = "critic"
"""The tester's gate that holds a patch against what is written down of its behaviour."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How a tournament goes. `field` is how many patches the critic compares at most; without `critic` none is."""

    rounds: int = 1
    field: int = 8
    critic: bool = False


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """A test module that refuted a patch, with what its tests did on base: what comes later has to pass them all."""

    path: str
    text: str
    failing: tuple[str, ...] = ()
    passing: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One patch of a round. `rank` is its place in its creator's own order, from 1."""

    rank: int
    patch: Patch
    verdict: Verdict | None = None

    @property
    def proved(self) -> Patch:
        """The patch as it was judged: the tester may have dropped hunks."""
        return self.verdict.patch if self.verdict else self.patch

    @property
    def accepted(self) -> bool:
        """Whether it passed every gate."""
        return self.verdict is not None and self.verdict.judgement is Judgement.ACCEPTED

    @property
    def waiting(self) -> bool:
        """Whether nobody judged it yet."""
        return self.verdict is None


@dataclass(frozen=True, kw_only=True)
class Round:
    """One round so far: the creators in their order, those that have drafted, their patches, and what was said of them.

    `lessons` and `criticism` are what earlier rounds taught; `searches` how each creator searched.
    """

    creators: tuple[str, ...]
    drafted: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()
    critiques: tuple[Critique, ...] = ()
    lessons: tuple[Lesson, ...] = ()
    criticism: tuple[str, ...] = ()
    searches: tuple[Mapping[str, Any], ...] = ()

    def said_of(self, entry: Entry) -> Criticism | None:
        """The critic's last word on a patch; None when it was never compared."""
        names = {entry.patch.id, entry.proved.id}
        said = [c for critique in self.critiques for c in critique.criticisms if c.patch in names]
        return said[-1] if said else None

    def refuted(self, entry: Entry) -> bool:
        """Whether an oracle contradicts the patch."""
        said = self.said_of(entry)
        return said is not None and bool(said.refuted)

    @property
    def refutations(self) -> tuple[tuple[Entry, Criticism], ...]:
        """The eliminated patches with what was held against them."""
        told = [(entry, self.said_of(entry)) for entry in self.entries]
        return tuple((entry, said) for entry, said in told if said is not None and said.refuted)

    @property
    def survivors(self) -> tuple[Entry, ...]:
        """Accepted and not refuted."""
        return tuple(e for e in self.entries if e.accepted and not self.refuted(e))

    @property
    def waiting(self) -> tuple[Entry, ...]:
        """Not judged yet and not refuted, in order."""
        return tuple(e for e in self.entries if e.waiting and not self.refuted(e))

    @property
    def critique(self) -> Critique | None:
        """What the critic said last."""
        return self.critiques[-1] if self.critiques else None


@dataclass(frozen=True, kw_only=True)
class Standing:
    """All rounds so far; the last one is going on."""

    rounds: tuple[Round, ...]

    @property
    def now(self) -> Round:
        """The round that is going on."""
        return self.rounds[-1]

    @property
    def number(self) -> int:
        """Its number, from 0."""
        return len(self.rounds) - 1

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Every entry of every round."""
        return tuple(entry for each in self.rounds for entry in each.entries)

    @property
    def critique(self) -> Critique | None:
        """What the critic said last, in whichever round."""
        return next((each.critique for each in reversed(self.rounds) if each.critique), None)

    @property
    def plausible(self) -> int:
        """Patches of this round that nothing speaks against."""
        return len(self.now.survivors) + len(self.now.waiting)

    def drafted(self, creator: str, patches: Sequence[Patch], searches: Iterable[Mapping[str, Any]] = ()) -> Standing:
        """A creator has drafted, best first; diffs that were there before do not enter again."""
        known = {entry.patch.diff for entry in self.entries}
        new = tuple(Entry(rank=at, patch=p) for at, p in enumerate(patches, 1) if p.diff not in known)
        now = replace(self.now, drafted=(*self.now.drafted, creator), entries=(*self.now.entries, *new),
                      searches=(*self.now.searches, *searches))  # fmt: skip
        return self._with(now)

    def judged(self, patch: str, verdict: Verdict) -> Standing:
        """The tester has spoken of a patch of this round."""
        entries = (replace(e, verdict=verdict) if e.waiting and e.patch.id == patch else e for e in self.now.entries)
        return self._with(replace(self.now, entries=tuple(entries)))

    def criticised(self, critique: Critique) -> Standing:
        """The critic has spoken of this round's field."""
        return self._with(replace(self.now, critiques=(*self.now.critiques, critique)))

    def taught(self, lessons: Iterable[Lesson], criticism: Iterable[str]) -> Standing:
        """Another round, wiser: with the creators that had anything to show, or were not asked yet."""
        last = self.now
        idle = set(last.drafted) - {entry.patch.fixer for entry in last.entries}
        creators = tuple(name for name in last.creators if name not in idle)
        new = Round(creators=creators, lessons=(*last.lessons, *lessons), criticism=(*last.criticism, *criticism))
        return Standing(rounds=(*self.rounds, new))

    def _with(self, now: Round) -> Standing:
        return Standing(rounds=(*self.rounds[:-1], now))


def opening(creators: Sequence[str]) -> Standing:
    """Before the first move. `creators`: the strongest first."""
    return Standing(rounds=(Round(creators=tuple(creators)),))


@dataclass(frozen=True, kw_only=True)
class Draft:
    """Have a creator's drafts; `creators` are those still to be heard, it first."""

    creators: tuple[str, ...]

    @property
    def creator(self) -> str:
        """Whose turn it is."""
        return self.creators[0]


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Have one patch judged."""

    entry: Entry


@dataclass(frozen=True, kw_only=True)
class Criticise:
    """Have the field compared, best first."""

    patches: tuple[Patch, ...]


@dataclass(frozen=True, kw_only=True)
class Learn:
    """Make lessons of the refutations and begin another round with them."""

    refutations: tuple[tuple[Entry, Criticism], ...]


@dataclass(frozen=True, kw_only=True)
class Choose:
    """It is over: let the arbiter choose, or abstain."""


Move = Draft | Judge | Criticise | Learn | Choose


def next_move(standing: Standing, rules: Rules) -> Move:
    """What comes next. A round goes from the strongest creator to the weakest until a patch survives tester and critic;
    what the critic refutes is eliminated; when nothing survived it and rounds are left, the next one begins wiser.
    """
    now = standing.now
    if now.survivors:
        return Criticise(patches=_field(now, rules.field)) if _unheard(now, rules) else Choose()
    if now.waiting:
        return Judge(entry=now.waiting[0])
    if standing.number + 1 < rules.rounds:
        if rules.critic and (contradicted := _contradicted(now)):
            return Criticise(patches=contradicted[: max(1, rules.field)])
        if now.refutations:
            return Learn(refutations=now.refutations)
    left = tuple(name for name in now.creators if name not in now.drafted)
    return Draft(creators=left) if left else Choose()


def foreseen(standing: Standing, entry: Entry, rules: Rules) -> tuple[Patch, ...]:
    """The field the critic will be asked about if the tester accepts this entry as it is; () when it will not be."""
    accepted = Verdict(judgement=Judgement.ACCEPTED, patch=entry.patch)
    move = next_move(standing.judged(entry.patch.id, accepted), rules)
    return move.patches if isinstance(move, Criticise) else ()


def _contradicted(now: Round) -> tuple[Patch, ...]:
    """What the tester's own look at documented behaviour stopped: the critic makes a lesson of it."""
    stopped = (e for e in now.entries if e.verdict and e.verdict.failed == CONTRADICTED)
    return tuple(entry.patch for entry in stopped if now.said_of(entry) is None)


def _unheard(now: Round, rules: Rules) -> bool:
    return rules.critic and any(now.said_of(entry) is None for entry in now.survivors)


def _field(now: Round, most: int) -> tuple[Patch, ...]:
    """Accepted ones first, then those still waiting; as many as the critic may compare."""
    return tuple(entry.proved for entry in (*now.survivors, *now.waiting))[: max(1, most)]


def rows(standing: Standing) -> Iterator[dict[str, Any]]:
    """The table: a row for every patch that was judged or compared, in order."""
    for number, each in enumerate(standing.rounds, 1):
        for entry in each.entries:
            said = each.said_of(entry)
            if entry.waiting and said is None:
                continue
            yield {"round": number, **_row(entry, said)}


def _row(entry: Entry, said: Criticism | None) -> dict[str, Any]:
    verdict, patch = entry.verdict, entry.proved
    return {
        "patch": patch.id, "creator": patch.fixer, "kind": patch.kind, "rank": entry.rank, "score": patch.score,
        "judgement": verdict.judgement.value if verdict else "waiting",
        "failed": verdict.failed if verdict else "", "reason": verdict.reason if verdict else "",
        "gates": [{"gate": g.gate, "judgement": g.judgement.value} for g in verdict.gates] if verdict else [],
        "cluster": said.cluster if said else 0, "refuted": said.refuted if said else "",
    }  # fmt: skip
