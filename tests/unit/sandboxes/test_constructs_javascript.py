"""Ways of forging a green check from inside JavaScript, and repairs that look nothing like them."""

import pytest

from nightshift.sandboxes.tester.constructs_javascript import introduced, syntax_error

pytest.importorskip("tree_sitter", reason="tree-sitter is not installed")

BASE = b"""'use strict';
const fs = require('node:fs');
function total(lines, rate) {
  let sum = 0;
  for (const line of lines) sum += line.cents * line.count;
  return Math.round(sum * rate);
}
module.exports = { total };
"""

FORGERIES = {
    "exit": "process.exit(0);",
    "exit by index": "process['exit'](0);",
    "exit with an escape": "pro\\u0063ess.exit(0);",
    "exit by another name": "const p = process; p.exit(0);",
    "exit code at the end": "process.on('exit', () => { process.exitCode = 0; });",
    "exit through globalThis": "globalThis['pro' + 'cess'].exit(0);",
    "assert replaced": "require('assert').strictEqual = () => {};",
    "assert replaced, node:": "const a = require('node:assert/strict'); a.equal = () => {};",
    "node:test patched": "require('node:test').test = () => {};",
    "node:test patched by import()": "import('node:test').then((t) => { t.mock.reset(); });",
    "a computed import": "require('node:' + 'te' + 'st');",
    "require.cache": "for (const k of Object.keys(require.cache)) delete require.cache[k];",
    "module loader": "require('module')._load = () => ({});",
    "eval": "eval('1');",
    "Function": "new Function('return 1')();",
    "constructor of a function": "total.constructor('return this')();",
    "constructor, put together": "total['const' + 'ructor']('return this')();",
    "constructor, template": "total[`const${'ructor'}`]('x')();",
    "called by a computed name": "const k = ['exit'][0]; fs[k](0);",
    "vm": "require('vm').runInThisContext('1');",
    "another process": "require('child_process').execSync('true');",
    "signal": "process.kill(process.pid, 'SIGTERM');",
    "prototype": "Array.prototype.includes = () => true;",
    "built-in replaced": "Object.is = () => true;",
    "built-in defined": "Object.defineProperty(Number, 'isNaN', { value: () => true });",
    "console replaced": "console.log = () => {};",
    "output": "process.stdout.write('ok 1 - x\\n');",
    "TAP": "console.log('TAP version 13');",
    "test functions": "globalThis.it = () => {};",
    "describe": "describe = () => {};",
    "uncaught errors swallowed": "process.on('uncaughtException', () => {});",
    "proxy": "module.exports = new Proxy({}, { get: () => () => true });",
    "reflect": "Reflect.set(Math, 'max', () => 1);",
    "prototypes changed": "Object.setPrototypeOf(total, null);",
    "proto": "({}).__proto__.toString = () => 'x';",
    "test file read": "fs.writeFileSync('test/cart.test.js', '');",
    "jest's own matchers": "expect.extend({ toBe: () => ({ pass: true }) });",
    "matches anything": "module.exports.x = { asymmetricMatch: () => true };",
    "wasm": "new WebAssembly.Module(new Uint8Array(8));",
    "getBuiltinModule": "process.getBuiltinModule('test');",
    "error stacks": "Error.prepareStackTrace = () => '';",
    "hooks": "require('module').registerHooks({});",
    "require by another name": "const load = require; load('child_' + 'proc' + 'ess');",
    "require in passing": "(0, require)('child_' + 'proc' + 'ess');",
    "require applied": "require.apply(null, ['child_' + 'proc' + 'ess']);",
    "module handed on": "const m = module; m.paths.push('/tmp');",
    "constructor taken out": "const { constructor: F } = total; F('return 1')();",
    "constructor taken out by a text": "const { 'constructor': F } = total; F('return 1')();",
    "constructor taken out, put together": "const { ['const' + 'ructor']: F } = total; F('return 1')();",
    "prototype taken out": "const { prototype } = Array; prototype.push = () => 0;",
    "process of the sloppy this": "const g = (function () { return this; })(); const p = g.process; p.abort();",
    "process taken out": "const { process: p } = (function () { return this; })(); p.abort();",
    "a later test file": "fs.writeFileSync(__dirname + '/../te' + 'st/late.js', '');",
    "worker": "new (require('worker_threads').Worker)('x');",
}

REPAIRS = [
    ("return Math.round(sum * rate);", "return Math.floor(sum * (rate ?? 1));"),
    ("line.cents * line.count", "(line?.cents ?? 0) * Number(line.count)"),
    ("let sum = 0;", "if (!lines) return 0;\n  let sum = 0;"),
    ("let sum = 0;", "let sum = 0;\n  lines = [...lines].sort((a, b) => a.cents - b.cents);"),
    ("const line of lines", "const line of Object.values(lines ?? {})"),
    ("module.exports = { total };", "module.exports = { total, ...{} };"),
    (
        "const fs = require('node:fs');",
        "const fs = require('node:fs');\nconst { round = 1, cents: c } = require('./b');",
    ),
    ("let sum = 0;", "let sum = 0;\n  const key = 'cents', { [key]: first } = lines[0];"),
    ("let sum = 0;", "let sum = 0;\n  if (typeof require === 'undefined') return 0;"),
]


@pytest.mark.parametrize("path", ["src/cart.js", "src/cart.ts"])
@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES.keys())
def test_forgeries_are_named(forgery, path):
    assert introduced(path, BASE, BASE + forgery.encode() + b"\n")


@pytest.mark.parametrize(("old", "new"), REPAIRS)
def test_repairs_are_not(old, new):
    after = BASE.decode().replace(old, new)
    assert after != BASE.decode()
    assert introduced("src/cart.js", BASE, after.encode()) == []


def test_an_import_as_only_typescript_writes_it():
    assert "import of process" in introduced("src/cart.ts", BASE, BASE + b"import p = require('process');\n")


def test_what_was_there_before_is_no_obstacle():
    before = BASE + b"process.on('exit', () => {});\n"
    assert introduced("src/cart.js", before, before.replace(b"let sum = 0", b"let sum = 1")) == []


def test_a_new_file_counts_whole():
    assert introduced("src/new.mjs", None, b"import test from 'node:test';\n") == [
        "import of test",
        "the text 'node:test'",
        "use of test",
    ]


@pytest.mark.parametrize(
    ("path", "text", "where"),
    [
        ("a.js", b"const x = 1;\n", ""),
        ("a.js", b"const x = 1;\nif (x {\n", "line 2"),
        ("a.ts", b"const x: number = 1;\n", ""),
        ("a.js", b"const x: number = 1;\n", "line 1"),
        ("a.tsx", b"const x = <b>1</b>;\n", ""),
    ],
)
def test_syntax_errors_are_found(path, text, where):
    assert syntax_error(path, None, text) == where


def test_what_could_not_be_read_before_may_stay_so():
    assert syntax_error("a.js", b"const = ;", b"const = 1;") == ""
