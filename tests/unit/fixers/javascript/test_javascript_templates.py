"""What each template for JavaScript proposes; everything proposed still parses when it is ranked."""

from __future__ import annotations

import subprocess
import sys

import pytest

from nightshift.fixers.javascript.all_templates import edits_at
from nightshift.fixers.javascript.grammar import Source, parses
from nightshift.fixers.javascript.ranking import Spectrum, rank
from nightshift.fixers.javascript.site import Failing, Site

pytest.importorskip("tree_sitter", reason="tree-sitter is not installed")

CALM = Failing()
CRASH = Failing((("TypeError", "Cannot read properties of undefined (reading 'x')"),), ("''", "42"))


def proposed(text: str, failing: Failing = CALM, path: str = "a.js") -> dict[str, float]:
    """Every text that one edit makes of a program, with the best weight it has."""
    source = Source(path, text.encode())
    found: dict[str, float] = {}
    for node in source.nodes:
        for edit in edits_at(Site(source, node, failing)):
            made = edit.applied(source.data).decode()
            found[made] = max(found.get(made, 0.0), edit.weight)
    return found


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("f(7);", "f(8);"),
        ("x = a[i];", "x = a[i - 1];"),
        ("x = n - 1;", "x = n;"),
        ("if (a < b) c();", "if (a <= b) c();"),
        ("if (a == b) c();", "if (a === b) c();"),
        ("x = a || b;", "x = a ?? b;"),
        ("x = a && b;", "x = a || b;"),
        ("x = a + b;", "x = a - b;"),
        ("x = a - b;", "x = b - a;"),
        ("x = a - b - c;", "x = a - (b - c);"),
        ("if (a) b();", "if (!a) b();"),
        ("if (!a) b();", "if (a) b();"),
        ("x = c ? 1 : 2;", "x = c ? 2 : 1;"),
        ("if (c) { a(); } else { b(); }", "if (c) { b(); } else { a(); }"),
        ("function f(a, b) { return a; }", "function f(a, b) { return b; }"),
        ("function f(a, b) { g(a, b); }", "function f(a, b) { g(b, a); }"),
        ("x = Math.floor(y);", "x = Math.ceil(y);"),
        ("x = a.some(f);", "x = a.every(f);"),
        ("x = s.slice(1);", "x = s.slice(1, -1);"),
        ("x = s.slice(a, b);", "x = s.slice(a, b + 1);"),
        ("x = a.b.c;", "x = a.b?.c;"),
        ("x = a[b];", "x = a?.[b];"),
        ("async function f() { const x = g(); }", "async function f() { const x = await g(); }"),
        ("async function f() { return g().x; }", "async function f() { return (await g()).x; }"),
        ("function f(a) { a + 1; }", "function f(a) { return a + 1; }"),
        ("l.forEach(function (x) { this.n += x; });", "l.forEach((x) => { this.n += x; });"),
        ("x = [1].sort();", "x = [1].sort((a, b) => a - b);"),
        ("x = l.sort(f);", "x = [...l].sort(f);"),
        ("x = parseInt(s);", "x = parseInt(s, 10);"),
        ("x = a + b;", "x = a + Number(b);"),
        ("x = Object.assign(a, b);", "x = Object.assign({}, a, b);"),
        ("function f(a) {}", "function f(a = {}) {}"),
        ("x = l.reduce(f);", "x = l.reduce(f, 0);"),
        (
            "switch (x) { case 1:\n  a();\ncase 2:\n  b(); }",
            "switch (x) { case 1:\n  a();\n  break;\ncase 2:\n  b(); }",
        ),
        ("while (x) { break; }", "while (x) { continue; }"),
        ("a();\nb();", "b();\na();"),
        ("a();\nb();", "a();"),
        ("function f(a) { return true; }", "function f(a) { return false; }"),
    ],
)
def test_the_repair_is_among_what_is_proposed(before, after):
    assert after in proposed(before)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("function f(a) { return a.x; }", "function f(a) { return a?.x; }"),
        ("function f(a) { return a.x; }", "function f(a) { return a?.x ?? ''; }"),
        ("function f(a) { return a.x; }", "function f(a) { if (!a) return 42;\nreturn a.x; }"),
        ("function f(a) { return a.x; }", "function f(a) { return (a ?? {}).x; }"),
        ("for (const x of a) b(x);", "for (const x of a ?? []) b(x);"),
        ("function f(a) { const { x } = a; }", "function f(a) { if (!a) return;\nconst { x } = a; }"),
        ("function f(a) { a.b(); }", "function f(a) { if (a) a.b(); }"),
    ],
)
def test_crashes_on_undefined_get_guards_first(before, after):
    calm = proposed(before).get(after, 0.0)
    assert proposed(before, CRASH)[after] > calm


def test_typescript_is_edited_in_place():
    before = "export function f(a: number, b?: string): number { return a! - 1; }"
    assert "export function f(a: number, b?: string): number { return a!; }" in proposed(before, path="a.ts")


def test_comments_and_formatting_stay():
    before = "// why\nconst x =   a <b; // odd\r\n"
    assert "// why\nconst x =   a <=b; // odd\r\n" in proposed(before)


def test_only_what_parses_is_ranked_and_each_text_once():
    source = Source(
        "a.js",
        b"function f(a, b) {\n  return a.x < b ? a : [b, 1].sort();\n}\nclass A { #n = 1; m() { this.#n++; } }\n",
    )
    ranked = rank({"a.js": source}, Spectrum(), {}, CRASH, edits_at, 5000)
    texts = [c.edit.applied(source.data) for c in ranked]
    assert len(texts) > 100 and all(parses("a.js", text) for text in texts)
    assert len({(c.edit.start, c.edit.end, c.edit.text) for c in ranked}) == len(ranked)
    assert [c.score for c in ranked] == sorted((c.score for c in ranked), reverse=True)


def test_letters_outside_ascii_move_no_edit():
    text = "const größe = '😀'; const y = größe.length - 1;"
    source = Source("a.js", text.encode())
    at = text.encode().index(b"- 1")
    assert source.unit(at) == len(text[: text.index("- 1")].encode("utf-16-le")) // 2
    assert "const größe = '😀'; const y = größe.length;" in proposed(text)


def test_repositories_without_scripts_load_no_parser():
    code = (
        "import sys; from nightshift.fixers.all_fixers import create; from nightshift.daemon.model import Case, Reproduction\n"
        "fixer = create(['javascript'])[0]\n"
        "case = Case(id='c', repo='/nowhere', base='0', reproduction=Reproduction(kind='check', command='python -m pytest'))\n"
        "assert list(fixer.draft(case, None, None, print)) == []\n"
        "assert not [m for m in sys.modules if m.startswith('tree_sitter')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
