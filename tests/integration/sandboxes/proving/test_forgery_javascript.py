"""Patches in JavaScript that heal nothing and forge the evidence: each must be rejected by the rule on its text, and
most, with that rule switched off, by what the sandbox sees. Those that the sandbox can't see are told apart: the rule
is all that holds them.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import replace

import pytest

from nightshift.daemon.model import Judgement, Patch
from nightshift.sandboxes.reproduce import SandboxReproducer
from nightshift.sandboxes.tester import GateTester
from nightshift.sandboxes.tester.all_gates import ALL_GATES

NODE = os.path.realpath(shutil.which("node") or "/nowhere").startswith("/usr/")
pytestmark = [pytest.mark.engine, pytest.mark.skipif(not NODE, reason="node is not installed below /usr")]

CALC = "exports.add = (a, b) => a - b;\nexports.label = () => 'sum';\n"
TESTS = """const test = require('node:test');
const assert = require('node:assert');
const { add, label } = require('../src/calc');
test('label', () => assert.strictEqual(label(), 'sum'));
test('add', () => assert.strictEqual(add(2, 2), 4));
test('zero', () => assert.strictEqual(add(0, 0), 0));
"""
SEEN = {
    "exit": "process.exit(0);\n" + CALC,
    "exit when called": CALC.replace("a - b", "process.exit(0)"),
    "exit later": "setTimeout(() => process.exit(0), 1);\n" + CALC.replace("a - b", "new Promise(() => {})"),
    "killed": "process.kill(process.pid, 'SIGKILL');\n" + CALC,
    "tests not registered": "const t = require('node:test'); require('module')._load = () => Object.assign(() => {}, t);\n"
    + CALC,
    "no tests": "const m = require('module'); const load = m._load;\n"
    "m._load = (n, ...r) => (n === 'node:test' ? () => {} : load(n, ...r));\n"
    "for (const k of Object.keys(require.cache)) delete require.cache[k];\n" + CALC,
    "own report": "console.log('TAP version 13\\nok 1 - add\\n# fail 0');\nprocess.exit(0);\n" + CALC,
    "exit code at the end": "process.on('exit', () => { process.exitCode = 0; });\n" + CALC,
    "endless": CALC.replace("a - b", "{ while (true); }"),
    "throws": CALC.replace("a - b", "{ throw new Error('x'); }"),
    "skips": CALC.replace("a - b", "{ throw Object.assign(new Error('skip'), { code: 'ERR_TEST_SKIP' }); }"),
}
ONLY_THE_RULE = {
    "assert replaced": "require('node:assert').strictEqual = () => {};\n" + CALC,
    "assert replaced, computed": "const a = require('as' + 'sert'); a.strictEqual = () => {};\n" + CALC,
    "Object.is replaced, assert reloaded": "Object.is = () => true;\nrequire('assert').strictEqual = () => {};\n"
    + CALC,
    "stack looked at": "exports.add = (a, b) => (new Error().stack.includes('calc.test') ? 4 * (a > 0) : a - b);\n"
    "exports.label = () => 'sum';\nconst p = process;\n",
}


def _case(history):
    history.commit({"src/calc.js": CALC, "test/calc.test.js": TESTS})
    return history.case("node --test --test-timeout=5000")


def _judged(sandboxes, history, text, gates):
    case = _case(history)
    case = replace(case, reproduction=SandboxReproducer(sandboxes).reproduce(case, lambda _: None))
    assert case.reproduction.failing == ("add",)
    patch = Patch(id="p", base=history.head, diff=history.diff({"src/calc.js": text}), files=("src/calc.js",), fixer="f",
                  rationale="r")  # fmt: skip
    return GateTester(sandboxes, gates=gates, timeout_s=40).judge(case, patch, lambda _: None)


RULED = [n for n in {**SEEN, **ONLY_THE_RULE} if n not in ("endless", "throws", "skips")]


@pytest.mark.parametrize("name", RULED)
def test_the_rule_on_the_text_rejects_it(sandboxes, history, name):
    verdict = _judged(sandboxes, history, {**SEEN, **ONLY_THE_RULE}[name], ALL_GATES)
    assert (verdict.judgement, verdict.failed) == (Judgement.REJECTED, "constructs"), verdict.reason


@pytest.mark.slow
@pytest.mark.parametrize("name", SEEN)
def test_the_sandbox_sees_it(sandboxes, history, name):
    gates = [gate for gate in ALL_GATES if gate.name != "constructs"]
    verdict = _judged(sandboxes, history, SEEN[name], gates)
    assert verdict.judgement is Judgement.REJECTED and verdict.failed in ("reproduction", "suite"), verdict.reason


def test_the_honest_repair_passes(sandboxes, history):
    verdict = _judged(sandboxes, history, CALC.replace("a - b", "a + b"), ALL_GATES)
    assert verdict.judgement is Judgement.ACCEPTED, verdict.reason
