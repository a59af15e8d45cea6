"""The likeliest lines are drafted first; nothing is drafted twice, and nothing any more once enough was found."""

from __future__ import annotations

import threading

import pytest

from nightshift.fixers.templates.all_templates import edits_at
from nightshift.fixers.templates.import_time import at_import
from nightshift.fixers.templates.portions import FIRST, Portions, portions
from nightshift.fixers.templates.ranking import Crash, Evidence, rank
from nightshift.fixers.templates.source import Source
from nightshift.fixers.templates.worker.baseline import nearest

TEXT = "def f(a, b):\n" + "".join(f"    x{n} = a + {n}\n" for n in range(120)) + "    return x0 - b\n"


def evidence(**more: object) -> Evidence:
    lines = {n: 1.0 - n / 1000 for n in range(2, 123)}
    return Evidence(suspicion={"f.py": lines}, **more)  # type: ignore[arg-type]


def drafts(keep=lambda _: True, propose=edits_at, early=()) -> Portions:
    source = Source("f.py", TEXT)
    return Portions({"f.py": source}, evidence(), 100_000, propose, keep, {"f.py": early})


def every(made: Portions) -> list:
    found = []
    while portion := made.next():
        found += portion
    return found


def test_likeliest_lines_come_first_and_crashes_with_them() -> None:
    crash = Crash(exception="E", message="", frames=(("f.py", 50),))
    parts = portions(evidence(crashes=(crash,)))
    assert [len(p.suspicion["f.py"]) for p in parts] == [FIRST, 48, 57]
    assert list(parts[0].suspicion["f.py"]) == list(range(2, 2 + FIRST))
    assert [p.crashes for p in parts] == [(crash,), (), ()]


def test_equally_suspicious_lines_are_not_parted() -> None:
    lines = dict.fromkeys(range(1, FIRST + 4), 0.5) | dict.fromkeys(range(100, 110), 0.4)
    parts = portions(Evidence(suspicion={"f.py": lines}))
    assert [len(p.suspicion["f.py"]) for p in parts] == [FIRST + 3, 10]


def test_nothing_suspicious_leaves_one_part_for_the_crashes() -> None:
    assert len(portions(Evidence(suspicion={}))) == 1


def test_portions_together_are_what_one_ranking_gives() -> None:
    whole = {c.edits[0] for c in rank({"f.py": Source("f.py", TEXT)}, evidence(), 100_000)}
    found = [c.edits[0] for c in every(drafts())]
    assert set(found) == whole
    assert len(found) == len({(e.path, e.start, e.end, e.text) for e in found})


def test_some_are_kept_and_early_ones_are_imported_anew() -> None:
    found = every(drafts(keep=lambda c: c.edits[0].line < 40, early={30}))
    assert max(c.edits[0].line for c in found) == 39
    assert {c.edits[0].line for c in found if c.imports} == {30}


def test_drafting_ends_when_nobody_wants_more() -> None:
    begun, seen = threading.Event(), []

    def slow(site):
        seen.append(site)
        begun.set()
        made.stop.wait(5.0)
        return iter(())

    class Waiting(Portions):
        stop = threading.Event()

    made = Waiting.__new__(Waiting)
    Waiting.__init__(made, {"f.py": Source("f.py", TEXT)}, evidence(), 100, slow, lambda _: True, {})
    assert begun.wait(5.0)
    made.close()
    made.stop.set()
    assert made.next() == []
    assert len(seen) == 1


def test_what_breaks_while_drafting_is_heard_of() -> None:
    def broken(site):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        drafts(propose=broken).next()


RULES = """\
TABLE = []


def rule(word, plural):
    key = word.lower()
    TABLE.append((key, plural))


def unrelated(word):
    return print(word)


def loud(function):
    made = function
    return made


rule("cow", "kine")
unrelated("x")


@loud
def plural(word):
    for key, other in TABLE:
        if key == word:
            return other
    return word + "s"
"""


def test_what_filled_a_table_at_import_is_suspicious_too() -> None:
    found = at_import(Source("w.py", RULES), {24: 0.5, 25: 0.4})
    assert set(found) == {5, 6, 14, 15}
    assert max(found.values()) < 0.5


def test_without_a_suspicious_function_nothing_at_import_is() -> None:
    assert at_import(Source("w.py", RULES), {}) == {}


def test_tests_near_the_failing_ones_are_measured_first() -> None:
    ids = ["a.py::1", "a.py::2", "b.py::1", "b.py::2", "c.py::1", "c.py::2"]
    assert [ids[i] for i in nearest(ids, [3])] == ["b.py::2", "b.py::1", "a.py::1", "c.py::1", "a.py::2", "c.py::2"]
    assert sorted(nearest(ids, [])) == list(range(6))
