"""Slips within expressions: operands in another order, bounds, rounding, forgotten conversions, members, keys."""

from __future__ import annotations

import pytest
from support.slips import NONE, Seen, proposed, ranked

THREE = "def f(xs):\n    for a in xs:\n        for b in xs:\n            for c in xs:\n                g(a, b, c)\n"

CASES = [
    ("divided too early", NONE, "def f(a, b, c):\n    return a // b * c\n", "def f(a, b, c):\n    return a * c // b\n"),
    ("offset in the scale", NONE, "def f(v, s, o):\n    return v / s - o\n", "def f(v, s, o):\n    return (v - o) / s\n"),
    ("offset beside the scale", NONE, "def f(v, s, o):\n    return (v - o) * s\n", "def f(v, s, o):\n    return v * s - o\n"),
    ("sums stay together", NONE, "def f(a, b, c):\n    return a // (b + 1) * (c - 1)\n",
     "def f(a, b, c):\n    return a * (c - 1) // (b + 1)\n"),
    ("inner to outermost", NONE, THREE, THREE.replace("a in", "C in").replace("b in", "a in").replace("c in", "b in").replace("C in", "c in")),
    ("outer to innermost", NONE, THREE, THREE.replace("a in", "B in").replace("c in", "a in").replace("b in", "c in").replace("B in", "b in")),
    ("again", NONE, "def f(n, k):\n    if n > 21 and k:\n        n -= 10\n        k -= 1\n    return n\n",
     "def f(n, k):\n    while n > 21 and k:\n        n -= 10\n        k -= 1\n    return n\n"),
    ("again while there are some", NONE, "def f(q):\n    if q and q[0] == '-':\n        g(q.pop(0))\n", "def f(q):\n    while q and q[0] == '-':\n        g(q.pop(0))\n"),
    ("again from its own value", NONE, "def f(n):\n    if n > 9:\n        n = n % 10 + n // 10\n    return n\n",
     "def f(n):\n    while n > 9:\n        n = n % 10 + n // 10\n    return n\n"),
    ("until it is long enough", NONE, "def f(s, n):\n    if len(s) < n:\n        s.append(0)\n    return s\n",
     "def f(s, n):\n    while len(s) < n:\n        s.append(0)\n    return s\n"),
    ("once for each", NONE, "def f(xs, n):\n    for x in xs:\n        while x > n:\n            n += 1\n            g(x)\n",
     "def f(xs, n):\n    for x in xs:\n        if x > n:\n            n += 1\n            g(x)\n"),
    ("two digits", NONE, "def f(s, i):\n    return int(s[i - 2 : i]) <= 26\n", "def f(s, i):\n    return 10 <= int(s[i - 2 : i]) <= 26\n"),
    ("three digits", NONE, "def f(s, i):\n    return int(s[i:i + 3]) < 256\n", "def f(s, i):\n    return 100 <= int(s[i:i + 3]) < 256\n"),
    ("first digits", NONE, "def f(s):\n    return int(s[:2]) <= 12\n", "def f(s):\n    return 10 <= int(s[:2]) <= 12\n"),
    ("digits between", NONE, "def f(s):\n    return int(s[2:4]) <= 12\n", "def f(s):\n    return 10 <= int(s[2:4]) <= 12\n"),
    ("last digits", NONE, "def f(s):\n    return int(s[-2:]) <= 12\n", "def f(s):\n    return 10 <= int(s[-2:]) <= 12\n"),
    ("number of any width", NONE, "def f(s):\n    return int(s) <= 12\n", "def f(s):\n    return 1 <= int(s) <= 12\n"),
    ("bound by a number of the function", NONE, "def f(n):\n    k = 7\n    return n <= 30\n", "def f(n):\n    k = 7\n    return 7 <= n <= 30\n"),
    ("cut at both ends", NONE, "def f(x, n):\n    return x[n:-n]\n", "def f(x, n):\n    return x[n:len(x) - n]\n"),
    ("ending", NONE, "def f(x, end):\n    return x[:-len(end)]\n", "def f(x, end):\n    return x[:len(x) - len(end)]\n"),
    ("last ones", NONE, "def f(x, n):\n    return x[-n:]\n", "def f(x, n):\n    return x[max(len(x) - n, 0):]\n"),
    ("whole part", NONE, 'def f(a):\n    """Rounded to a minute."""\n    return int(a)\n', 'def f(a):\n    """Rounded to a minute."""\n    return round(a)\n'),
    ("rounded", NONE, "def f(a, b):\n    c = a / b\n    return round(c % 60)\n", "def f(a, b):\n    c = round(a / b)\n    return round(c % 60)\n"),
    ("radians", NONE, "def f(a1, b1, a2, b2):\n    a = radians(a2 - a1) / 2\n    b = (b2 - b1) / 2\n    return a, b\n",
     "def f(a1, b1, a2, b2):\n    a = radians(a2 - a1) / 2\n    b = radians(b2 - b1) / 2\n    return a, b\n"),
    ("of a module", NONE, "import math\ndef f(p):\n    lat, lon = p\n    return sin(math.radians(lat)) + lon\n",
     "import math\ndef f(p):\n    lat, lon = p\n    return sin(math.radians(lat)) + math.radians(lon)\n"),
    ("unpacked side by side", NONE, "def f(s):\n    hours, m = s\n    return int(hours) * 60 + m\n",
     "def f(s):\n    hours, m = s\n    return int(hours) * 60 + int(m)\n"),
    ("method of the other", NONE, "def f(left, right):\n    return left.casefold() == right\n", "def f(left, right):\n    return left.casefold() == right.casefold()\n"),
    ("seconds", {"d": "timedelta"}, "def f(d):\n    return d.seconds / 60\n", "def f(d):\n    return d.total_seconds() / 60\n"),
    ("seconds of what is not seen", NONE, "from datetime import datetime\ndef f(a, b):\n    return (a - b).seconds\n",
     "from datetime import datetime\ndef f(a, b):\n    return (a - b).total_seconds()\n"),
    ("days of the week", {"d": "date"}, "def f(d):\n    return d.weekday()\n", "def f(d):\n    return d.isoweekday()\n"),
    ("endings", {"p": "PosixPath"}, "def f(p):\n    return p.name\n", "def f(p):\n    return p.stem\n"),
    ("bottom", {"a": "Fraction"}, "def f(a):\n    return a.numerator\n", "def f(a):\n    return a.denominator\n"),
    ("key in an f-string", NONE, "D = {'from': 1, 'to': 2}\ndef f(d):\n    return f\"{d['no']} {d['from']}\"\n",
     "D = {'from': 1, 'to': 2}\ndef f(d):\n    return f\"{d['no']} {d['to']}\"\n"),
    ("quotes of an f-string", NONE, "D = {'from': 1, 'to': 2}\ndef f(d):\n    return f'{d[\"from\"]}'\n",
     "D = {'from': 1, 'to': 2}\ndef f(d):\n    return f'{d[\"to\"]}'\n"),
    ("key of an example", NONE, 'def f(d):\n    """\n    >>> f({"a": 1, "b": 2})\n    2\n    """\n    return d["a"]\n',
     'def f(d):\n    """\n    >>> f({"a": 1, "b": 2})\n    2\n    """\n    return d["b"]\n'),
    ("key asked for", NONE, "D = {'a': 1, 'b': 2}\ndef f(d):\n    return d.get('a', 0)\n", "D = {'a': 1, 'b': 2}\ndef f(d):\n    return d.get('b', 0)\n"),
    ("name in an f-string", NONE, "def f(a, b):\n    return f'{a} {a}'\n", "def f(a, b):\n    return f'{a} {b}'\n"),
    ("attribute in an f-string", {"p": "PosixPath"}, "def f(p):\n    return f'{p.name}: {p.name}'\n", "def f(p):\n    return f'{p.name}: {p.stem}'\n"),
    ("text in an f-string", NONE, "def f(a):\n    return f'{a} {g(\"x \")}'\n", "def f(a):\n    return f'{a} {g(\"x\")}'\n"),
]  # fmt: skip

