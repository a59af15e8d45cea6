"""Reading what node's test runner says of single tests."""

import pytest

from nightshift.daemon.model import TestStatus
from nightshift.sandboxes.node_tests import read, reporting

# Recorded from node 20: a suite with a nested one, subtests, a skipped test, paths put inside a sandbox.
TAP = """> some build
TAP version 13
# Subtest: cart
    # Subtest: adds
    ok 1 - adds
      ---
      duration_ms: 0.5
      ...
    # Subtest: total
    not ok 2 - total
      ---
      duration_ms: 4.9
      location: '/sandbox/test/a.test.js:2:38'
      failureType: 'testCodeFailure'
      error: "Cannot read properties of null (reading 'x')"
      code: 'ERR_TEST_FAILURE'
      name: 'TypeError'
      stack: |-
        Cart.total (/sandbox/src/cart.js:12:60)
        TestContext.<anonymous> (/sandbox/test/a.test.js:2:60)
        Test.runInAsyncScope (node:async_hooks:206:9)
      ...
    # Subtest: later
    ok 3 - later # SKIP
      ---
      duration_ms: 0.08
      ...
    1..3
not ok 1 - cart
  ---
  type: 'suite'
  failureType: 'subtestsFailed'
  error: '1 subtest failed'
  ...
# ok 7 - what the program prints
# Subtest: again
    # Subtest: adds
    ok 1 - adds
      ---
      duration_ms: 0.1
      ...
    1..1
ok 2 - again
  ---
  duration_ms: 0.1
  ...
# Subtest: plain
ok 3 - plain
  ---
  duration_ms: 0.1
  ...
# Subtest: plain
ok 4 - plain
  ---
  duration_ms: 0.1
  ...
1..4
# tests 6
# suites 1
# pass 4
# fail 1
# cancelled 0
# skipped 1
# todo 0
# duration_ms 358.8
"""


def test_every_test_has_a_name_and_a_status():
    assert {name: point.status for name, point in read(TAP).items()} == {
        "cart > adds": TestStatus.PASSED, "cart > total": TestStatus.FAILED, "cart > later": TestStatus.SKIPPED,
        "again > adds": TestStatus.PASSED, "plain": TestStatus.PASSED, "plain #2": TestStatus.PASSED,
    }  # fmt: skip


def test_a_failure_says_what_and_where():
    point = read(TAP)["cart > total"]
    assert point.values["name"] == "TypeError" and "reading 'x'" in point.values["error"]
    assert point.frames == [("test/a.test.js", 2, "TestContext.<anonymous>"), ("src/cart.js", 12, "Cart.total")]


def test_a_file_that_does_not_load_hides_its_tests():
    assert read(TAP.replace("ok 3 - plain", "not ok 3 - /sandbox/test/b.test.js")) is None


@pytest.mark.parametrize("cut", [0, 40, 300, 900, TAP.index("# fail")])
def test_a_report_that_is_cut_is_none(cut):
    assert read(TAP[:cut]) is None


@pytest.mark.parametrize("text", ["", "ok 1 - x\n# fail 0\n", "TAP version 13\n" + "    ok 1 - x\n# fail 0\n"])
def test_what_is_no_report_is_none(text):
    assert read(text) is None


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("node --test", "node --test --test-reporter=tap"),
        (
            "tsc -p . && node --enable-source-maps --test dist/",
            "tsc -p . && node --enable-source-maps --test --test-reporter=tap dist/",
        ),
        ("node --test --test-timeout=3000", "node --test --test-reporter=tap --test-timeout=3000"),
        ("node --test --test-reporter=spec", "node --test --test-reporter=spec"),
        ("npm test", "npm test"),
        ("node test.js", "node test.js"),
        ("my-node --test", "my-node --test"),
    ],
)
def test_the_report_is_asked_for(command, line):
    assert reporting(command) == line


def test_a_trace_made_to_be_slow_is_read_at_once_and_gives_no_frames():
    hostile = [" " * 200_000 + "x", "/" * 200_000, "at " + "(/a:1" * 50_000, f"at x (/sandbox/a.js:{'9' * 5000}:1)"]
    trace = "\n".join(f"    {line}" for line in hostile)
    text = f"TAP version 13\nnot ok 1 - a\n  ---\n  stack: |-\n{trace}\n    at attach (/sandbox/a.js:3:1)\n  ...\n# fail 1\n"
    found = read(text)
    assert found is not None
    assert found["a"].frames == [("a.js", 3, "attach")]
