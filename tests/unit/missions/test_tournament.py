"""The rules of the tournament: who is asked next, what is eliminated, when it ends; same history, same choice."""

import json
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from nightshift.daemon.missions import tournament
from nightshift.daemon.missions.decision import decide
from nightshift.daemon.missions.tournament import (
    Choose,
    Criticise,
    Draft,
    Judge,
    Learn,
    Lesson,
    Rules,
    Standing,
    next_move,
    opening,
)
from nightshift.daemon.model import Criticism, Critique, Judgement, Patch, Reproduction, Verdict, dump, load

RED = Reproduction(kind="check", command="python -m pytest", failing=("t::a",))
CRITIC = Rules(rounds=2, critic=True)


def patch(name: str, fixer: str = "a") -> Patch:
    return Patch(id=name, base="0" * 40, diff=f"diff {name}", files=("a.py",), fixer=fixer, rationale="r")


def verdict(of: Patch, accepted: bool) -> Verdict:
    return Verdict(judgement=Judgement.ACCEPTED if accepted else Judgement.REJECTED, patch=of)


def critique(*patches: str, refuted: str = "") -> Critique:
    said = (Criticism(patch=p, cluster=1, refuted="no" if p in refuted.split() else "") for p in patches)
    return Critique(criticisms=tuple(said), clusters=1, inputs=1)


def judged(standing: Standing, accepts: str) -> Standing:
    """Goes on until something other than a verdict is wanted."""
    while isinstance(move := next_move(standing, CRITIC), Judge):
        accepted = move.entry.patch.id in accepts.split()
        standing = standing.judged(move.entry.patch.id, verdict(move.entry.patch, accepted))
    return standing


def test_the_strongest_is_asked_first_and_the_next_only_when_nothing_of_it_passes():
    standing = opening(["a", "b"])
    assert next_move(standing, CRITIC) == Draft(creators=("a", "b"))
    standing = judged(standing.drafted("a", [patch("p1"), patch("p2")]), accepts="")
    assert next_move(standing, CRITIC) == Draft(creators=("b",))
    standing = judged(standing.drafted("b", [patch("p3", "b"), patch("p4", "b")]), accepts="p3")
    assert next_move(standing, CRITIC) == Criticise(patches=(patch("p3", "b"), patch("p4", "b")))
    standing = standing.criticised(critique("p3", "p4"))
    assert isinstance(next_move(standing, CRITIC), Choose)
    assert decide(standing, RED).verdict.patch.id == "p3"


def test_without_a_critic_the_first_that_passes_ends_it():
    standing = judged(opening(["a"]).drafted("a", [patch("p1"), patch("p2")]), accepts="p2")
    assert isinstance(next_move(standing, Rules()), Choose)
    assert standing.plausible == 1


def test_the_next_in_the_field_takes_the_place_of_a_refuted_one():
    standing = judged(opening(["a"]).drafted("a", [patch("p1"), patch("p2")]), accepts="p1")
    standing = judged(standing.criticised(critique("p1", "p2", refuted="p1")), accepts="p2")
    assert isinstance(next_move(standing, CRITIC), Choose), "the critic has heard of it"
    assert decide(standing, RED).verdict.patch.id == "p2"


def test_a_field_that_is_refuted_teaches_the_next_round():
    standing = judged(opening(["idle", "a", "late"]).drafted("idle", []).drafted("a", [patch("p1")]), accepts="p1")
    standing = standing.criticised(critique("p1", refuted="p1"))
    move = next_move(standing, CRITIC)
    assert isinstance(move, Learn)
    assert [entry.patch.id for entry, _ in move.refutations] == ["p1"]
    standing = standing.taught([Lesson(path="t.py", text="", failing=("t.py::t",))], ["p1 was refuted"])
    assert next_move(standing, CRITIC) == Draft(creators=("a", "late")), "who had nothing to show is not asked again"
    standing = standing.drafted("a", [patch("p1")])
    assert next_move(standing, CRITIC) == Draft(creators=("late",)), "what was refuted does not enter again"
    standing = standing.drafted("late", [])
    assert isinstance(next_move(standing, CRITIC), Choose)
    choice = decide(standing, RED)
    assert choice.verdict is None
    assert "no patch survived the critic, 1 refuted" in choice.reason