NOT = [
    ("the same in every order", NONE, "def f(a, b, c):\n    return a * b / c\n", "a / c * b\n"),
    ("sums in every order", NONE, "def f(a, b, c):\n    return a + b - c\n", "return a - c + b\n"),
    ("formatted text", NONE, "def f(a, b):\n    return '%d' % a + b\n", "('%d' + b)"),
    ("loops that need each other", NONE, "def f(xs):\n    for a in xs:\n        for b in a:\n            for c in b:\n                g(c)\n", "for c in b:\n        for a in"),
    ("body of two", NONE, "def f(xs):\n    for a in xs:\n        for b in xs:\n            h(b)\n            for c in xs:\n                g(c)\n", "for c in xs:\n        for a"),
    ("first digits of a step", NONE, "def f(s, i):\n    return int(s[i:i + 6:3]) < 12\n", "100000 <="),
    ("one digit", NONE, "def f(s, i):\n    return int(s[i:i + 1]) < 5\n", "10 <="),
    ("a number from the end", NONE, "def f(x):\n    return x[:-2]\n", "len(x) - 2"),
    ("made anew", NONE, "def f(n):\n    return g(n)[:-n]\n", "len(g(n))"),
    ("error", NONE, "def f(a, b):\n    if a:\n        raise ValueError(a)\n    return b\n", "return ValueError(b)"),
    ("another shape", NONE, "def f(a1, a2):\n    return radians(a1) + a2[0]\n", "+ radians(a2[0])"),
    ("nothing in common", NONE, "def f(degrees, k):\n    return radians(degrees) + k\n", "+ radians(k)"),
    ("converted already", NONE, "def f(a1, a2):\n    return radians(a1) + sin(a2)\n", "sin(radians(a2))"),
    ("name of a type", NONE, "def f(x, y):\n    return g(x) if isinstance(y, int) else g(y)\n", "g(int)"),
    ("another type", {"d": "Row"}, "from datetime import timedelta\ndef f(d):\n    return d.seconds\n", "total_seconds"),
    ("no time in sight", NONE, "def f(d):\n    return d.seconds\n", "total_seconds()"),
    ("with arguments", {"d": "date"}, "def f(d):\n    return d.isoformat(3)\n", "d.weekday()"),
    ("text that is no key", NONE, "D = {'a': 1, 'b': 2}\ndef f(d):\n    return g('zz', d.count('q'))\n", "d.count(\"b\")"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "seen", "before", "after"), CASES)
