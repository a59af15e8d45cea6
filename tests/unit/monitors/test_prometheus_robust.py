"""The statistics of the detectors, against plain definitions and on noise."""

import contextlib
import math
import re
from dataclasses import replace
from importlib import import_module
from itertools import combinations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.daemon.model import Severity
from nightshift.monitors import prometheus
from nightshift.monitors.prometheus.client import Series
from nightshift.monitors.prometheus.detectors import DETECTORS, error_rate, latency, leak
from nightshift.monitors.prometheus.episodes import Finding, Manner, advance, dump_episodes, load_episodes
from nightshift.monitors.prometheus.robust import chance_of_at_least, median, quantile, spread, theil_sen
from nightshift.monitors.rules import Sample

NUMBERS = st.floats(min_value=-1e6, max_value=1e6)
MANNER = Manner(name="d", title="bad", severity=Severity.ERROR, for_s=60, clear_s=120, service_labels=("job",))


@given(st.lists(NUMBERS, min_size=1))
def test_the_median_has_as_many_on_either_side(values):
    middle = median(values)
    assert sum(v < middle for v in values) <= len(values) / 2 and sum(v > middle for v in values) <= len(values) / 2


@given(st.lists(NUMBERS, min_size=4, max_size=12))
def test_theil_sen_is_the_median_of_all_slopes(values):
    points = [(float(x), y) for x, y in enumerate(values)]
    slopes = [(b - a) / (x - w) for (w, a), (x, b) in combinations(points, 2)]
    trend = theil_sen(points)
    assert trend.slope == pytest.approx(median(slopes))
    assert min(slopes) <= trend.low <= trend.slope + 1e-9


def test_two_wild_points_of_thirty_change_little():
    points = [(x, 2.0 * x) for x in range(30)]
    points[7], points[20] = (7, 1e6), (20, -1e6)
    assert theil_sen(points).slope == pytest.approx(2.0, rel=0.05)
    assert spread([0.0] * 20 + [1e6]) == 0


def test_noise_has_no_trend_more_often_than_the_confidence_says():
    rng = Random(1)
    trends = [theil_sen([(x, rng.gauss(0, 1)) for x in range(12)]) for _ in range(2000)]
    assert sum(t.low > 0 for t in trends) / 2000 < 0.05


@given(st.integers(1, 60), st.floats(0.01, 0.9), st.integers(0, 60))
def test_the_chance_is_never_understated(trials, share, hits):
    hits = min(hits, trials)
    exact = sum(math.comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(hits, trials + 1))
    assert chance_of_at_least(hits, trials, share) >= exact - 1e-9


def test_quantiles():
    assert [quantile([3, 1, 2, 4], share) for share in (0, 0.25, 0.5, 1)] == [1, 1, 2, 4]
    for empty in (median, lambda values: quantile(values, 0.5)):
        with pytest.raises(ValueError, match="nothing"):
            empty([])


@pytest.mark.parametrize("points", [[], [(0, 1.0)], [(0, 1.0)] * 10])
def test_too_little_is_no_trend(points):
    assert theil_sen(points) is None


def test_stationary_error_rates_stay_silent():
    """A day of rounds over honest binomial noise, at rates from rare to constant."""
    rng, settings, alarms = Random(5), error_rate.Settings(), 0
    for share in (0.001, 0.01, 0.05, 0.3):
        minutes = [(60.0 * n, sum(rng.random() < share for _ in range(100))) for n in range(24 * 60)]
        for end in range(70, len(minutes), 5):
            part = minutes[end - 65 : end]
            total = Series(labels={}, points=[(at_s, 100.0) for at_s, _ in part])
            failed = Series(labels={}, points=[(at_s, float(hits)) for at_s, hits in part])
            alarms += error_rate._judged(settings, total, failed, part[-1][0]).bad
    assert alarms == 0


def test_stationary_latency_stays_silent():
    rng, settings, alarms = Random(6), latency.Settings(), 0
    values = [(60.0 * n, 0.2 * math.exp(rng.gauss(0, 0.25))) for n in range(3 * 24 * 60)]
    for end in range(130, len(values), 5):
        alarms += latency._judged(settings, Series(labels={}, points=values[end - 125 : end]), values[end - 1][0]).bad
    assert alarms == 0


def test_memory_without_a_trend_stays_silent():
    rng, settings, alarms = Random(7), leak.Settings(), 0
    for _ in range(300):
        level = rng.uniform(0.3, 0.9)
        points = [(150.0 * n, level + rng.gauss(0, 0.02)) for n in range(144)]
        alarms += leak.judged(settings, Series(labels={}, points=points), 1.0, points[-1][0]).bad
    assert alarms <= 3


@given(
    period=st.integers(4, 120), height=st.floats(0, 0.5), base=st.floats(0.05, 0.4), phase=st.integers(0, 120),
    restart=st.integers(0, 400),
)  # fmt: skip
def test_a_collectors_saw_on_level_ground_is_no_leak(period, height, base, phase, restart):
    """Six hours, a point every 150 s; a restart halves everything for some."""
    points = []
    for at_s in range(0, 21_600, 150):
        share = base + height * ((at_s / 60 + phase) % period) / period
        points.append((float(at_s), share * (2 if at_s / 60 < restart else 1)))
    found = leak.judged(leak.Settings(), Series(labels={}, points=points), 1.0, 21_600.0)
    assert not found.bad, found.why


