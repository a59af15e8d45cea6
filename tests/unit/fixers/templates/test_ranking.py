"""Where and in which order: Ochiai, crash frames, what may be edited, what tests expect."""

from __future__ import annotations

import pytest

from nightshift.fixers.templates.fixer import _helpful
from nightshift.fixers.templates.ranking import Crash, Evidence, pairs, rank
from nightshift.fixers.templates.repository import editable, expected_literals, words_of
from nightshift.fixers.templates.source import Source

TWO = "LIMIT = 3\n\n\ndef f(a):\n    b = a + 1\n    return b < LIMIT\n\n\ndef g(a):\n    return a - 1\n"


def ranked(evidence: Evidence, code: str = TWO):
    return rank({"m.py": Source("m.py", code)}, evidence, 10_000)


def test_only_suspect_lines_are_edited_and_the_most_suspect_first() -> None:
    found = ranked(Evidence(suspicion={"m.py": {5: 0.4, 6: 1.0}}))
    assert {c.edits[0].line for c in found} <= {1, 4, 5, 6, 7}
    assert found[0].edits[0].line == 6
    assert [c.score for c in found] == sorted((c.score for c in found), reverse=True)


def test_constants_that_suspect_lines_name_are_tried_with_a_fresh_import() -> None:
    found = [c for c in ranked(Evidence(suspicion={"m.py": {6: 1.0}})) if c.edits[0].line == 1]
    assert found and all(c.imports for c in found)
    assert any(c.edits[0].text == "4" for c in found)


def test_the_crash_site_outranks_its_callers() -> None:
    crash = Crash(exception="TypeError", message="", frames=(("m.py", 10), ("m.py", 5)))
    found = ranked(Evidence(suspicion={}, crashes=(crash,)))
    best = {line: max(c.score for c in found if c.edits[0].line == line) for line in (5, 10)}
    assert best[5] > best[10] > 0


def test_edits_that_only_get_a_test_further_are_not_crowded_out_of_the_pairs() -> None:
    singles = ranked(Evidence(suspicion={"m.py": {5: 1.0, 10: 1.0}}))[:60]
    grades = {n: 1.0 if n < 20 else 0.000_02 if n == 50 else 0.000_01 for n in range(60)}
    assert [singles.index(c) for c, _ in _helpful(singles, grades, 6)] == [0, 1, 2, 3, 4, 50]


def test_pairs_do_not_overlap() -> None:
    found = ranked(Evidence(suspicion={"m.py": {5: 1.0, 10: 1.0}}))
    joined = pairs([(found[0], 1.0)], found[:60], 1000)
    assert joined
    for candidate in joined:
        first, second = candidate.edits
        assert first.end < second.start


def test_pairs_do_not_recite_what_tests_expect() -> None:
    code = "def f(a):\n    'Not ba7816bf.'\n    b = a[0]\n    return b\n"
    crash = Crash(exception="IndexError", message="", frames=(("m.py", 3),))
    suspicion = {"m.py": {3: 1.0, 4: 1.0}}
    found = ranked(Evidence(suspicion=suspicion, crashes=(crash,), expected=("'ba7816bf'",)), code)
    telling = [c for c in found if "ba7816bf" in c.edits[0].text]
    others = [c for c in found if "ba7816bf" not in c.edits[0].text]
    assert telling
    partial = [(telling[0], 1.0), (others[0], 1.0)]
    assert not [
        c for c in pairs(partial, found, 10_000, ("'ba7816bf'",)) if "ba7816bf" in c.edits[0].text + c.edits[1].text
    ]
    assert [c for c in pairs(partial, found, 10_000) if "ba7816bf" in c.edits[0].text + c.edits[1].text]


def test_donors_come_from_the_file_and_then_from_the_package() -> None:
    here = "from p import rate\n\n\ndef f(x):\n    return g(x)\n\n\ndef h(x):\n    return x.total * 2\n"
    there = "from p import rate\n\n\ndef k(x):\n    return rate(x)\n\n\ndef unknown(z):\n    return z.total\n"
    sources = {"a.py": Source("a.py", here), "b.py": Source("b.py", there)}
    found = rank(sources, Evidence(suspicion={"a.py": {5: 1.0}}), 100_000)
    donors = {c.edits[0].applied(here).splitlines()[4]: c.score for c in found if c.edits[0].template == "donor"}
    assert donors["    return x.total * 2"] > donors["    return rate(x)"] > 0
    assert "    return z.total" not in donors


def test_words_are_short_strings_and_keywords_of_the_whole_file() -> None:
    text = "DATA = {'latitude': 1, 'x': 2}\n\ndef test_f():\n    assert f(name='Oslo') == 'a' * 50\n"
    assert words_of([(text, "test_f"), ("def (", "")]) == ("latitude", "name", "Oslo", "x")


@pytest.mark.parametrize(("path", "allowed"), [
    ("a.py", True), ("src/shop/cart.py", True), ("shop/contest.py", True), ("shop/latest.py", True), ("test_a.py", False),
    ("a_test.py", False), ("tests/helper.py", False), ("conftest.py", False), ("setup.py", False), ("a.txt", False),
    (".github/x.py", False), ("venv/lib/x.py", False), ("sitecustomize.py", False), ("pkg/test/x.py", False),
    ("python_testcases/load.py", False), ("latest/x.py", True),
])  # fmt: skip
def test_what_may_be_edited(path: str, allowed: bool) -> None:
    assert editable(path) is allowed


def test_literals_that_tests_expect() -> None:
    test = "def test_a():\n    assert f(None) == 'guest'\n    self.assertEqual(f(2), [1, 2])\ndef test_b():\n    assert 3 == f()\n"
    assert expected_literals([(test, "test_a")]) == ("'guest'", "[1, 2]")
    assert expected_literals([(test, "test_b")]) == ("3",)
    assert expected_literals([("def broken(", "")]) == ()
