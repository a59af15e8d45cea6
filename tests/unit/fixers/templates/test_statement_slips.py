"""Statements forgotten: what is remembered, given back, raised in the end, cleaned up, done only under a condition."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from nightshift.fixers.templates.ranking import Candidate, Crash, Evidence, rank
from nightshift.fixers.templates.source import Source

CASES = [
    ("seen", "def f(xs):\n    seen = set()\n    out = []\n    for x in xs:\n        if x.key in seen:\n            continue\n        out.append(x)\n    return out\n",
     "def f(xs):\n    seen = set()\n    out = []\n    for x in xs:\n        if x.key in seen:\n            continue\n        seen.add(x.key)\n        out.append(x)\n    return out\n"),
    ("not seen", "def f(xs):\n    seen = []\n    n = 0\n    for x in xs:\n        if x[0] not in seen:\n            n += 1\n    return n\n",
     "def f(xs):\n    seen = []\n    n = 0\n    for x in xs:\n        if x[0] not in seen:\n            n += 1\n            seen.append(x[0])\n    return n\n"),
    ("not seen, then left", "def f(xs):\n    seen = set()\n    for x in xs:\n        if x.y and x not in seen:\n            return x\n",
     "def f(xs):\n    seen = set()\n    for x in xs:\n        if x.y and x not in seen:\n            seen.add(x)\n            return x\n"),
    ("seen in a table", "def f(xs):\n    seen = {}\n    for i, x in enumerate(xs):\n        if x in seen:\n            return i\n    return -1\n",
     "def f(xs):\n    seen = {}\n    for i, x in enumerate(xs):\n        if x in seen:\n            return i\n        seen[x] = i\n    return -1\n"),
    ("seen by the outer function", "def f(tree):\n    seen = set()\n    def walk(node):\n        if node in seen:\n            return\n        walk(node.next)\n    walk(tree)\n",
     "def f(tree):\n    seen = set()\n    def walk(node):\n        if node in seen:\n            return\n        seen.add(node)\n        walk(node.next)\n    walk(tree)\n"),
    ("answers kept", "class A:\n    def __init__(self):\n        self.known = {}\n\n    def get(self, key):\n        if key in self.known:\n            return self.known[key]\n        return work(key)\n",
     "class A:\n    def __init__(self):\n        self.known = {}\n\n    def get(self, key):\n        if key in self.known:\n            return self.known[key]\n        self.known[key] = work(key)\n        return self.known[key]\n"),
    ("answers of the module kept", "KNOWN = {}\ndef get(key):\n    if key in KNOWN:\n        return KNOWN[key]\n    answer = work(key)\n    return answer\n",
     "KNOWN = {}\ndef get(key):\n    if key in KNOWN:\n        return KNOWN[key]\n    answer = work(key)\n    KNOWN[key] = answer\n    return answer\n"),
    ("put back", "class A:\n    def __init__(self):\n        self.ahead = []\n\n    def peek(self):\n        if not self.ahead:\n            item = next(self.items)\n            return item\n        return self.ahead[0]\n",
     "class A:\n    def __init__(self):\n        self.ahead = []\n\n    def peek(self):\n        if not self.ahead:\n            item = next(self.items)\n            self.ahead.append(item)\n        return self.ahead[0]\n"),
    ("kept on the way", "class A:\n    def __init__(self):\n        self.ahead = []\n\n    def peek(self):\n        if not self.ahead:\n            item = next(self.items)\n        return self.ahead[0]\n",
     "class A:\n    def __init__(self):\n        self.ahead = []\n\n    def peek(self):\n        if not self.ahead:\n            item = next(self.items)\n            self.ahead.append(item)\n        return self.ahead[0]\n"),
    ("chain by its kin", "class A:\n    def f(self, x):\n        self.x = x\n        return self\n\n    def g(self, y):\n        self.y = y\n",
     "class A:\n    def f(self, x):\n        self.x = x\n        return self\n\n    def g(self, y):\n        self.y = y\n        return self\n"),
    ("chain by what it says", 'class A:\n    def g(self, y):\n        """Sets y and returns the object."""\n        if y:\n            self.y = y\n',
     'class A:\n    def g(self, y):\n        """Sets y and returns the object."""\n        if y:\n            self.y = y\n        return self\n'),
    ("in place", "class A:\n    def __iadd__(self, y):\n        self.y += y\n", "class A:\n    def __iadd__(self, y):\n        self.y += y\n        return self\n"),
    ("entered", "class A:\n    def __enter__(self):\n        self.open()\n", "class A:\n    def __enter__(self):\n        self.open()\n        return self\n"),
    ("last error", "def f(g, n):\n    last = None\n    for i in range(n):\n        try:\n            return g()\n        except OSError as error:\n            last = error\n",
     "def f(g, n):\n    last = None\n    for i in range(n):\n        try:\n            return g()\n        except OSError as error:\n            last = error\n    raise last\n"),
    ("last try", "def f(g, n):\n    for i in range(n):\n        try:\n            return g()\n        except OSError:\n            wait(i)\n",
     "def f(g, n):\n    for i in range(n):\n        try:\n            return g()\n        except OSError:\n            if i == n - 1:\n                raise\n            wait(i)\n"),
    ("last try from one", "def f(g, n):\n    for i in range(1, n + 1):\n        try:\n            return g()\n        except OSError:\n            wait(i)\n",
     "def f(g, n):\n    for i in range(1, n + 1):\n        try:\n            return g()\n        except OSError:\n            if i == n:\n                raise\n            wait(i)\n"),
    ("last try of three", "def f(g):\n    for i in range(3):\n        try:\n            return g()\n        except OSError:\n            pass\n",
     "def f(g):\n    for i in range(3):\n        try:\n            return g()\n        except OSError:\n            if i == 2:\n                raise\n            pass\n"),
    ("clean up", "@contextmanager\ndef f(d):\n    d.on()\n    yield d\n\n    # as before\n    for k in d:\n        d.off(k)  # one\n    d.end()\n",
     "@contextmanager\ndef f(d):\n    d.on()\n    try:\n        yield d\n    finally:\n\n        # as before\n        for k in d:\n            d.off(k)  # one\n        d.end()\n"),
    ("clean up, tabs, no last line end", "@contextlib.asynccontextmanager\nasync def f(d):\n\tyield\n\tawait d.off()",
     "@contextlib.asynccontextmanager\nasync def f(d):\n\ttry:\n\t\tyield\n\tfinally:\n\t\tawait d.off()\n"),
    ("other end", "def f(page, last):\n    to = {}\n    if page > 1:\n        to['first'] = 1\n        to['prev'] = page - 1\n    to['next'] = page + 1\n    to['last'] = last\n    return to\n",
     "def f(page, last):\n    to = {}\n    if page > 1:\n        to['first'] = 1\n        to['prev'] = page - 1\n    if page < last:\n        to['next'] = page + 1\n        to['last'] = last\n    return to\n"),
    ("first end", "def f(i, n, low):\n    out = []\n    out.append(i - 1)  # back\n    if i < n:\n        out.append(i + 1)\n    return out\n",
     "def f(i, n, low):\n    out = []\n    if i > low:\n        out.append(i - 1)  # back\n    if i < n:\n        out.append(i + 1)\n    return out\n"),
    ("from the back", "def f(xs, n):\n    xs = xs[n:-n]\n    return xs\n", "def f(xs, n):\n    if n:\n        xs = xs[n:-n]\n    return xs\n"),
]  # fmt: skip

NOT = [
    ("filled", "def f(xs):\n    seen = set()\n    for x in xs:\n        if x.key in seen:\n            continue\n        seen.update(x.all)\n    return seen\n", "seen.add(x.key)"),
    ("filled by a helper", "def f(xs):\n    seen = set()\n    for x in xs:\n        if x.key in seen:\n            continue\n        g(x, seen)\n    return seen\n", "seen.add(x.key)"),
    ("given", "def f(xs, seen):\n    for x in xs:\n        if x.key in seen:\n            continue\n        g(x)\n", "seen.add(x.key)"),
    ("not empty", "def f(xs):\n    stops = {'a', 'the'}\n    for x in xs:\n        if x.key in stops:\n            continue\n        g(x)\n", "stops.add(x.key)"),
    ("set anew", "def f(xs):\n    old = set()\n    for x in xs:\n        if x.key in old:\n            continue\n        old = g(x)\n", "old.add(x.key)"),
    ("filled elsewhere in the class", "class A:\n    def __init__(self):\n        self.ahead = []\n\n    def put(self, x):\n        self.ahead.append(x)\n\n    def peek(self):\n        item = next(self.items)\n        return self.ahead[0]\n", "self.ahead.append(item)"),
    ("nothing says so", "class A:\n    def g(self, y):\n        self.y = y\n", "return self"),
    ("an answer", "class A:\n    def f(self, x):\n        return self\n\n    def g(self, y):\n        if y:\n            return 1\n        self.y = y\n", "return self\n\n    def g(self, y):\n        if y:\n            return 1\n        self.y = y\n        return self"),
    ("made", "class A:\n    def f(self, x):\n        self.x = 1\n        return self\n\n    def __init__(self, y):\n        self.y = y\n", "__init__(self, y):\n        self.y = y\n        return self"),
    ("iterated", "class A:\n    def __iter__(self):\n        return self\n\n    def g(self):\n        self.y = 1\n", "g(self):\n        self.y = 1\n        return self"),
    ("on a class", "class A:\n    def f(self, x):\n        return self\n\n    @classmethod\n    def g(cls):\n        cls.y = 1\n", "return cls"),
    ("raised already", "def f(g, n):\n    last = None\n    for i in range(n):\n        try:\n            return g()\n        except OSError as error:\n            last = error\n    raise KeyError(n)\n", "raise last\n    raise"),
    ("left in the handler", "def f(g, n):\n    for i in range(n):\n        try:\n            return g()\n        except OSError:\n            break\n", "raise"),
    ("skips what is bad", "def f(xs):\n    n = 0\n    for i in range(9):\n        try:\n            n += int(xs[i])\n        except ValueError:\n            pass\n", "raise"),
    ("a plain generator", "def f(d):\n    yield d\n    d.off()\n", "finally"),
    ("nothing to clean up", "@contextmanager\ndef f(d):\n    d.on()\n    yield d\n", "finally"),
    ("a text over lines", "@contextmanager\ndef f(d):\n    yield d\n    d.say('''a\n b''')\n", "finally"),
    ("another kind of thing", "def f(page, last):\n    to = {}\n    if page > 1:\n        to['prev'] = page - 1\n    page += 1\n    return to\n", "page < last:\n        page += 1"),
    ("a value worked on", "def f(page, last):\n    if page > 9:\n        page -= 9\n    page += 1\n    return page\n", "    if page < last:\n        page += 1"),
    ("two arms", "def f(page, last):\n    to = {}\n    if page > 1:\n        to['prev'] = page - 1\n    else:\n        to['no'] = 1\n    to['next'] = 2\n    return to\n", "    if page < last:\n        to['next']"),
    ("a fixed end", "def f(xs):\n    xs = xs[1:-1]\n    return xs\n", "if 1:"),
    ("another name", "def f(xs, n):\n    ys = xs[n:-n]\n    return ys\n", "    if n:\n        ys ="),
]  # fmt: skip


def candidates(code: str, crashes: Sequence[Crash] = (), expected: tuple[str, ...] = ()) -> list[Candidate]:
    """Everything proposed, all lines suspect, likeliest first."""
    lines = dict.fromkeys(range(1, code.count("\n") + 2), 1.0)
    evidence = Evidence(suspicion={"m.py": lines}, crashes=tuple(crashes), expected=expected)
    return rank({"m.py": Source("m.py", code)}, evidence, 100_000)


def proposed(code: str) -> list[str]:
    return [c.edits[0].applied(code) for c in candidates(code)]


@pytest.mark.parametrize(("what", "before", "after"), CASES)
def test_proposed(what: str, before: str, after: str) -> None:
    assert after in proposed(before), what
    compile(after, what, "exec")


@pytest.mark.parametrize(("what", "before", "after"), CASES)
def test_among_the_first(what: str, before: str, after: str) -> None:
    assert proposed(before).index(after) < 40, what


@pytest.mark.parametrize(("what", "before", "never"), NOT)
def test_not_proposed(what: str, before: str, never: str) -> None:
    assert never not in before
    assert not [text for text in proposed(before) if never in text], what
    assert proposed(before), what


CHAIN = "class A:\n    def take(self, x):\n        self.x = x\n\ndef f(a):\n    a = a.take(1)\n    return a.x\n"


def test_a_chain_that_broke_on_nothing_goes_back_to_the_method() -> None:
    crash = Crash(exception="AttributeError", message="'NoneType' object has no attribute 'x'", frames=(("m.py", 7),))
    wanted = CHAIN.replace("self.x = x\n", "self.x = x\n        return self\n")
    found = [c.edits[0].applied(CHAIN) for c in candidates(CHAIN, [crash])]
    assert found.index(wanted) < 10
    other = Crash(exception="AttributeError", message="'NoneType' object has no attribute 'q'", frames=crash.frames)
    assert wanted not in [c.edits[0].applied(CHAIN) for c in candidates(CHAIN, [other])]


def test_guards_do_not_return_what_only_the_tests_say() -> None:
    code = 'def f(xs):\n    """Or n/a for none.\n\n    >>> f([8])\n    8\n    """\n    return sum(xs) / len(xs)\n'
    crash = Crash(exception="ZeroDivisionError", message="division by zero", frames=(("m.py", 7),))
    found = [c.edits[0].text for c in candidates(code, [crash], ("3", "8", "4.5", "'n/a'", "'8'", "[1, 2]", "-1"))]
    returned = {text.rpartition("return ")[2].strip() for text in found if "if" in text and "return" in text}
    assert {"'n/a'", "-1", "0"} <= returned
    assert not {"3", "8", "4.5", "'8'", "[1, 2]"} & returned
