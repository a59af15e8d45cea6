"""Edits land on the characters they mean: multi-byte text, CRLF, tabs, decorators, f-strings, nesting, classes, async."""

from __future__ import annotations

import ast
import re
import sys

import pytest

from nightshift.fixers.templates.ranking import Crash, Evidence, rank
from nightshift.fixers.templates.source import Source, decode, encode, header_end

UNICODE = 'def größe(ä, b):\n    ß = "héé"; x = ä < b; return (ß, "日本", ä - b if x else b)\n'
CRLF = "def f(a, b):\r\n    # note\r\n    if a > b:\r\n        return a\r\n    g(a)\r\n    return b - 1\r\n"
TABS = "class C:\n\tdef f(self, a):\n\t\tfor x in a:\n\t\t\tself.n = x\n\t\t\tg(x)\n\t\treturn self.n\n"
DECORATED = "@d(1)\n@e\ndef f(a, b=2):\n    @wraps(a)\n    def inner(c):\n        return c + a\n    return inner\n"
FSTRING = "def f(a, b):\n    return f'é{a + 1:>{b}} {b!r} {a[0]}' + f\"{'x'}\" + f'''\n{a - b}\n'''\n"
NESTED = "def f(a):\n    def g(b):\n        def h(c):\n            return a + b - c\n        return h\n    return [x for x in a if x > g(1)]\n"
CLASSES = "class A(B):\n    n: int = 3\n\n    @property\n    def p(self):\n        return self.n * 2\n\n    @staticmethod\n    def s(a, *, k=None):\n        return a or k\n"
ASYNC = "async def f(a):\n    async with a as b:\n        async for c in b:\n            await c.run(1, x=2)\n    return [d async for d in a]\n"
NO_NEWLINE = "def f(a, b):\n    if a < 1:\n        g(a)\n    return a"
ONE_LINERS = "def f(a): return a + 1\nif True: x = 1; y = 2\nclass K: pass\n"
STRINGS = 'def f(a):\n    """Doc.\n\n    More."""\n    x = """line\n  two"""\n    return (x +\n            a)\n'
BOM = "\ufeffdef f(a):\n    return a < 1\n"
MATCH = "def f(a):\n    match a:\n        case {'x': [1, *rest]} if rest:\n            return rest\n        case _:\n            return a\n"
WALRUS = "def f(a):\n    while (n := a.pop()) > 1:\n        print(n, *a, **{'k': n})\n    return lambda q: q[::2]\n"
GENERATORS = "def f(a):\n    return sum(x * 2 for x in a) / max((y for y in a), default=0)\n"
ALL = {k: v for k, v in globals().items() if k.isupper() and isinstance(v, str)}


def candidates(code: str) -> list[tuple[str, str]]:
    lines = range(1, code.count("\n") + 2)
    crashes = tuple(
        Crash(exception=e, message=m, frames=tuple(("m.py", n) for n in lines))
        for e, m in (("KeyError", "'x'"), ("TypeError", "'NoneType' object"), ("ZeroDivisionError", "division by zero"))
    )
    evidence = Evidence(suspicion={"m.py": dict.fromkeys(lines, 1.0)}, crashes=crashes)
    found = rank({"m.py": Source("m.py", code)}, evidence, 100_000)
    return [(c.edits[0].template, c.edits[0].applied(code)) for c in found]


@pytest.mark.parametrize("name", ALL)
def test_nearly_all_edits_parse(name: str) -> None:
    found = candidates(ALL[name])
    broken = []
    for template, text in found:
        try:
            ast.parse(text.lstrip("\ufeff"))
        except SyntaxError:
            broken.append((template, text))
    assert len(found) > 20
    assert len(broken) <= 0.03 * len(found), broken[:8]


@pytest.mark.parametrize("name", ALL)
def test_every_node_has_its_text(name: str) -> None:
    source = Source("m.py", ALL[name])
    for node in ast.walk(source.tree):
        if (
            isinstance(node, ast.expr)
            and not isinstance(node, (ast.GeneratorExp, ast.JoinedStr, ast.Slice, ast.FormattedValue))
            and source.exact(node)
        ):
            again = (
                ast.parse(f"({source.segment(node)}\n)", mode="eval").body
                if not isinstance(node, ast.Starred)
                else node
            )
            assert ast.dump(again).replace("Store()", "Load()") == ast.dump(node).replace("Store()", "Load()")


def test_crlf_stays_crlf() -> None:
    for template, text in candidates(CRLF):
        assert not re.search(r"(?<!\r)\n", text), (template, text)


def test_tabs_stay_tabs() -> None:
    for template, text in candidates(TABS):
        assert not re.search(r"^\t* +\S", text, re.MULTILINE), (template, text)


def test_a_missing_newline_at_the_end_stays_missing() -> None:
    kept = [text for template, text in candidates(NO_NEWLINE) if template in ("constant", "variable", "comparison")]
    assert kept
    assert not any(text.endswith("\n") for text in kept)


def test_positions_in_f_strings_are_checked() -> None:
    source = Source("m.py", FSTRING)
    inner = [
        n for n in ast.walk(source.tree) if isinstance(n, ast.BinOp) and source.segment(n).strip() in ("a + 1", "a - b")
    ]
    assert all(source.exact(n) for n in inner)
    if sys.version_info >= (3, 12):
        assert len(inner) == 2


@pytest.mark.parametrize("data", [
    b"# -*- coding: latin-1 -*-\nx = '\xe9'\n", b"\xef\xbb\xbfx = 1\r\n", "x = '日本'\n".encode(), b"x = 1\rx = 2\r", b"",
])  # fmt: skip
def test_bytes_survive_the_round_trip(data: bytes) -> None:
    assert encode(*decode(data)) == data


def test_a_header_ends_before_its_body() -> None:
    source = Source("m.py", "def f(a,\n      b):\n    if (a and\n        b):\n        return 1\n")
    function = source.tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    assert (header_end(function), header_end(function.body[0])) == (2, 4)
