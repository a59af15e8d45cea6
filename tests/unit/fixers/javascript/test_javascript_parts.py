"""Types erased, places found, files told apart."""

from __future__ import annotations

import pytest

from nightshift.daemon.model import Frame
from nightshift.fixers.javascript.erase import erased
from nightshift.fixers.javascript.grammar import Source, parses
from nightshift.fixers.javascript.ranking import crash_lines, spectrum
from nightshift.fixers.javascript.repository import built_from, editable, expected_literals, is_test

pytest.importorskip("tree_sitter", reason="tree-sitter is not installed")

TYPED = """import type { A } from './a.js';
import { B, type C, D } from './b.js';
interface E { x: number }
export type F = A | B;
declare const g: number;
export abstract class H<T extends E = E> extends D implements E {
  private readonly x: number = 1;
  static y?: string;
  z!: T;
  get total(): number { return this.x! as number; }
  abstract later(): void;
  async load<K>(this: H<T>, k?: K, ...rest: Array<C>): Promise<Map<string, K>> {
    const m = new Map<string, K>() satisfies object;
    for (const [a, b] of [] as [string, K][]) m.set(a, <any>b);
    return m;
  }
}
"""


def test_types_become_blanks_of_the_same_length():
    text = TYPED.replace("<any>b", "b as K").replace("  abstract later(): void;\n", "")
    made = erased(Source("a.ts", text.encode()))
    assert made is not None
    assert len(made) == len(text) and made.count("\n") == text.count("\n")
    assert parses("a.js", made.encode()), made
    flat = " ".join(made.split())
    assert "class H extends D" in flat.replace("  ", " ") and "import { D } from './b.js'" in flat
    assert "interface" not in made and "readonly" not in made and "Promise" not in made


@pytest.mark.parametrize(
    "text",
    ["enum A { B }", "namespace A { export const b = 1; }", "class A { constructor(private b: number) {} }",
     "@d class A {}", "import a = require('a');", "const a = <number>b;"],
)  # fmt: skip
def test_what_runs_can_not_be_erased(text):
    assert erased(Source("a.ts", text.encode())) is None


def test_characters_of_two_units_keep_their_length():
    text = "const a: '😀' = '😀' as const; b();"
    made = erased(Source("a.ts", text.encode()))
    assert len(made.encode("utf-16-le")) == len(text.encode("utf-16-le")) and made.endswith("b();")


def test_what_only_failing_tests_run_is_most_suspicious():
    tests = [
        {"error": {"name": "E"}, "covered": {"a.js": [0, 10, 20, 30]}},
        {"error": None, "covered": {"a.js": [0, 15]}},
        {"error": None, "covered": {"a.js": [0, 10, 5, 12]}},
    ]
    found = spectrum(tests)
    assert found.at("a.js", 25) == 1.0 > found.at("a.js", 3) > found.at("a.js", 12) == 0.0 == found.at("b.js", 0)


def test_lines_of_stacks_weigh_by_depth():
    stack = (
        "TypeError: x\n    at total (/sandbox/src/cart.js:7:31)\n    at file:///sandbox/src/web.js:2:1\n"
        "    at Module._compile (node:internal/modules:1:1)\n    at f (/sandbox/dist/b.js:3:3)"
    )
    frames = [Frame(path="src/old.js", line=9, function="f")]
    known = ["src/cart.js", "src/web.js", "src/b.ts", "src/old.js"]
    found = crash_lines([stack], frames, "/sandbox", known, {"dist/b.js": "src/b.ts"})
    assert list(found) == [("src/cart.js", 7), ("src/web.js", 2), ("src/b.ts", 3), ("src/old.js", 9)]
    assert found["src/cart.js", 7] == found["src/old.js", 9] > found["src/web.js", 2] > found["src/b.ts", 3]


@pytest.mark.parametrize("path", ["src/a.js", "lib/b.mts", "index.jsx", "latest.js", "src/testing-tools.js"])
def test_product_code_may_be_edited(path):
    assert editable(path)


@pytest.mark.parametrize(
    "path",
    ["test/a.js", "src/a.test.ts", "a.spec.js", "__tests__/a.js", "node_modules/x/a.js", "dist/a.js", "jest.config.js",
     ".eslintrc.js", "a.min.js", "a.d.ts", "a.py", "package.json", "test.js"],
)  # fmt: skip
def test_tests_and_what_is_built_may_not(path):
    assert not editable(path)
    assert is_test("test/a.js") and not is_test("src/a.js")


def test_built_files_are_led_back_to_their_sources():
    config = b'{ // comment\n "compilerOptions": { "outDir": "./dist", "rootDir": "src", }, /* x */ }'
    found = built_from({"tsconfig.json": config}, ["src/a.ts", "src/b/c.mts", "other/d.ts", "src/e.js"])
    assert found == {"dist/a.js": "src/a.ts", "dist/b/c.mjs": "src/b/c.mts"}
    assert built_from({"tsconfig.json": b"{"}, ["src/a.ts"]) == {} == built_from({"tsconfig.json": b"[]"}, ["src/a.ts"])


def test_what_a_test_compares_with_is_known():
    text = b"test('a', () => { assert.equal(f(1), 'x'); });\ntest('b', () => expect(g()).toBe(7));\n"
    source = Source("t.test.js", text)
    assert expected_literals([source], ["a"]) == ("'x'",) and expected_literals([source], ["b"]) == ("7",)