def test_what_the_tester_s_own_critic_stops_becomes_a_lesson_too():
    one = patch("p1")
    stopped = Verdict(judgement=Judgement.REJECTED, patch=one, failed="critic")
    standing = opening(["a", "b"]).drafted("a", [one]).judged("p1", stopped)
    assert next_move(standing, Rules(rounds=1, critic=True)) == Draft(creators=("b",))
    assert next_move(standing, Rules(rounds=2)) == Draft(creators=("b",))
    assert next_move(standing, CRITIC) == Criticise(patches=(one,))
    assert isinstance(next_move(standing.criticised(critique("p1", refuted="p1")), CRITIC), Learn)
    assert next_move(standing.criticised(critique("p1")), CRITIC) == Draft(creators=("b",)), "it was not contradicted"


def test_the_last_round_asks_everybody_before_it_gives_up():
    standing = judged(opening(["a", "b"]).drafted("a", [patch("p1")]), accepts="p1")
    standing = standing.criticised(critique("p1", refuted="p1"))
    assert next_move(standing, Rules(rounds=1, critic=True)) == Draft(creators=("b",))


def test_the_field_is_bounded_and_a_latecomer_is_heard_too():
    rules = Rules(field=2, critic=True)
    patches = [patch(f"p{n}") for n in range(4)]
    standing = judged(opening(["a"]).drafted("a", patches), accepts="p0")
    assert next_move(standing, rules) == Criticise(patches=tuple(patches[:2]))
    standing = judged(standing.criticised(critique("p0", "p1", refuted="p0 p1")), accepts="p2")
    assert next_move(standing, rules) == Criticise(patches=tuple(patches[2:]))


def test_the_table_tells_of_every_patch_that_was_judged_or_compared():
    standing = judged(opening(["a"]).drafted("a", [patch("p1"), patch("p2"), patch("p3")]), accepts="p2")
    (first, second) = tournament.rows(standing)
    assert (first["patch"], first["judgement"], first["rank"]) == ("p1", "rejected", 1)
    assert (second["patch"], second["judgement"], second["round"]) == ("p2", "accepted", 1)
    last = list(tournament.rows(standing.criticised(critique("p2", "p3", refuted="p3"))))[-1]
    assert (last["patch"], last["judgement"], last["refuted"]) == ("p3", "waiting", "no")


def played(world: dict, rules: Rules) -> Iterator[Standing]:
    """Every standing of a tournament in which tester and critic answer by the world's say."""
    standing = opening(list(world["drafts"]))
    yield standing
    while not isinstance(move := next_move(standing, rules), Choose):
        if isinstance(move, Draft):
            names = world["drafts"][move.creator] + (world["more"] if standing.number else [])
            standing = standing.drafted(move.creator, [patch(n, move.creator) for n in names])
        elif isinstance(move, Judge):
            standing = standing.judged(
                move.entry.patch.id, verdict(move.entry.patch, move.entry.patch.id in world["good"])
            )
        elif isinstance(move, Criticise):
            names = [p.id for p in move.patches]
            standing = standing.criticised(critique(*names, refuted=" ".join(set(names) & set(world["refuted"]))))
        else:
            standing = standing.taught([], ["wiser"])
        yield standing


NAMES = st.lists(st.sampled_from([f"p{n}" for n in range(9)]), unique=True, max_size=5)
WORLDS = st.fixed_dictionaries(
    {"drafts": st.fixed_dictionaries({"a": NAMES, "b": NAMES, "c": NAMES}), "more": NAMES, "good": NAMES,
     "refuted": NAMES}
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(WORLDS, st.builds(Rules, rounds=st.integers(1, 4), field=st.integers(1, 4), critic=st.booleans()))
def test_it_ends_and_the_same_history_gives_the_same_moves_and_the_same_choice(world, rules):
    standings = list(played(world, rules))
    assert len(standings) < 200
    for standing in standings:
        kept = load(Standing, json.loads(json.dumps(dump(standing))))
        assert next_move(kept, rules) == next_move(standing, rules)
        assert decide(kept, RED) == decide(standing, RED)
    end = standings[-1]
    assert end.number < rules.rounds
    chosen = decide(end, RED).verdict
    if chosen:
        assert chosen.patch.id in world["good"]
        assert not rules.critic or chosen.patch.id not in world["refuted"]
    diffs = [entry.patch.diff for entry in end.entries]
    assert len(diffs) == len(set(diffs)), "nothing enters twice"
