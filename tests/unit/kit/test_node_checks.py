"""Which runner a check of a JavaScript repository ends in, and which files it runs."""

import pytest

from nightshift.daemon.kit.node_checks import files_of, parse_node, scripts_of

SCRIPTS = {"test": "npm run build && node --test", "build": "tsc -p .", "unit": "jest --ci", "loop": "npm run loop"}
TREE = ["src/a.js", "src/a.test.js", "test/b.mjs", "test/deep/c.cjs", "tests/d.js", "lib/e-test.js", "README.md",
        "node_modules/x/test.js", "test.js", "src/latest.js"]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "runner", "build", "words"),
    [
        ("node --test", "node-test", "", ()),
        ("node --test test/", "node-test", "", ("test/",)),
        ("CI=1 node --test --test-reporter spec a.js", "node-test", "", ("a.js",)),
        ("npm test", "node-test", "tsc -p .", ()),
        ("npm run unit", "jest", "", ()),
        ("npx vitest run src", "vitest", "", ("run", "src")),
        ("./node_modules/.bin/mocha", "mocha", "", ()),
        ("node node_modules/jest/bin/jest.js x", "jest", "", ("x",)),
        ("node check.js", "node", "", ("check.js",)),
        ("tsc && node --test dist", "node-test", "tsc", ("dist",)),
    ],
)
def test_runners_are_told(command, runner, build, words):
    check = parse_node(command, SCRIPTS)
    assert (check.runner, check.build, check.words) == (runner, build, words)


@pytest.mark.parametrize(
    "command",
    [
        "",
        "python -m pytest",
        "node",
        "node -e 1",
        "npm test | tee log",
        "make test",
        "npm run loop",
        "node 'x",
        "node --test; true",
    ],
)
def test_anything_else_is_none(command):
    assert parse_node(command, SCRIPTS) is None


def test_files_are_found_as_node_finds_them():
    found = files_of(parse_node("node --test"), TREE)
    assert found == ["lib/e-test.js", "src/a.test.js", "test.js", "test/b.mjs", "test/deep/c.cjs"]
    assert files_of(parse_node("node --test test/b.mjs"), TREE) == ["test/b.mjs"]
    assert files_of(parse_node("node --test 'src/*.test.js'"), TREE) == ["src/a.test.js"]
    assert files_of(parse_node("node test.js"), TREE) == ["test.js"]


def test_other_runners_look_elsewhere():
    tree = ["src/a.test.ts", "src/__tests__/b.js", "src/c.spec.mjs", "test/d.js", "test/deep/e.js", "src/f.js"]
    assert files_of(parse_node("jest"), tree) == ["src/__tests__/b.js", "src/a.test.ts", "src/c.spec.mjs"]
    assert files_of(parse_node("npx vitest run"), tree) == ["src/a.test.ts", "src/c.spec.mjs"]
    assert files_of(parse_node("mocha"), tree) == ["test/d.js"]
    assert files_of(parse_node("mocha test/deep/e.js"), tree) == ["test/deep/e.js"]


@pytest.mark.parametrize("text", [None, b"", b"{", b"[]", b'{"scripts": 3}', b'{"scripts": {"a": 1}}'])
def test_a_broken_package_has_no_scripts(text):
    assert scripts_of(text) == {}
