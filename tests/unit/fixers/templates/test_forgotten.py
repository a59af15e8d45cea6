"""What was forgotten or stands on the wrong level: the families that put it back propose what a person would."""

from __future__ import annotations

import pytest

from nightshift.fixers.templates.families.stale import unused
from nightshift.fixers.templates.nature import habits, naturalness
from nightshift.fixers.templates.ranking import Crash, Evidence, pairs, rank
from nightshift.fixers.templates.source import Edit, Source

CASES = [
    ("index", "def f(d, k):\n    g(d[k])\n    return d\n", "def f(d, k):\n    g(d[k])\n    return d[k]\n"),
    ("index", "def f(xs):\n    return sorted(xs, key=lambda x: x)\n", "def f(xs):\n    return sorted(xs, key=lambda x: x[1])\n"),
    ("index", "def f(d):\n    return [k for k in d if d == 0]\n", "def f(d):\n    return [k for k in d if d[k] == 0]\n"),
    ("jump", "def f(x):\n    if not x:\n        return 0\n        return x[0]\n", "def f(x):\n    if not x:\n        return 0\n    return x[0]\n"),
    ("block into loop", "def f(xs):\n    n = 0\n    for x in xs:\n        y = x\n    if y:\n        n += 1\n    return n\n",
     "def f(xs):\n    n = 0\n    for x in xs:\n        y = x\n        if y:\n            n += 1\n    return n\n"),
    ("two levels", "def f(xs):\n    for x in xs:\n        if x:\n            a = x\n            return a\n",
     "def f(xs):\n    for x in xs:\n        if x:\n            a = x\n    return a\n"),
    ("first value", "def f(xs):\n    for x in xs:\n        n = 0\n        n += x\n    return n\n",
     "def f(xs):\n    n = 0\n    for x in xs:\n        n += x\n    return n\n"),
    ("every round", "def f(xs):\n    n = 0\n    for x in xs:\n        n += x\n        print(n)\n",
     "def f(xs):\n    for x in xs:\n        n = 0\n        n += x\n        print(n)\n"),
    ("update", "def f(xs):\n    n = 0\n    for x in xs:\n        print(n)\n    return n\n",
     "def f(xs):\n    n = 0\n    for x in xs:\n        n += x\n        print(n)\n    return n\n"),
    ("entry", "def f(xs):\n    d = {}\n    for k, v in xs:\n        print(k)\n    return d\n",
     "def f(xs):\n    d = {}\n    for k, v in xs:\n        print(k)\n        d[k] = v\n    return d\n"),
    ("mirror", "def f(left, right):\n    left += 1\n    return left + right\n", "def f(left, right):\n    left += 1\n    right += 1\n    return left + right\n"),
    ("other bound", "def f(low, high, x):\n    if x:\n        low = x + 1\n    return low, high\n",
     "def f(low, high, x):\n    if x:\n        low = x + 1\n    else:\n        high = x\n    return low, high\n"),
    ("check", "def f(n):\n    if n > 9:\n        raise ValueError(n)\n    n -= 3\n    return n\n",
     "def f(n):\n    if n > 9:\n        raise ValueError(n)\n    n -= 3\n    if n < 0:\n        raise ValueError(n)\n    return n\n"),
    ("length", "def f(text, width, mark):\n    return text[:width] + mark\n", "def f(text, width, mark):\n    return text[:width - len(mark)] + mark\n"),
    ("number", "def f(a, b):\n    c = b % 360\n    return a\n", "def f(a, b):\n    c = b % 360\n    return a % 360\n"),
    ("turned", "def f(a, b):\n    return a\n", "def f(a, b):\n    return b - a\n"),
    ("default", "def f(d, k, other):\n    return d.get(k)\n", "def f(d, k, other):\n    return d.get(k, other)\n"),
    ("symmetric", "def f(a, b, c, d):\n    return a <= b and c <= d\n", "def f(a, b, c, d):\n    return a < b and c < d\n"),
    ("path", "def f(n, path):\n    for m in n:\n        f(m, path)\n", "def f(n, path):\n    for m in n:\n        f(m, path + [m])\n"),
    ("recursion", "def f(xs, n):\n    if n:\n        return f(xs, n - 1)\n    return xs\n",
     "def f(xs, n):\n    if n:\n        return f(xs[1:], n - 1)\n    return xs\n"),
    ("other arm", "def f(xs):\n    out = []\n    for x in xs:\n        if x:\n            out.append(x)\n        else:\n            y = x\n    return out\n",
     "def f(xs):\n    out = []\n    for x in xs:\n        if x:\n            out.append(x)\n        else:\n            y = x\n            out.append(y)\n    return out\n"),
    ("pass", "def f(xs):\n    out = []\n    for x in xs:\n        if x:\n            pass\n    return out\n",
     "def f(xs):\n    out = []\n    for x in xs:\n        if x:\n            pass\n            out.append(x)\n    return out\n"),
]  # fmt: skip