@given(slope=st.floats(0.03, 0.1), height=st.floats(0, 0.15), period=st.integers(4, 60))
def test_a_leak_under_a_saw_is_seen_and_dated(slope, height, period):
    points = [(float(s), 0.2 + slope * s / 3600 + height * (s / 60 % period) / period) for s in range(0, 21_600, 150)]
    found = leak.judged(leak.Settings(), Series(labels={}, points=points), 1.0, 21_600.0)
    left_h = (0.8 - 6 * slope) / slope
    assert found.bad == (left_h <= 12) or abs(left_h - 12) < 1.5
    if found.bad:
        said = re.search(r"out of memory in ([\d.]+) (h|min)", found.why)
        assert float(said[1]) / (1 if said[2] == "h" else 60) == pytest.approx(left_h, abs=max(0.8, 0.2 * left_h))


def of_windows(rows):
    """Requests and failures in windows of five minutes, the last of them now."""
    total = Series(labels={}, points=[(300.0 * n, float(all_)) for n, (_, all_) in enumerate(rows)])
    return total, Series(labels={}, points=[(300.0 * n, float(hits)) for n, (hits, _) in enumerate(rows)])


def test_a_share_that_wanders_by_itself_must_do_more_than_wander():
    """A week in which the share of failures went up and down within the hour, as generated."""
    rough = [(252, 5464), (225, 5422), (129, 5094), (85, 5424), (108, 5870), (311, 5452), (104, 4920), (135, 5176),
             (78, 4768), (92, 5214), (168, 6162), (260, 6370)]  # fmt: skip
    assert not error_rate._judged(error_rate.Settings(), *of_windows([*rough, (581, 6529)]), 3600.0).bad
    assert error_rate._judged(error_rate.Settings(), *of_windows([*rough, (2900, 6529)]), 3600.0).bad
    smooth = [(163, 5445)] * 12
    assert error_rate._judged(error_rate.Settings(), *of_windows([*smooth, (581, 6529)]), 3600.0).bad


def pieces(*lows):
    return Series(labels={}, points=[(1800.0 * n, low) for n, low in enumerate(lows)])


def test_what_memory_falls_back_to_counts():
    """A collector that runs every 168 minutes, over level ground and over rising ground."""
    level, rising = (
        [(150.0 * n, ground(n) + 0.39 * ((2.5 * n + 142) % 168) / 168) for n in range(144)]
        for ground in (lambda n: 0.31, lambda n: 0.11 + 0.4 * n / 144)
    )
    found = [
        leak.judged(leak.Settings(), Series(labels={}, points=points), 1.0, 21_600.0) for points in (level, rising)
    ]
    assert [finding.bad for finding in found] == [False, True]


def test_a_leak_begins_anew_with_a_restart():
    found = leak.judged(
        leak.Settings(), pieces(0.9, 0.92, 0.94, 0.2, *(0.2 + 0.05 * n for n in range(9))), 1.0, 21_600.0
    )
    assert found.bad and "out of memory in 4.0 h" in found.why


def test_a_start_that_warms_up_is_no_leak():
    warm = pieces(*(0.7 - 0.6 * math.exp(-n / 4) for n in range(13)))
    assert not leak.judged(leak.Settings(), warm, 1.0, 21_600.0).bad


@given(st.lists(st.tuples(st.floats(0, 200), st.floats(0, 1)), max_size=14))
def test_any_baseline_can_be_judged(windows):
    total = Series(labels={}, points=[(300.0 * n, all_) for n, (all_, _) in enumerate(windows)])
    errors = Series(labels={}, points=[(300.0 * n, all_ * share) for n, (all_, share) in enumerate(windows)])
    for failed in (errors, None):
        assert not error_rate._judged(error_rate.Settings(), total, failed, 300.0 * (len(windows) - 1)).bad or failed


class Wild:
    """A server whose exporters have lost their minds."""

    def __init__(self, values):
        self.values = values

    def now(self, expr, at_s=None):
        return [Sample(labels={"job": "j"}, value=value) for value in self.values[:3]]

    def over(self, expr, from_s, to_s, step_s):
        points = [(from_s + n * step_s, value) for n, value in enumerate(self.values) if math.isfinite(value)]
        return [Series(labels={"job": "j"}, points=points), Series(labels={}, points=[])]


@pytest.mark.parametrize("name", DETECTORS)
@given(values=st.lists(st.floats() | st.sampled_from([0.0, 1.0, 5e-324, 1.7e308, -1.0]), max_size=40))
def test_whatever_is_measured_can_be_judged_or_is_said_to_be_odd(name, values):
    given = getattr(prometheus.Detectors(), name)
    with contextlib.suppress(ArithmeticError):  # which the monitor says once and skips
        for finding in import_module(DETECTORS[name]).look(given, Wild(values), 100_000):
            assert isinstance(finding.why, str) and (finding.why or not finding.bad)


