"""Candidates that the types seen rule out are not tried; those that might work are."""

from __future__ import annotations

import ast
from collections.abc import Mapping

import pytest

from nightshift.fixers.templates.kinds import kinds_of, nonsense
from nightshift.fixers.templates.ranking import Evidence, rank
from nightshift.fixers.templates.source import Source
from nightshift.fixers.templates.worker.spectrum import Recorder

KNOWN: Mapping[str, frozenset[str]] = {
    "n": frozenset({"int"}), "s": frozenset({"str"}), "x": frozenset({"list"}), "d": frozenset({"dict"}),
    "m": frozenset({"int", "NoneType"}), "o": frozenset({"Order"}), "q": frozenset({"NoneType"}),
}  # fmt: skip


@pytest.mark.parametrize("text", [
    "n + s", "len(n)", "len(m)", "x - x", "s * s", "n.strip()", "x.lower()", "n[0]", "x[s]", "x['a']", "d[x]", "-s", "abs(x)",
    "n < s", "s < x", "n in s", "s in n", "q[0]", "q + 1", "n(1)", "sum(n)", "[y for y in n]", "len(s) + s", "int(x)",
    "s.split() + s", "n if n + s else 0", "sorted(q)",
])  # fmt: skip
def test_senseless(text: str) -> None:
    assert nonsense(text, KNOWN)


@pytest.mark.parametrize("text", [
    "n + 1", "s + s", "x + x", "s * n", "n * x", "len(s)", "m + 1", "o + 1", "o.total", "o[0]", "unknown + s",
    "s % n", "d[s]", "d[n]", "x[n]", "x[1:]", "s in d", "n in x", "s in s", "s.upper()", "x.append(n)", "-n", "n < n",
    "sum(x)", "int(s)", "n == s", "sorted(d)", "[y for y in s]", "n and s", "not x", "",
])  # fmt: skip
def test_sensible(text: str) -> None:
    assert not nonsense(text, KNOWN)


def test_the_place_counts() -> None:
    parent = ast.parse("n + 1", mode="eval").body
    assert isinstance(parent, ast.BinOp)
    assert nonsense("s", KNOWN, parent.left, parent)
    assert not nonsense("n", KNOWN, parent.left, parent)
    assert kinds_of(parent, KNOWN) == {"int"}


def test_ranking_leaves_senseless_candidates_out() -> None:
    code = "def f(n, s):\n    return n + 1\n"
    seen = {"m.py": {1: {"n": frozenset({"int"}), "s": frozenset({"str"})}}}
    suspect = {"m.py": {2: 1.0}}
    texts = {
        kinds is None: {c.edits[0].applied(code) for c in rank({"m.py": Source("m.py", code)}, evidence, 10_000)}
        for kinds, evidence in ((None, Evidence(suspicion=suspect)), (1, Evidence(suspicion=suspect, kinds=seen)))
    }
    wrong, right = "def f(n, s):\n    return s + 1\n", "def f(n, s):\n    return n - 1\n"
    assert wrong in texts[True] and wrong not in texts[False]
    assert right in texts[True] and right in texts[False]


def test_the_recorder_notes_types_of_names() -> None:
    code = compile("def f(a, b):\n    c = a\n    return c\n", "/r/m.py", "exec")
    space: dict[str, object] = {}
    exec(code, space)
    recorder = Recorder({"/r/m.py": "m.py"})
    recorder.begin(None)
    recorder.start()
    try:
        space["f"](1, "x")  # type: ignore[operator]
        space["f"](None, "x")  # type: ignore[operator]
    finally:
        recorder.stop()
    assert recorder.kinds["m.py"][1] == {"a": {"int", "NoneType"}, "b": {"str"}, "c": {"int", "NoneType"}}
