"""What users look for in logs: patterns that can't hang, thresholds that count each line once."""

import re
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from nightshift.daemon.kit.clock import ManualClock
from nightshift.daemon.model import Severity
from nightshift.monitors.logs.group import Grouper
from nightshift.monitors.logs.rules import Rule, Rules, checked, literal, template
from nightshift.monitors.logs.scan import Prefilter, Scanner
from nightshift.monitors.logs.settings import Settings

WARNING = b"2026-01-01T00:00:00Z WARNING pool %d of worker-%d is nearly full\n"


def read(rules, *parts, clock=None, seen=0, advance_s=0.0):
    clock = clock or ManualClock()
    grouper = Grouper(service="shop", source="logs:x", identity="i", clock=clock, labels={"log": "x"})
    scanner = Scanner(grouper, Prefilter(rules=Rules(rules, clock)), position=0, line_bytes=4096, seen=seen)
    for part in parts:
        buffer = bytearray(scanner.carry + part)
        scanner.scan(buffer, len(buffer))
        clock.advance(advance_s)
    scanner.finish_line()
    scanner.settle()
    return grouper.out


def test_one_match_is_one_signal():
    (signal,) = read([Rule(regex=r"pool \d+ .* full", severity=Severity.CRITICAL)], b"INFO fine\n", WARNING % (3, 7))
    assert (signal.kind, signal.severity, signal.service, signal.count) == ("pattern", Severity.CRITICAL, "shop", 1)
    assert signal.key.startswith("i:10:rule:") and "nearly full" in signal.sample and signal.labels["log"] == "x"
    assert signal.title == "WARNING pool * of * is nearly full"


def test_a_threshold_counts_within_its_window_and_then_holds_its_tongue():
    rule = Rule(regex="WARNING", count=20, within_s=300, title="pools are full", service="pools")
    lines = [(b"WARNING pool %d\n" % n) for n in range(75)]
    first, second = read([rule], *lines, advance_s=10)
    assert (first.title, first.count, first.service) == ("pools are full (20 times)", 20, "pools")
    assert second.count == 20 + 29
    assert read([rule], *lines, advance_s=16) == []


def test_templates_are_counted_apart():
    rule = Rule(regex="WARNING", count=3, by_template=True)
    lines = [WARNING % (n, n) for n in range(3)] + [b"WARNING disk /dev/sda%d slow\n" % n for n in range(2)]
    (signal,) = read([rule], *lines)
    assert (
        signal.labels["template"]
        == "WARNING pool * of * is nearly full"
        == template((WARNING % (9, 9)).decode().strip())
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([WARNING % (1, 2), b"INFO fine\n", b"panic: x\n", b"\n", b"WARNING cut"]), max_size=12),
       st.lists(st.integers(0, 900), max_size=6))  # fmt: skip
def test_each_line_counts_once_however_it_arrives(lines, cuts):
    data = b"".join(lines)
    edges = [0, *sorted({c % (len(data) + 1) for c in cuts}), len(data)]
    found = read([Rule(regex="WARNING")], *(data[a:b] for a, b in pairwise(edges)))
    expected = sum(b"WARNING" in line for line in data.split(b"\n"))
    assert sum(s.count for s in found if s.kind == "pattern") <= expected
    every = read([Rule(regex="WARNING", count=1, within_s=1e-9)], *(data[a:b] for a, b in pairwise(edges)), advance_s=1)
    assert len({s.key for s in every if s.kind == "pattern"}) <= expected


def test_what_was_read_before_a_nap_is_not_counted_again():
    assert read([Rule(regex="WARNING")], WARNING % (1, 1), seen=len(WARNING % (1, 1))) == []


def test_wrapped_lines_are_matched_unwrapped():
    cri = b"2026-01-01T00:00:00.1Z stdout F ^disk full\n2026-01-01T00:00:00.1Z stdout F fine\n"
    docker = b'{"log":"say \\"disk\\" full\\n","stream":"stdout","time":"2026-01-01T00:00:00Z"}\n'
    assert len(read([Rule(regex=r"^\^disk")], cri)) == 1
    assert len(read([Rule(regex=r'^say "disk"')], docker)) == 1


def test_rules_without_a_literal_see_every_line():
    assert literal(r"\d+ms") == b"" and len(read([Rule(regex=r"\b\d+ms\b")], b"took 12ms\n", b"took 1s\n")) == 1


@pytest.mark.parametrize(
    ("regex", "found"),
    [("disk full", b"disk full"), (r"disk (\w+) is nearly full", b" is nearly full"), ("(?i)disk", b""), ("a|bcd", b""),
     (r"^(pay)ment\b", b"payment"), ("x?yes", b"yes"), ("(?:ab)?c", b""), (r"\d\d", b"")],
)  # fmt: skip
def test_the_text_every_match_contains(regex, found):
    assert literal(regex) == found


@pytest.mark.parametrize(
    "regex",
    ["(a+)+$", "(a*)*b", "(a|a)*b", "(a|ab)+c",
     r"(\w+\s?)+x", r".*.*.*x", r"(x+x+)+y", "(", "a{2,1}", r"(a)\1", "a(?=b)", "",
     "a*", "x" * 501, r"(?:\d{1,99})+:", r"(.{0,9}a){9,99}z", "(?x) a", "(?P<n>a)(?P=n)"],
)  # fmt: skip
def test_patterns_that_are_wrong_or_could_hang_are_refused(regex):
    with pytest.raises(ValueError):
        checked(regex)
    with pytest.raises(ValidationError):
        Settings.model_validate({"rules": [{"regex": regex}]})


@pytest.mark.parametrize(
    "regex",
    [r"took (\d+)ms", r'user="([^"]*)" path=(\S+) ', r"(?i)\b(timeout|timed out)\b", r"^\S+ \S+ WARN",
     r"(?:GET|POST) /\S* 5\d\d",
     r"a.*b.*c", r"(\d{1,3}\.){3}\d{1,3}"],
)  # fmt: skip
def test_ordinary_patterns_are_taken(regex):
    assert checked(regex).pattern == regex.encode()


@settings(max_examples=300, deadline=2000)
@given(
    st.text(alphabet="ab.*+?()[]|{}19,\\wds^$ -", min_size=1, max_size=14),
    st.sampled_from(["a", "ab", "1", "a1 ", " "]),
)
@example("a.*b.*c", "ab")
def test_no_accepted_pattern_takes_long_on_a_hostile_line(regex, piece):
    try:
        pattern = checked(regex)
    except (ValueError, FutureWarning):
        return
    line = (piece * 1000)[:1000].encode()
    pattern.search(line + b"!")
    assert re.compile(regex) is not None


def test_settings_carry_rules():
    made = Settings.model_validate({"rules": [{"regex": "WARNING", "count": 20, "within_s": 300, "by": "template"}]})
    assert made.rules[0].severity == "warning"
