"""Creators at work side by side: order, shares, faults, and how those are stopped that nobody waits for."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from nightshift.daemon.missions.studio import Grant, Studio
from nightshift.daemon.missions.testing import ScriptedReproducer
from nightshift.daemon.model import Case, Patch, Reproduction
from nightshift.daemon.ports import Budget, EnvironmentBroke

CASE = Case(id="m", repo="", base="0" * 40)
PATIENCE_S = 30.0


def patch(name: str, fixer: str) -> Patch:
    return Patch(id=name, base=CASE.base, diff=name, files=("a.py",), fixer=fixer, rationale="r")


@dataclass
class Box:
    """A sandbox that hangs until it is closed."""

    closed: threading.Event = field(default_factory=threading.Event)

    def close(self) -> None:
        self.closed.set()

    def __hash__(self) -> int:
        return id(self)


@dataclass
class Boxes:
    """A workbench of such sandboxes."""

    case: Case = CASE
    made: list[Box] = field(default_factory=list)

    def open(self, commit: str = "") -> Box:
        self.made.append(Box())
        return self.made[-1]

    def red(self, commit: str) -> bool | None:
        return None


@dataclass
class Boxed(ScriptedReproducer):
    bench_: Boxes = field(default_factory=Boxes)

    def bench(self, case: Case) -> Boxes:
        return self.bench_


@dataclass
class Creator:
    name: str
    work: Callable[["Creator", object, Budget, Callable[[str], None]], None] = lambda *_: None
    budgets: list[Budget] = field(default_factory=list)

    def draft(self, case, bench, budget, note) -> Iterator[Patch]:
        self.budgets.append(budget)
        self.work(self, bench, budget, note)
        yield patch(f"{self.name}-1", self.name)


@pytest.fixture
def bench() -> Boxes:
    return Boxes()


@pytest.fixture
def studio(bench: Boxes) -> Iterator[Studio]:
    made = Studio(Boxed(reproduction=Reproduction(kind="check"), bench_=bench))
    yield made
    made.stop("m", rest_s=PATIENCE_S)


def drafts(studio: Studio, *creators: Creator, cores: int = 2, turn: str = "t") -> list[str]:
    found = studio.drafts("m", turn, CASE, creators, Grant(seconds=100.0, cores=cores), lambda _: None)
    return [p.id for p in found.patches]


def test_all_begin_together_and_each_is_waited_for_alone(studio):
    together = threading.Barrier(2)

    def meet(*_):
        together.wait(PATIENCE_S)

    one, two = Creator("one", meet), Creator("two", meet)
    assert drafts(studio, one, two) == ["one-1"]
    assert drafts(studio, two) == ["two-1"]
    assert len(two.budgets) == 1, "it was at work already"


def test_with_one_core_the_strongest_works_first_and_shares_are_fair(studio):
    seen = []
    creators = [Creator(name, lambda me, *_: seen.append(me.name)) for name in ("a", "b", "c")]
    began = time.monotonic()
    for at in range(3):
        drafts(studio, *creators[at:], cores=1)
    assert seen == ["a", "b", "c"]
    shares = [creator.budgets[0].deadline - began for creator in creators]
    assert 25 < shares[0] < 35 < shares[1] < 50 < shares[2] < 95


def test_with_cores_for_all_each_has_the_whole_time(studio):
    creators = [Creator(name) for name in ("a", "b")]
    began = time.monotonic()
    for at in range(2):
        drafts(studio, *creators[at:])
    assert all(85 < creator.budgets[0].deadline - began < 95 for creator in creators)


def test_who_still_works_gets_the_time_that_others_leave_over(studio):
    began, moved = time.monotonic(), []

    def patient(me, bench, budget, note):
        first = budget.deadline
        while budget.deadline == first and time.monotonic() < began + PATIENCE_S:
            time.sleep(0.01)
        moved.append((first - began, budget.deadline - began))

    drafts(studio, Creator("slow", patient), Creator("b"), Creator("c"), Creator("d"))
    ((first, later),) = moved
    assert 40 < first < 50 and later > first + 1


def test_whom_nobody_wants_any_more_is_stopped_where_it_stands(studio, bench):
    stuck = threading.Event()
    over: list[str] = []

    def hang(me, leashed, budget, note):
        try:
            box = leashed.open()
            stuck.set()
            box.closed.wait(PATIENCE_S)
            leashed.open()
        except BaseException as error:
            over.append(type(error).__name__)
            raise

    assert drafts(studio, Creator("quick"), Creator("slow", hang)) == ["quick-1"]
    assert stuck.wait(PATIENCE_S)
    studio.stop("m", rest_s=PATIENCE_S)
    assert over == ["Stopped"]
    assert [box.closed.is_set() for box in bench.made] == [True]


def test_a_creator_that_only_talks_is_stopped_too(studio):
    def talk(me, leashed, budget, note):
        while True:
            note("still thinking")
            time.sleep(0.005)

    assert drafts(studio, Creator("quick"), Creator("talker", talk)) == ["quick-1"]
    before = threading.active_count()
    studio.stop("m", rest_s=PATIENCE_S)
    assert threading.active_count() <= before


def test_a_fault_reaches_who_waits_and_the_next_try_begins_anew(studio):
    faults = [EnvironmentBroke("the engine is gone")]

    def fail_once(*_):
        if faults:
            raise faults.pop()

    creator = Creator("a", fail_once)
    with pytest.raises(EnvironmentBroke, match="engine is gone"):
        drafts(studio, creator)
    assert drafts(studio, creator) == ["a-1"]


def test_the_fault_of_one_nobody_asks_disturbs_nobody(studio):
    def fail(*_):
        raise ValueError

    assert drafts(studio, Creator("good"), Creator("bad", fail)) == ["good-1"]


def test_another_turn_begins_anew(studio):
    creator = Creator("a")
    drafts(studio, creator)
    drafts(studio, creator)
    assert len(creator.budgets) == 1
    drafts(studio, creator, turn="second round")
    assert len(creator.budgets) == 2


def test_how_a_creator_searched_is_kept_as_plain_json(studio):
    def tell(me, leashed, budget, note):
        budget.searched({"candidates": 3, "best": [{"score": n} for n in range(99)], "seed": {1}})

    found = studio.drafts("m", "t", CASE, [Creator("a", tell)], Grant(seconds=9.0), lambda _: None)
    (search,) = found.searches
    assert (search["creator"], search["candidates"], search["seed"]) == ("a", 3, "{1}")
    assert len(search["best"]) == 20