def test_proposed(what: str, seen: Seen, before: str, after: str) -> None:
    assert after in proposed(before, seen), what


@pytest.mark.parametrize(("what", "seen", "before", "never"), NOT)
def test_not_proposed(what: str, seen: Seen, before: str, never: str) -> None:
    assert never not in before
    assert not [text for text in proposed(before, seen) if never in text], what


@pytest.mark.parametrize(
    ("name", "says", "likelier", "other"),
    [
        ("rounded", "", "round(a / b)", "-(-a // b)"),
        ("f", "The nearest whole number.", "round(a / b)", "-(-a // b)"),
        ("pages", "", "-(-a // b)", "round(a / b)"),
        ("f", "Rounded up.", "-(-a // b)", "round(a / b)"),
        ("f", "Rounded down.", "-(-a // b)", "round(a / b)"),
    ],
)
def test_the_rounding_that_the_text_names_comes_first(name: str, says: str, likelier: str, other: str) -> None:
    code = f'def {name}(a, b):\n    """{says}"""\n    return a // b\n'
    texts = proposed(code)
    first, second = (texts.index(code.replace("a // b", new)) for new in (likelier, other))
    assert first < second


@pytest.mark.parametrize(
    "code",
    [
        "def f(n):\n    if n > 3:\n        g(n)\n    return n\n",
        "def f(n):\n    if n > 3:\n        n -= 1\n        return n\n",
        "def f(n, k):\n    if k not in n:\n        n.append(k)\n    return n\n",
        "def f(n):\n    if n is None:\n        n = 3\n    return n\n",
        "def f(n):\n    if n > 3:\n        n -= 1\n    else:\n        n += 1\n    return n\n",
    ],
)
def test_what_does_not_go_on_is_hardly_repeated(code: str) -> None:
    assert not [c for c in ranked(code) if c.edits[0].template == "repeat"]


def test_what_is_read_as_it_is_too_says_less() -> None:
    always, sometimes = (
        f"def f(a1, a2):\n    return sin(radians(a1)) + a2 + {other}\n" for other in ("radians(a1)", "a1 * 3")
    )
    best = [max(c.score for c in ranked(code) if c.edits[0].text == "radians(a2)") for code in (always, sometimes)]
    assert best[0] > 2 * best[1] > 0


def test_keys_that_failing_tests_write() -> None:
    code = "def f(d):\n    return f\"{d['from']}\"\n"
    assert code.replace("from", "to") in proposed(code, words=("to",))
    assert code.replace("from", "to") not in proposed(code)


def test_a_key_that_nothing_reads_comes_before_one_that_is_read() -> None:
    code = "D = {'a': 1, 'b': 2, 'c': 3}\ndef f(d):\n    return d['b'], d['a']\n"
    texts = proposed(code)
    unread, read = (texts.index(code.replace("d['a']", new)) for new in ("d['c']", "d['b']"))
    assert unread < read
