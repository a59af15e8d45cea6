"""Slips seen less often: digits, iterators, room, counters, idle names, shadows, masks, last groups."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from nightshift.fixers.templates.ranking import Evidence, rank
from nightshift.fixers.templates.source import Source

Seen = Mapping[str, str]
NONE: Seen = {}

CASES = [
    ("digits", NONE, "def f(s):\n    n = 0\n    for c in s:\n        n = int(c)\n    return n\n",
     "def f(s):\n    n = 0\n    for c in s:\n        n = n * 10 + int(c)\n    return n\n"),
    ("digits of a pair", NONE, "def f(s):\n    t, n = '', 0\n    for c in s:\n        n = int(c)\n    return n\n",
     "def f(s):\n    t, n = '', 0\n    for c in s:\n        n = n * 10 + int(c)\n    return n\n"),
    ("base", {"base": "int"}, "def f(s, base):\n    n = 0\n    for c in s:\n        n += T.index(c)\n    return n\n",
     "def f(s, base):\n    n = 0\n    for c in s:\n        n = n * base + T.index(c)\n    return n\n"),
    ("number of the function", NONE, "def f(s):\n    n = 0\n    for c in s:\n        n = T[c] or 26\n    return n\n",
     "def f(s):\n    n = 0\n    for c in s:\n        n = n * 26 + (T[c] or 26)\n    return n\n"),
    ("iterator", {"xs": "generator"}, 'def f(xs):\n    """Doc."""\n    n = sum(xs)\n    return [x / n for x in xs]\n',
     'def f(xs):\n    """Doc."""\n    xs = list(xs)\n    n = sum(xs)\n    return [x / n for x in xs]\n'),
    ("iterator in a loop", {"xs": "map", "ys": "list"}, "def f(ys, xs):\n    return [(x, y) for y in ys for x in xs]\n",
     "def f(ys, xs):\n    xs = list(xs)\n    return [(x, y) for y in ys for x in xs]\n"),
    ("own iterator", {"ys": "generator"}, "def f(xs):\n    ys = (x for x in xs)\n    return sum(ys) / max(ys)\n",
     "def f(xs):\n    ys = [x for x in xs]\n    return sum(ys) / max(ys)\n"),
    ("own map", {"ys": "map"}, "def f(xs):\n    ys = map(int, xs)\n    return sum(ys) / max(ys)\n",
     "def f(xs):\n    ys = list(map(int, xs))\n    return sum(ys) / max(ys)\n"),
    ("next field", NONE, "def f(s):\n    return s[1:], s[3:5]\n", "def f(s):\n    return s[1:3], s[3:5]\n"),
    ("field before", NONE, "def f(s):\n    return s[:2], s[:5]\n", "def f(s):\n    return s[:2], s[2:5]\n"),
    ("room", NONE, "def f(s, n):\n    return s[:n].rstrip() + '...'\n", "def f(s, n):\n    return s[:n - 3].rstrip() + '...'\n"),
    ("room on both sides", NONE, "def f(s, n):\n    return '<' + s[:n] + '>'\n", "def f(s, n):\n    return '<' + s[:n - 2] + '>'\n"),
    ("room compared", NONE, "def f(s, n):\n    if len(s) > n:\n        s = s[:9] + '..'\n    return s\n",
     "def f(s, n):\n    if len(s) > n - 2:\n        s = s[:9] + '..'\n    return s\n"),
    ("room for a name", NONE, "def f(s, n, end):\n    return s[:n] + end\n", "def f(s, n, end):\n    return s[:n - len(end)] + end\n"),
    ("counter", NONE, "class A:\n    def __init__(self):\n        self.n = 0\n\n    def f(self, x):\n        g(self.n, x)\n",
     "class A:\n    def __init__(self):\n        self.n = 0\n\n    def f(self, x):\n        g(self.n, x)\n        self.n += 1\n"),
    ("counter before", NONE, "class A:\n    def __init__(self):\n        self.n = 0\n\n    def f(self):\n        return self.n\n",
     "class A:\n    def __init__(self):\n        self.n = 0\n\n    def f(self):\n        self.n += 1\n        return self.n\n"),
    ("counter of failures", NONE,
     "class A:\n    def __init__(self):\n        self.n = 0\n\n    def f(self, x):\n        try:\n            x()\n        except OSError:\n            return self.n\n",
     "class A:\n    def __init__(self):\n        self.n = 0\n\n    def f(self, x):\n        try:\n            x()\n        except OSError:\n            self.n += 1\n            return self.n\n"),
    ("counter of a closure", NONE, "def f():\n    n = 0\n    def g():\n        return n\n    return g\n",
     "def f():\n    n = 0\n    def g():\n        nonlocal n\n        n += 1\n        return n\n    return g\n"),
    ("idle", NONE, "def f(xs):\n    for i, x in enumerate(xs):\n        if x in S:\n            return x\n",
     "def f(xs):\n    for i, x in enumerate(xs):\n        if x in S and i > 0:\n            return x\n"),
    ("idle, wider", NONE, "def f(xs):\n    for i, x in enumerate(xs):\n        if x in S:\n            return x\n",
     "def f(xs):\n    for i, x in enumerate(xs):\n        if x in S or i == 0:\n            return x\n"),
    ("shadow", NONE, "def f(name, xs):\n    for name, x in xs:\n        g(name,  x)  # kept\n    return name\n",
     "def f(name, xs):\n    for each_name, x in xs:\n        g(each_name,  x)  # kept\n    return name\n"),
    ("shadow, one letter", NONE, "def f(n):\n    for i in n:\n        for i in range(3):\n            g(i)\n        h(i)\n",
     "def f(n):\n    for i in n:\n        for j in range(3):\n            g(j)\n        h(i)\n"),
    ("shadow of a file", NONE, "def f(path):\n    with open(path) as path:\n        g(path)\n    return path\n",
     "def f(path):\n    with open(path) as each_path:\n        g(each_path)\n    return path\n"),
    ("mask", NONE, "def f(d, p):\n    c = 0\n    for b in d:\n        c = (c << 1) ^ p if c & 0x80 else c << 1\n        c = c << 1 ^ p\n    return c\n",
     "def f(d, p):\n    c = 0\n    for b in d:\n        c = (c << 1) ^ p if c & 0x80 else c << 1\n        c = (c << 1 ^ p) & 0xFF\n    return c\n"),
    ("mask of an update", NONE, "def f(d):\n    h = 7\n    for b in d:\n        h ^= b\n        h *= 31\n    return h\n",
     "def f(d):\n    h = 7\n    for b in d:\n        h ^= b\n        h = (h * 31) & 0xFFFFFFFF\n    return h\n"),
    ("mask of an answer", {"n": "int", "bits": "int"}, "def f(n, bits):\n    return ~n\n", "def f(n, bits):\n    return ~n & ((1 << bits) - 1)\n"),
    ("last group", NONE,
     "def f(xs):\n    out = []\n    a = None\n    for x in xs:\n        if a is not None:\n            out.append(a)\n        a = x\n    return out\n",
     "def f(xs):\n    out = []\n    a = None\n    for x in xs:\n        if a is not None:\n            out.append(a)\n        a = x\n    if a is not None:\n        out.append(a)\n    return out\n"),
    ("last group of an unset name", NONE,
     "def f(xs):\n    out = []\n    a = None\n    for x in xs:\n        if x > 3:\n            out.append(a)\n        a = x\n    return out\n",
     "def f(xs):\n    out = []\n    a = None\n    for x in xs:\n        if x > 3:\n            out.append(a)\n        a = x\n    if a is not None:\n        out.append(a)\n    return out\n"),
    ("last groups of two", NONE,
     "def f(xs):\n    out, m, n, k = [], [], 0, 0\n    for x in xs:\n        if x != k:\n            out.append(k)\n            m.append(n)\n            k, n = x, 0\n        n += 1\n    return out, m\n",
     "def f(xs):\n    out, m, n, k = [], [], 0, 0\n    for x in xs:\n        if x != k:\n            out.append(k)\n            m.append(n)\n            k, n = x, 0\n        n += 1\n    out.append(k)\n    m.append(n)\n    return out, m\n"),
    ("key the other way", NONE, "def f(d):\n    return sorted(d, key=lambda p: p[1])\n", "def f(d):\n    return sorted(d, key=lambda p: -p[1])\n"),
    ("tie", NONE, "def f(d):\n    return sorted(d, key=lambda p: p[1])\n", "def f(d):\n    return sorted(d, key=lambda p: (p[1], p[0]))\n"),
    ("tie of the largest", NONE, "def f(d):\n    return sorted(d, key=lambda p: p[1], reverse=True)\n", "def f(d):\n    return sorted(d, key=lambda p: (-p[1], p[0]))\n"),
    ("tie of attributes", NONE, "def f(d):\n    d[0].name\n    return min(d, key=lambda p: p.age)\n",
     "def f(d):\n    d[0].name\n    return min(d, key=lambda p: (p.age, p.name))\n"),
    ("part of a key", NONE, "def f(d):\n    return sorted(d, key=lambda p: (p[1], p[0]))\n", "def f(d):\n    return sorted(d, key=lambda p: (-p[1], p[0]))\n"),
    ("zero is a value", NONE, "def f(n=None):\n    n = n or 10\n    return n\n", "def f(n=None):\n    n = 10 if n is None else n\n    return n\n"),
    ("zero in a table", NONE, "def f(d):\n    return d.get('n') or 10\n", "def f(d):\n    return d.get('n', 10)\n"),
    ("half a comparison", NONE, "def f(a):\n    return a == 1 or 2\n", "def f(a):\n    return a == 1 or a == 2\n"),
    ("at once", NONE, "def f(a, b):\n    while b:\n        a = b\n        b = a % b\n    return a\n",
     "def f(a, b):\n    while b:\n        a, b = b, a % b\n    return a\n"),
    ("too early", NONE, "def f(xs):\n    for x in xs:\n        if x:\n            return True\n        else:\n            return False\n",
     "def f(xs):\n    for x in xs:\n        if x:\n            return True\n    return False\n"),
    ("reset of a chain", NONE, "def f(xs):\n    best = run = 0\n    for x in xs:\n        if x:\n            run += 1\n            best = max(best, run)\n    return best\n",
     "def f(xs):\n    best = run = 0\n    for x in xs:\n        if x:\n            run += 1\n            best = max(best, run)\n        else:\n            run = 0\n    return best\n"),
    ("base", NONE, "class B:\n    def __init__(self, y, z=0):\n        self.y = y\n\nclass A(B):\n    def __init__(self, x, y, z):\n        self.x = x\n", "class B:\n    def __init__(self, y, z=0):\n        self.y = y\n\nclass A(B):\n    def __init__(self, x, y, z):\n        super().__init__(y, z)\n        self.x = x\n"),
    ("base elsewhere", NONE, "class A(B):\n    def __init__(self, x):\n        self.x = 1\n", "class A(B):\n    def __init__(self, x):\n        super().__init__(x)\n        self.x = 1\n"),
    ("base's method", NONE, "class B:\n    def f(self):\n        self.y = 1\n\nclass A(B):\n    def f(self):\n        self.x = 2\n",
     "class B:\n    def f(self):\n        self.y = 1\n\nclass A(B):\n    def f(self):\n        self.x = 2\n        super().f()\n"),
]  # fmt: skip

NOT = [
    ("no number", {"n": "str"}, "def f(s):\n    n = 0\n    for c in s:\n        n = c.x\n    return n\n", "n * 10 +"),
    ("its own value", NONE, "def f(s):\n    n = 0\n    for c in s:\n        n = n + int(c)\n    return n\n", "n * 10 +"),
    ("no loop", NONE, "def f(c):\n    n = 0\n    n = int(c)\n    return n\n", "n * 10 +"),
    ("never 0", NONE, "def f(s):\n    n = 1\n    for c in s:\n        n = int(c)\n    return n\n", "n * 10 +"),
    ("a list", {"xs": "list"}, "def f(xs):\n    n = sum(xs)\n    return [x / n for x in xs]\n", "    xs = list(xs)\n"),
    ("nothing seen", NONE, "def f(xs):\n    n = sum(xs)\n    return [x / n for x in xs]\n", "    xs = list(xs)\n"),
    ("read once", {"xs": "generator"}, "def f(xs):\n    return [x for x in xs]\n", "    xs = list(xs)\n"),
    ("nothing put on", NONE, "def f(s, n):\n    g('...')\n    return s[:n]\n", "n - 3"),
    ("what is no length", NONE, "def f(a, n):\n    return a + '...' if n > 7 else a\n", "n - 3"),
    ("counter that moves", NONE, "class A:\n    def __init__(self):\n        self.n = 0\n\n    def g(self):\n        self.n = 5\n\n    def f(self):\n        h(self.n)\n",
     "h(self.n)\n        self.n += 1"),
    ("counter set from outside", NONE, "class A:\n    def __init__(self):\n        self.n = 0\n\n    def f(self):\n        h(self.n)\n\ndef g(a):\n    a.n = 4\n",
     "h(self.n)\n        self.n += 1"),
    ("limit", NONE, "class A:\n    def __init__(self):\n        self.n = 50\n\n    def f(self):\n        h(self.n)\n", "h(self.n)\n        self.n += 1"),
    ("constant", NONE, "N = 0\ndef f():\n    return N\n", "global N"),
    ("number that moves", NONE, "n = 0\ndef g():\n    global n\n    n = 7\ndef f():\n    return n\n", "def f():\n    global n"),
    ("last one meant", NONE, "def f(xs):\n    last = None\n    for last in xs:\n        g(last)\n    return last\n", "each_last"),
    ("set anew", NONE, "def f(i, xs):\n    for i in xs:\n        g(i)\n    i = 0\n    return i\n", "for j in"),
    ("not read again", NONE, "def f(i, xs):\n    for i in xs:\n        g(i)\n    return xs\n", "for j in"),
    ("an inner meaning", NONE, "def f(i, xs):\n    for i in xs:\n        g(lambda i: i)\n    return i\n", "for j in"),
    ("no bits", NONE, "def f(a, b):\n    c = a + b\n    return c\n", "& 0x"),
    ("sets", {"a": "set", "b": "set", "c": "set"}, "def f(a, b):\n    c = a ^ b\n    return c\n", "& 0x"),
    ("another value's field", NONE, "def f(s, t):\n    return s[1:], t[3:5]\n", "s[1:3]"),
    ("condition of a round", NONE, "def f(xs):\n    out = []\n    a = 1\n    for x in xs:\n        if x > 3:\n            out.append(a)\n        a = x\n    return out\n",
     "\n    if x > 3:\n        out.append(a)"),
    ("texts have no minus", {"d": "str"}, "def f(d):\n    return sorted(d, key=lambda p: p.lower())\n", "-p"),
    ("no sorting", NONE, "def f(d):\n    return g(d, key=lambda p: p[1])\n", "-p[1]"),
    ("a condition", NONE, "def f(a, b):\n    if a or b:\n        return 1\n", "b if a is None"),
    ("a whole comparison", NONE, "def f(a, b):\n    return a == 1 or b\n", "or a == b"),
    ("not overwritten", NONE, "def f(a, b):\n    a = b\n    c = a % 7\n    return c\n", "a, c ="),
    ("an arm of two", NONE, "def f(xs):\n    for x in xs:\n        if x:\n            g(x)\n        else:\n            return False\n", "\n    return False"),
    ("no base", NONE, "class A:\n    def __init__(self, x):\n        self.x = x\n", "super()"),
    ("base without it", NONE, "class B:\n    def f(self):\n        self.y = 1\n\nclass A(B):\n    def g(self):\n        self.x = 2\n", "super()"),
]  # fmt: skip


def proposed(code: str, seen: Seen) -> list[str]:
    """Every text proposed, all lines suspect; `seen` types for the names of every function."""
    lines = range(1, code.count("\n") + 1)
    known = {name: frozenset({kind}) for name, kind in seen.items()}
    evidence = Evidence(suspicion={"m.py": dict.fromkeys(lines, 1.0)}, kinds={"m.py": dict.fromkeys(lines, known)})
    return [c.edits[0].applied(code) for c in rank({"m.py": Source("m.py", code)}, evidence, 100_000)]


@pytest.mark.parametrize(("what", "seen", "before", "after"), CASES)
def test_proposed(what: str, seen: Seen, before: str, after: str) -> None:
    assert after in proposed(before, seen), what


@pytest.mark.parametrize(("what", "seen", "before", "never"), NOT)
def test_not_proposed(what: str, seen: Seen, before: str, never: str) -> None:
    assert never not in before
    assert not [text for text in proposed(before, seen) if never in text], what