CRASHES = [
    ("NameError", "name 'n' is not defined", "def f(xs):\n    return xs[n]\n", "def f(xs):\n    n = len(xs)\n    return xs[n]\n"),
    ("NameError", "name 'left' is not defined", "def f(a):\n    right = g(a, 1)\n    return left + right\n",
     "def f(a):\n    right = g(a, 1)\n    left = g(1, a)\n    return left + right\n"),
    ("TypeError", "unsupported operand type(s) for -: 'int' and 'NoneType'", "def f(xs):\n    return sum(xs) - 1\n",
     "def f(xs):\n    xs = [x for x in xs if x is not None]\n    return sum(xs) - 1\n"),
    ("KeyError", "'k'", "def f(d, e):\n    return [k for k in d if d[k] != e[k]]\n",
     "def f(d, e):\n    return [k for k in d if k in e and d[k] != e[k]]\n"),
]  # fmt: skip


def ranked(code: str, *crashes: Crash) -> list[tuple[str, float]]:
    """Texts and scores, every line suspect."""
    lines = dict.fromkeys(range(1, code.count("\n") + 1), 1.0)
    found = rank({"m.py": Source("m.py", code)}, Evidence(suspicion={"m.py": lines}, crashes=crashes), 100_000)
    return [(c.edits[0].applied(code), c.score) for c in found]


@pytest.mark.parametrize(("what", "before", "after"), CASES)
def test_put_back(what: str, before: str, after: str) -> None:
    assert after in dict(ranked(before)), what


@pytest.mark.parametrize(("exception", "message", "before", "after"), CRASHES)
def test_put_back_after_a_crash(exception: str, message: str, before: str, after: str) -> None:
    frames = tuple(("m.py", n) for n in range(1, before.count("\n") + 1))
    assert after in dict(ranked(before, Crash(exception=exception, message=message, frames=frames)))


def test_nothing_moves_behind_a_jump() -> None:
    code = "def f(x):\n    if not x:\n        return 0\n    y = x + 1\n    return y\n"
    dead = "def f(x):\n    if not x:\n        return 0\n        y = x + 1\n    return y\n"
    assert dead not in dict(ranked(code))


def test_what_nothing_reads_counts_as_idle_own_updates_included() -> None:
    tree = Source(
        "m.py", "def f(a, b):\n    best = 0\n    for x in a:\n        best = max(best, x)\n    return a\n"
    ).tree
    assert unused(tree.body[0]) == ["b", "best"]


@pytest.mark.parametrize(
    ("text", "above"), [("b", True), ("x - x", False), ("g(x, x)", False), ("1", False), ("x + 1", None)]
)
def test_natural_code_reads_what_it_is_given(text: str, above: bool | None) -> None:
    source = Source("m.py", "def f(a, b):\n    x = a\n    return x\n")
    start = source.text.rindex("x")
    edit = Edit(path="m.py", start=start, end=start + 1, text=text, template="variable", weight=1.0, note="", line=3)
    factor = naturalness(source, edit, habits(source.tree.body[0]))
    assert factor == 1.0 if above is None else (factor > 1.0) is above


def test_a_loop_past_the_end_of_a_sequence_is_shortened_rather_than_guarded() -> None:
    code = "def f(xs):\n    for i in range(len(xs) + 1):\n        print(xs[i])\n    return len(xs) + 1\n"
    evidence = Evidence(
        suspicion={"m.py": {2: 1.0, 3: 1.0}},
        crashes=(Crash(exception="IndexError", message="list index out of range", frames=(("m.py", 3),)),),
    )
    best = rank({"m.py": Source("m.py", code)}, evidence, 1000)[0]
    assert best.edits[0].applied(code) == code.replace("range(len(xs) + 1)", "range(len(xs))")


def test_pairs_of_neighbouring_lines_come_first_and_need_no_partial_fix() -> None:
    code = "def f(a, b):\n    c = a - 1\n    d = b - 1\n" + "    print(c)\n" * 9 + "    return c + d\n"
    lines = dict.fromkeys((2, 3, 13), 1.0)
    found = rank({"m.py": Source("m.py", code)}, Evidence(suspicion={"m.py": lines}), 1000)
    plus = [next(c for c in found if c.edits[0].line == n and c.edits[0].text == "+") for n in (2, 3)]
    minus = next(c for c in found if c.edits[0].line == 13 and c.edits[0].text == "-")
    joined = {tuple(e.line for e in c.edits): c.score for c in pairs([], [*plus, minus], 100)}
    assert set(joined) == {(2, 3), (2, 13), (3, 13)}
    assert joined[2, 3] > joined[2, 13]
