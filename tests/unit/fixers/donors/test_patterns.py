"""Fixes of the past as patterns: what they have in common, where they fit, what they write."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from nightshift.daemon.kit.git import BareRepo
from nightshift.fixers.donors.fixer import proposer
from nightshift.fixers.donors.mining import changed, mined
from nightshift.fixers.donors.patterns import Pattern, abstracted, filled, generalised, match, proper
from nightshift.fixers.templates.ranking import Evidence, rank
from nightshift.fixers.templates.source import Source

AT_S = 1_700_000_000


def expression(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def pattern(before: str, after: str, commit: str = "c1") -> Pattern:
    one, other = abstracted(expression(before), expression(after))
    return Pattern(before=one, after=other, commits=frozenset({commit}), paths=frozenset({"m.py"}))


def proposals(patterns: list[Pattern], code: str) -> list[str]:
    evidence = Evidence(suspicion={"m.py": dict.fromkeys(range(1, code.count("\n") + 1), 1.0)})
    found = rank({"m.py": Source("m.py", code)}, evidence, 1000, proposer(patterns))
    return [c.edits[0].applied(code) for c in found]


def history(tmp_path: Path, *texts: str) -> tuple[BareRepo, str]:
    """One commit per text of `m.py`; the last one's id."""
    repo = BareRepo.ensure(str(tmp_path / "r.git"))
    empty = repo.commit(repo.out("mktree").decode().strip(), [], "empty", at_s=AT_S)
    tip = empty
    for number, text in enumerate(texts):
        tip = repo.commit(repo.with_files(tip, {"m.py": text.encode()}), [tip], f"c{number}", at_s=AT_S + number)
    return repo, tip


@pytest.mark.parametrize(("before", "after", "code", "fixed"), [
    ("d[k]", "d.get(k)", "def f(x, y):\n    return x.a[y]\n", "def f(x, y):\n    return x.a.get(y)\n"),
    ("cents(a * b)", "cents(round(a * b))", "def f(x, y):\n    return cents(x * (y + 1))\n", "def f(x, y):\n    return cents(round(x * (y + 1)))\n"),
    ("load(a)", "load(a, strict=True)", "def f(x):\n    return load(x.y)\n", "def f(x):\n    return load(x.y, strict=True)\n"),
])  # fmt: skip
def test_a_fix_fits_elsewhere(before: str, after: str, code: str, fixed: str) -> None:
    assert fixed in proposals([pattern(before, after)], code)


def test_what_two_fixes_have_in_common_fits_a_third_place() -> None:
    found = generalised([pattern("load(a)", "clean(load(a))", "c1"), pattern("save(b.c)", "clean(save(b.c))", "c2")])
    common = [p for p in found if p.commits == {"c1", "c2"}]
    assert len(common) == 1 and proper(common[0])
    assert "def f(x):\n    return clean(send(x))\n" in proposals(common, "def f(x):\n    return send(x)\n")
    assert found[0] is common[0]


def test_edits_with_nothing_in_common_stay_apart() -> None:
    found = generalised([pattern("a[0]", "a[-1]", "c1"), pattern("f(x)", "g(x)", "c2")])
    assert all(len(p.commits) == 1 for p in found) and len(found) == 2


def test_a_hole_is_the_same_expression_everywhere() -> None:
    same, _ = abstracted(expression("f(a, a)"), expression("g(a, a, a)"))
    assert match(same, expression("f(x.y, x.y)"), {})
    assert not match(same, expression("f(x, y)"), {})


def test_the_smallest_changed_part_is_found_with_its_parent() -> None:
    before, after = ast.parse("def f(x):\n    return g(x, 1)\n"), ast.parse("def f(x):\n    return g(x, 2)\n")
    texts = [(ast.unparse(a), ast.unparse(b), insert) for a, b, insert in changed(before, after)]
    assert texts == [("1", "2", False), ("g(x, 1)", "g(x, 2)", False)]


def test_history_is_mined_and_repeated_fixes_come_first(tmp_path: Path) -> None:
    start = "def f(x):\n    return load(x)\n\n\ndef g(x):\n    y = load(x)\n    return y[0]\n"
    repo, tip = history(
        tmp_path, start, start.replace("return load(x)", "return clean(load(x))"),
        start.replace("return load(x)", "return clean(load(x))").replace("y = load(x)", "y = clean(load(x))"),
    )  # fmt: skip
    found = mined(repo, tip, 50)
    assert filled(found[0].after, {}).startswith("clean(load(")
    assert len(found[0].commits) == 2
    assert mined(repo, tip, 50)[0].key == found[0].key


def test_a_guard_that_was_added_is_added_elsewhere(tmp_path: Path) -> None:
    start = "def f(x):\n    return x.total\n\n\ndef g(y):\n    return y.total\n"
    guarded = start.replace("    return x.total", "    if x.closed:\n        raise Closed(x)\n    return x.total")
    repo, tip = history(tmp_path, start, guarded)
    found = proposals(mined(repo, tip, 50), guarded)
    assert (
        guarded.replace("    return y.total", "    if y.closed:\n        raise Closed(y)\n    return y.total") in found
    )


def test_large_commits_are_no_fixes(tmp_path: Path) -> None:
    start = "".join(f"def f{n}(x):\n    return x + {n}\n\n\n" for n in range(20))
    repo, tip = history(tmp_path, start, start.replace("x +", "x -"))
    assert mined(repo, tip, 50) == []


def test_source_that_does_not_parse_is_passed_over(tmp_path: Path) -> None:
    repo, tip = history(tmp_path, "def (", "x = 1\n", "x = 2\n")
    assert "2" in [filled(p.after, {}) for p in mined(repo, tip, 50)]