def bad(*jobs):
    return [Finding(labels={"job": job}, bad=True, why="7 now") for job in jobs]


def test_an_episode_begins_after_a_while_and_ends_after_a_while():
    episodes, told = {}, []
    for minute, findings in enumerate([bad("a"), bad("a"), [], bad("a"), [], [], [], []]):
        episodes, signals = advance(MANNER, load_episodes(dump_episodes(episodes)), findings, minute * 60_000 + 1)
        told += [(minute, s.resolved, s.service) for s in signals]
    assert told == [(1, False, "a"), (6, True, "a")]
    assert advance(MANNER, episodes, [], 7 * 3_600_000) == ({}, []), "what was over is forgotten after hours"


def test_what_comes_and_goes_is_told_ever_less_often():
    """Ten hours of ten minutes bad, ten minutes fine."""
    episodes, told = {}, []
    for minute in range(600):
        findings = bad("a") if minute // 10 % 2 else [Finding(labels={"job": "a"}, bad=False, why="3 now")]
        episodes, signals = advance(MANNER, load_episodes(dump_episodes(episodes)), findings, minute * 60_000 + 1)
        told += [(minute, s.resolved, s.message) for s in signals]
    assert [resolved for _, resolved, _ in told] == [n % 2 == 1 for n in range(len(told))]
    assert len(told) <= 10 and told[1][2] == "bad: back to normal: 3 now"


@given(st.lists(st.sampled_from("bf."), min_size=60, max_size=400))
def test_whatever_comes_and_goes_signals_take_turns_and_are_few(rounds):
    episodes, told = {}, []
    for minute, what in enumerate(rounds):
        findings = {"b": bad("a"), "f": [Finding(labels={"job": "a"}, bad=False)], ".": []}[what]
        episodes, signals = advance(MANNER, load_episodes(dump_episodes(episodes)), findings, minute * 60_000 + 1)
        told += [s.resolved for s in signals]
    assert told == [n % 2 == 1 for n in range(len(told))]
    assert len(told) <= 10 + 2 * len(rounds) / 33  # fine for 2, 4, 8, 16, then always 32 minutes


def test_nobody_says_normal_of_what_is_not_measured():
    manner = replace(MANNER, for_s=0, clear_s=0)
    episodes, [fired] = advance(manner, {}, bad("a"), 1)
    _, [ended] = advance(manner, episodes, [], 2)
    assert ended.resolved and "neither bad nor good" in ended.message and "normal" not in ended.message
    assert ended.key == fired.key.replace(":firing", ":resolved")


@pytest.mark.parametrize(
    ("labels", "service"),
    [({"job": "kubelet", "container": "shop"}, "shop"), ({"job": "j", "service": "s"}, "s"), ({"job": "j"}, "j"),
     ({"pod": "p"}, "unknown"), ({"service": "kubelet", "job": "ledger"}, "ledger")],
)  # fmt: skip
def test_a_label_that_names_a_known_service_comes_first(labels, service):
    manner = replace(
        MANNER, for_s=0, service_labels=("service", "container", "job"), services=frozenset({"shop", "ledger"})
    )
    _, [signal] = advance(manner, {}, [Finding(labels=labels, bad=True, why="7")], 1)
    assert signal.service == service


def test_a_checkpoint_of_an_earlier_form_is_read():
    [episode] = load_episodes('{"k": [{"job": "a"}, 1, 2, 0]}').values()
    assert (episode.firing_ms, episode.over_ms) == (2, 0)


def test_a_service_without_a_past_is_judged_by_what_may_be_expected_at_worst():
    def judged(share):
        total = Series(labels={}, points=[(300.0, 200.0)])
        return error_rate._judged(error_rate.Settings(), total, Series(labels={}, points=[(300.0, 200 * share)]), 300.0)

    assert not judged(0.2).bad and judged(0.9).bad and "too few came before" in judged(0.9).why


@given(st.lists(st.floats(0, 0.05), min_size=65, max_size=65), st.randoms(use_true_random=False))
def test_the_order_of_the_past_does_not_matter(shares, random):
    """A permutation of whole windows of the same failures is judged the same."""
    windows = [(share, 100.0) for share in shares[:13]]

    def judged(order):
        total = Series(labels={}, points=[(300.0 * n, all_) for n, (_, all_) in enumerate(order)])
        failed = Series(labels={}, points=[(300.0 * n, share * all_) for n, (share, all_) in enumerate(order)])
        return error_rate._judged(error_rate.Settings(), total, failed, 3600.0)

    past = windows[:12]
    random.shuffle(past)
    assert judged(past + windows[12:]).bad == judged(windows).bad


def test_what_is_bad_for_a_moment_is_never_said():
    episodes, told = {}, []
    for minute in range(20):
        episodes, signals = advance(MANNER, episodes, bad("a") if minute % 2 else [], minute * 60_000 + 1)
        told += signals
    assert told == []


@given(st.text(max_size=40))
def test_an_unreadable_checkpoint_counts_as_none(text):
    assert isinstance(load_episodes(text), dict)
