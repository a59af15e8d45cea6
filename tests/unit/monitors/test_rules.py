"""Rule states: pending, firing, cleared, and what survives a restart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nightshift.daemon.model import Severity
from nightshift.monitors.rules import Rule, Sample, advance, dump_states, load_states

RULE = Rule(name="errors", expr="rate(errors[1m])", threshold=5, for_s=10, severity=Severity.CRITICAL)


def sample(value, **labels):
    return Sample(labels=labels or {"service": "shop"}, value=value)


def step(states, value, at_s, rule=RULE, **labels):
    return advance(rule, states, [sample(value, **labels)], at_s * 1000, "prometheus")


def test_fires_only_after_the_condition_held_for_long_enough():
    states, signals = step({}, 6, 100)
    assert signals == []
    states, signals = step(states, 6, 109)
    assert signals == []
    states, signals = step(states, 7, 110)
    [signal] = signals
    assert (signal.title, signal.service, signal.severity, signal.resolved) == ("errors", "shop", "critical", False)
    assert "7 where rate(errors[1m]) > 5 for 10 s" in signal.message
    assert step(states, 9, 120)[1] == [], "it is told once"


def test_a_gap_starts_the_wait_again():
    states, _ = step({}, 6, 100)
    states, signals = step(states, 1, 105)
    assert states == {} and signals == []
    states, signals = step(states, 6, 112)
    assert signals == []


def test_clears_with_the_start_of_the_firing_in_its_key():
    rule = RULE.model_copy(update={"for_s": 0})
    states, [fired] = step({}, 6, 100, rule)
    states, [cleared] = step(states, 1, 130, rule)
    assert cleared.resolved and cleared.title == fired.title and cleared.labels == fired.labels
    assert fired.key == cleared.key.replace("resolved", "firing")
    _, [again] = step(states, 6, 140, rule)
    assert again.key != fired.key


def test_an_absent_series_has_cleared():
    rule = RULE.model_copy(update={"for_s": 0})
    states, _ = step({}, 6, 100, rule)
    after, [signal] = advance(rule, states, [], 101_000, "prometheus")
    assert after == {} and signal.resolved


def test_a_pending_series_that_goes_away_says_nothing():
    states, _ = step({}, 6, 100)
    assert advance(RULE, states, [], 101_000, "prometheus") == ({}, [])


def test_each_series_is_judged_by_itself():
    rule = RULE.model_copy(update={"for_s": 0})
    samples = [sample(6, service="a"), sample(1, service="b"), sample(7, job="c"), sample(8, zone="z")]
    _, signals = advance(rule, {}, samples, 1000, "prometheus")
    assert [s.service for s in signals] == ["a", "c", "unknown"]
    assert len({s.key for s in signals}) == 3


def test_the_rule_names_the_service_before_any_label():
    rule = RULE.model_copy(update={"for_s": 0, "service": "pinned"})
    assert step({}, 6, 1, rule, service="other")[1][0].service == "pinned"


@pytest.mark.parametrize(
    ("op", "holds"),
    [(">", (0, 0, 1)), (">=", (0, 1, 1)), ("<", (1, 0, 0)), ("<=", (1, 1, 0)), ("==", (0, 1, 0)), ("!=", (1, 0, 1))],
)
def test_operators(op, holds):
    rule = Rule(name="r", expr="x", op=op, threshold=5)
    assert tuple(rule.holds(v) for v in (4, 5, 6)) == tuple(map(bool, holds))
    assert not rule.holds(float("nan")), "NaN is no data"


@pytest.mark.parametrize("wrong", [{"op": "~"}, {"for_s": -1}, {"name": ""}, {"expr": ""}, {"nonsense": 1}])
def test_bad_rules_are_refused(wrong):
    with pytest.raises(ValidationError):
        Rule.model_validate({"name": "r", "expr": "x", "threshold": 1, **wrong})


def test_states_survive_a_checkpoint():
    states, _ = step({}, 6, 100, service="shop", path='with "quotes" 中文')
    restored = load_states(dump_states(states))
    assert restored == states
    _, [signal] = step(restored, 6, 110, service="shop", path='with "quotes" 中文')
    assert not signal.resolved


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"a": 1}', '{"a": []}', '{"a": [1, 2, 3]}', "null"])
def test_an_unreadable_checkpoint_counts_as_none(text):
    assert load_states(text) == {}


@given(st.lists(st.tuples(st.integers(0, 20), st.floats(0, 10)), max_size=30))
def test_firing_and_clearing_alternate_whatever_the_values(steps):
    now_s, states, told = 0, {}, []
    for wait_s, value in steps:
        now_s += wait_s
        states, signals = step(load_states(dump_states(states)), value, now_s)
        told += [s.resolved for s in signals]
    assert told == [bool(i % 2) for i in range(len(told))]
