"""Bugs in JavaScript and TypeScript, found and mended by really running the repository's own tests."""

from __future__ import annotations

import shutil

import pytest

from nightshift.fixers.javascript.fixer import JavaScriptFixer, Settings
from nightshift.fixers.javascript.session import _why
from nightshift.fixers.testing import keeps_contract

CART = """'use strict';
// A line's discount is optional.
function total(lines) {
  let sum = 0;
  for (const line of lines) {
    const off = line.discount.percent;
    sum += line.cents * (100 - off) / 100;
  }
  return sum;
}
module.exports = { total };
"""
CART_TEST = """const test = require('node:test');
const assert = require('node:assert');
const { total } = require('../src/cart.js');
test('discount', () => assert.strictEqual(total([{ cents: 1000, discount: { percent: 10 } }]), 900));
test('no discount', () => assert.strictEqual(total([{ cents: 250 }]), 250));
"""
MODULE = "export function count(n) {\n  let i = 0;\n  while (i < n) {\n    i + 1;\n  }\n  return i;\n}\n"
MODULE_TEST = """import test from 'node:test';
import assert from 'node:assert/strict';
import { count } from '../src/count.mjs';
test('none', () => assert.equal(count(0), 0));
test('some', () => assert.equal(count(3), 3));
"""
TYPED = """export interface Line { cents: number; count: number }
export const total = (lines: readonly Line[]): number => lines.reduce<number>((sum, l) => sum + l.cents + l.count, 0);
"""
TYPED_TEST = """import test from 'node:test';
import assert from 'node:assert/strict';
import { total } from '../dist/cart.js';
test('none', () => assert.equal(total([]), 0));
test('total', () => assert.equal(total([{ cents: 5, count: 3 }]), 15));
"""
TSCONFIG = '{ "compilerOptions": { "target": "ES2022", "module": "NodeNext", "outDir": "dist", "rootDir": "src", "types": [] } }'


def test_a_crash_on_undefined_gets_a_default(patient):
    made = patient({"src/cart.js": CART, "test/cart.test.js": CART_TEST})
    assert made.heal() == CART.replace("line.discount.percent", "line.discount?.percent ?? 0")
    assert any("1 failing of 2 tests" in note for note in made.notes)


def test_the_contract_of_fixers_is_kept(patient):
    case, bench = patient({"src/cart.js": CART, "test/cart.test.js": CART_TEST}).case("node --test")
    assert case.reproduction.failing == ("no discount",)
    assert keeps_contract(JavaScriptFixer(), case, bench, budget_s=60)


def test_a_test_that_never_ends_is_taken_for_failing(patient):
    made = patient({"src/count.mjs": MODULE, "test/count.test.mjs": MODULE_TEST})
    healed = made.heal("node --test --test-timeout=4000", settings=Settings(hang_s=1.5))
    assert healed == MODULE.replace("i + 1;", "i += 1;")
    assert any("1 failing of 2 tests" in note for note in made.notes)


def test_any_other_check_is_run_as_it_is(patient):
    script = "const { total } = require('./src/cart.js');\nif (total([{ cents: 5 }]) !== 5) process.exit(3);\n"
    made = patient({"src/cart.js": CART, "check.js": script})
    healed = made.heal("node check.js; test $? = 0", settings=Settings(commands=60))
    assert "line.discount?." in healed
    assert any("the whole check a time" in note for note in made.notes)


RUNNER = """const { expect } = { expect: (a) => ({ toBe: (b) => { if (!Object.is(a, b)) throw new Error(`${a} is not ${b}`); } }) };
const tests = [];
Object.assign(globalThis, { expect, describe: (_, body) => body(), it: (name, body) => tests.push([name, body]) });
require(process.cwd() + '/test/cart.test.js');
for (const [name, body] of tests) {
  try { body(); } catch (error) { console.log(name, error.stack); process.exitCode = 1; }
}
"""


@pytest.mark.parametrize("name", ["jest", "mocha"])
def test_tests_with_globals_are_tried_in_threads(patient, name):
    text = "const { total } = require('../src/cart.js');\ndescribe('cart', () => {\n"
    text += "  it('discount', () => expect(total([{ cents: 1000, discount: { percent: 10 } }])).toBe(900));\n"
    text += "  it('none', () => expect(total([{ cents: 250 }])).toBe(250));\n});\n"
    files = {"src/cart.js": CART, "test/cart.test.js": text, f"node_modules/{name}/bin/{name}.js": RUNNER}
    made = patient(files)
    healed = made.heal(f"node node_modules/{name}/bin/{name}.js")
    assert healed == CART.replace("line.discount.percent", "line.discount?.percent ?? 0")
    assert any("1 failing of 2 tests" in note for note in made.notes)


@pytest.mark.skipif(not shutil.which("tsc"), reason="the TypeScript compiler is not installed")
def test_typescript_is_mended_in_its_source(patient):
    files = {
        "package.json": '{ "type": "module" }',
        "tsconfig.json": TSCONFIG,
        "src/cart.ts": TYPED,
        "test/t.test.js": TYPED_TEST,
    }
    made = patient(files)
    assert made.heal("tsc -p . && node --test", budget_s=200) == TYPED.replace("l.cents + l.count", "l.cents * l.count")


def test_repositories_without_scripts_cost_nothing(patient):
    made = patient({"a.py": "x = 1\n", "check.sh": "exit 1\n"})
    assert made.heal("sh check.sh") == ""
    assert not any(note.startswith("javascript") for note in made.notes)


def test_a_sandbox_without_node_is_said_plainly():
    assert "no node in the sandbox" in _why(127, "exited", "sh: node: not found")
