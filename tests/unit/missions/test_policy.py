"""The rules, one by one, and what no combination of facts may ever allow."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.daemon.missions import policy
from nightshift.daemon.missions.policy.rules import lines_in, paths_in
from nightshift.daemon.missions.policy.settings import Earning, Freeze, Grant, Limit, Settings, Window
from nightshift.daemon.missions.policy.trust import DAY_MS, Merge, incomplete_beta, trust_of
from nightshift.daemon.model import Patch, Reproduction, Service, Severity

NOON_MS = int(datetime(2026, 3, 4, 12, 0, tzinfo=UTC).timestamp() * 1000)  # a Wednesday
DIFF = "--- a/app.py\n+++ b/app.py\n@@ -1,2 +1,2 @@\n-x = 1\n+x = 2\n y = 1\n"
NONE = trust_of([], NOON_MS, Earning())
GOOD = trust_of([Merge(at_ms=NOON_MS - (8 + n) * DAY_MS) for n in range(8)], NOON_MS, Earning())


def case(autonomy: str = "merge", kind: str = "check", **of: object) -> policy.Case:
    named = {"fixer": "templates", "change": "constant", "files": ("app.py",), "diff": DIFF}
    named |= {name: of.pop(name) for name in list(of) if name in named}
    patch = Patch(id="p", base="0" * 40, diff=str(named["diff"]), files=named["files"], fixer=str(named["fixer"]),
                  rationale="r", kind=str(named["change"]))  # fmt: skip
    facts = {
        "service": Service(name="shop", repo="r", autonomy=autonomy), "patch": patch, "stopped": "",
        "reproduction": Reproduction(kind=kind), "severity": Severity.ERROR, "now_ms": NOON_MS, "bad_last_hour": 0,
        "open_missions": 1, "merged_last_day": 0, "left_s": 100.0, "trust": NONE,
    }  # fmt: skip
    return policy.Case(**(facts | of))


def action(found: policy.Case, **settings: object) -> str:
    return policy.decide(found, Settings(**settings)).action


def test_merges_what_every_rule_allows() -> None:
    assert action(case()) == "merge"


@pytest.mark.parametrize(
    ("refused", "word"),
    [
        (case(autonomy="propose"), "autonomy"),
        (case(fixer="model"), "model"),
        (case(kind="synthesised"), "traceback"),
        (case(kind="none"), "nothing was reproduced"),
        (case(bad_last_hour=3), "rolled-back"),
        (case(open_missions=21), "21 open missions"),
        (case(merged_last_day=50), "50 merges alone"),
        (case(left_s=0.0), "budget is spent"),
        (case(autonomy="earned"), "5 that lasted are needed"),
    ],
)
def test_a_refusal_names_its_reason(refused: policy.Case, word: str) -> None:
    decision = policy.decide(refused, Settings())
    assert decision.action == "propose"
    assert word in decision.reason


@pytest.mark.parametrize("word", ["", "Merge", "act", "always", "merge "])
def test_a_word_that_is_no_level_allows_nothing(word: str) -> None:
    assert action(case(autonomy=word)) == "observe"


def test_the_kill_switch_and_a_dry_run_allow_nothing() -> None:
    assert action(case(stopped="stopped by ada")) == "observe"
    assert action(case(), dry_run=True) == "observe"


def test_a_proved_revert_needs_no_stronger_oracle() -> None:
    assert action(case(fixer="revert", change="revert", kind="synthesised")) == "merge"


# ---------------------------------------------------------------- grants, limits, times


def test_a_grant_narrows_by_service_fixer_and_kind_and_never_widens() -> None:
    grants = (Grant(fixers=("revert",), autonomy="merge"), Grant(kinds=("guard*",), autonomy="observe"),
              Grant(services=("sh*",), autonomy="propose"))  # fmt: skip
    assert action(case(fixer="revert", change="revert"), grants=grants) == "merge"
    assert action(case(change="guard-none"), grants=grants) == "observe"
    assert action(case(), grants=grants) == "propose"
    assert action(case(autonomy="propose", fixer="revert"), grants=grants) == "propose"
    assert action(case(autonomy="observe", fixer="revert"), grants=grants) == "observe"


@pytest.mark.parametrize(
    ("limit", "found"),
    [
        ({"paths": ("pay/**",)}, {"files": ("pay/deep/card.py",)}),
        ({"paths": ("*.sql",)}, {"files": ("a.sql",)}),
        ({"paths": ("secret.py",)}, {"diff": DIFF.replace("app.py", "secret.py"), "files": ()}),
        ({"severities": ("critical",)}, {"severity": Severity.CRITICAL}),
        ({"more_than_lines": 1}, {}),
        ({"more_than_files": 1}, {"files": ("a", "b")}),
        ({"services": ("shop",), "fixers": ("templates",), "kinds": ("constant",)}, {}),
        ({"more_than_lines": 10**6}, {"diff": "GIT binary patch\nliteral 3\nabc\n"}),
    ],
)
def test_a_limit_applies_where_all_of_it_fits(limit: dict, found: dict) -> None:
    decision = policy.decide(case(**found), Settings(limits=(Limit(name="l", **limit),)))
    assert decision.action == "propose", decision
    assert action(case(**found), limits=(Limit(name="l", autonomy="observe", **limit),)) == "observe"
    assert action(case(**found), limits=(Limit(name="l", **limit, services=("other",)),)
                  if "services" not in limit else ()) == "merge"  # fmt: skip


@pytest.mark.parametrize("paths", [("pay/*",), ("app",), ("*/app.py",), ("**/x.py",)])
def test_a_star_stays_within_a_folder(paths: tuple[str, ...]) -> None:
    assert action(case(files=("app.py",)), limits=(Limit(name="l", paths=paths),)) == "merge"
    assert action(case(files=("pay/a/b.py",)), limits=(Limit(name="l", paths=("pay/*",)),)) == "merge"


def test_lines_are_counted_by_the_hunks_whatever_the_lines_look_like() -> None:
    sql = "--- a/q.sql\n+++ b/q.sql\n@@ -1,2 +1,1 @@\n--- a/comment\n-++ b/x\n+y\n\\ No newline at end of file\n"
    assert lines_in(sql) == 3
    assert lines_in(DIFF + DIFF.replace("app", "b")) == 4
    assert lines_in("") == 0
    assert paths_in(DIFF + "rename from old.py\nrename to new.py\n") == ["app.py", "old.py", "new.py"]


@pytest.mark.parametrize(
    ("window", "inside"),
    [
        (Window(), True),
        (Window(days=("wed",), start="09:00", end="17:00"), True),
        (Window(days=("tue",), start="09:00", end="17:00"), False),
        (Window(start="12:01", end="17:00"), False),
        (Window(start="09:00", end="12:00"), False),
        (Window(days=("tue",), start="22:00", end="13:00"), True),
        (Window(days=("wed",), start="22:00", end="13:00"), False),
    ],
)
def test_windows(window: Window, inside: bool) -> None:
    assert (action(case(), windows=(window,)) == "merge") is inside
    assert action(case(now_ms=None), windows=(window,)) == "propose"


def test_a_window_follows_its_zone_through_a_change_of_clocks() -> None:
    nine_to_ten = {"windows": (Window(start="09:00", end="10:00"),), "timezone": "Europe/Berlin"}
    for month, hour in ((1, 8), (7, 7)):
        at = int(datetime(2026, month, 7, hour, 30, tzinfo=UTC).timestamp() * 1000)
        assert action(case(now_ms=at), **nine_to_ten) == "merge"
        assert action(case(now_ms=at + 3_600_000), **nine_to_ten) == "propose"


def test_a_freeze_holds_its_services_between_its_ends() -> None:
    freeze = Freeze(name="f", start="2026-03-04T12:00:00Z", end="2026-03-04T13:00:00Z", services=("sh*",))
    assert action(case(), freezes=(freeze,)) == "propose"
    assert action(case(now_ms=NOON_MS - 1), freezes=(freeze,)) == "merge"
    assert action(case(now_ms=NOON_MS + 3_600_000), freezes=(freeze,)) == "merge"
    assert action(case(), freezes=(freeze.model_copy(update={"autonomy": "observe"}),)) == "observe"
    assert action(case(), freezes=(freeze.model_copy(update={"services": ("bank",)}),)) == "merge"
    with pytest.raises(ValueError, match="not after"):
        Freeze(name="f", start="2026-03-04T12:00:00Z", end="2026-03-04T12:00:00Z")


# ---------------------------------------------------------------- earned and lost


def record(*ages_days: float, reverted: tuple[float, ...] = ()) -> policy.Trust:
    """Merges of some ages; `reverted` are ages of merges that were reverted an hour later."""
    lasting = [Merge(at_ms=round(NOON_MS - days * DAY_MS)) for days in ages_days]
    bad = [round(NOON_MS - days * DAY_MS) for days in reverted]
    return trust_of(lasting + [Merge(at_ms=at, reverted_ms=at + 3_600_000) for at in bad], NOON_MS, Earning())


@pytest.mark.parametrize(
    ("trust", "level"),
    [
        (record(), "propose"),
        (record(8, 9, 10, 11, 12), "propose"),  # five, but they weigh a little less than five
        (record(8, 9, 10, 11, 12, 13), "merge"),
        (record(1, 2, 3, 4, 5, 6), "propose"),  # too young to tell
        (record(8, 9, 10, 11, 12, 13, reverted=(7.5,)), "propose"),
        (record(8, 9, 10, 11, 12, 13, reverted=(40,)), "propose"),  # lasted since, but 6 of 7 are not enough
        (record(*range(8, 20), reverted=(40,)), "merge"),
        (record(*[300] * 20), "propose"),  # decayed
    ],
)
def test_autonomy_is_earned(trust: policy.Trust, level: str) -> None:
    assert action(case(autonomy="earned", trust=trust)) == level, trust


def test_autonomy_that_was_given_is_lost_on_a_revert_and_earned_again() -> None:
    assert action(case(trust=record())) == "merge"
    assert action(case(trust=record(*range(8, 60)))) == "merge"
    lost = policy.decide(case(trust=record(*range(8, 60), reverted=(1,))), Settings())
    assert lost.action == "propose" and "was reverted" in lost.reason
    assert action(case(trust=record(8, 9, 10, 11, 12, 13, reverted=(40,)))) == "merge"


def test_a_revert_after_the_days_is_not_the_merge_s_fault() -> None:
    late = trust_of([Merge(at_ms=NOON_MS - 30 * DAY_MS, reverted_ms=NOON_MS - 20 * DAY_MS)], NOON_MS, Earning())
    assert (late.ever_reverted, round(late.lasted, 1)) == (False, 0.8)


@given(st.floats(0.5, 300), st.floats(0.5, 300), st.floats(0.001, 0.999))
def test_the_tail_of_the_beta_distribution(a: float, b: float, x: float) -> None:
    value = incomplete_beta(a, b, x)
    assert -1e-9 <= value <= 1 + 1e-9
    assert value + incomplete_beta(b, a, 1 - x) == pytest.approx(1, abs=1e-9)
    assert incomplete_beta(a, 1, x) == pytest.approx(x**a, rel=1e-6, abs=1e-12)


@given(st.integers(1, 30), st.integers(1, 30), st.floats(0.01, 0.99))
def test_it_is_the_binomial_s_tail_for_whole_numbers(a: int, b: int, x: float) -> None:
    from math import comb

    n = a + b - 1
    assert incomplete_beta(a, b, x) == pytest.approx(
        sum(comb(n, k) * x**k * (1 - x) ** (n - k) for k in range(a, n + 1))
    )


# ---------------------------------------------------------------- fails closed


FACTS = [f.name for f in fields(policy.Case) if f.name not in ("service",)]


@pytest.mark.parametrize("missing", FACTS)
def test_a_missing_fact_never_merges(missing: str) -> None:
    settings = Settings(windows=(Window(),), limits=(Limit(name="l", severities=(Severity.CRITICAL,)),),
                        freezes=(Freeze(name="f", start="2020-01-01T00:00:00Z", end="2020-01-02T00:00:00Z"),))  # fmt: skip
    assert policy.decide(case(), settings).action == "merge"
    assert policy.decide(replace(case(), **{missing: None}), settings).action in ("observe", "propose")


class Hostile:
    """A fact that breaks whoever looks at it."""

    def __getattr__(self, name: str) -> object:
        raise RuntimeError(name)

    def _broken(self, *_: object) -> bool:
        raise RuntimeError("compared")

    __lt__ = __le__ = __gt__ = __ge__ = __sub__ = __truediv__ = _broken


@pytest.mark.parametrize("broken", [name for name in FACTS if name not in ("stopped", "severity")])
def test_a_rule_that_breaks_allows_nothing(broken: str) -> None:
    settings = Settings(windows=(Window(),), limits=(Limit(name="l", paths=("x",)),))
    decision = policy.decide(replace(case(), **{broken: Hostile()}), settings)
    assert decision.action == "observe", decision
    assert "broke" in decision.reason


@given(
    autonomy=st.sampled_from(["observe", "propose", "earned", "merge", "", "MERGE"]), fixer=st.sampled_from(["templates", "revert", "model"]),
    kind=st.sampled_from(["check", "existing", "synthesised", "none"]), stopped=st.sampled_from(["", "stopped", None]),
    bad=st.one_of(st.none(), st.integers(0, 5)), opened=st.one_of(st.none(), st.integers(0, 40)),
    merged=st.one_of(st.none(), st.integers(0, 60)), left=st.one_of(st.none(), st.floats(-1, 1)),
    trust=st.sampled_from([None, NONE, GOOD, record(reverted=(1,))]), dry=st.booleans(),
)  # fmt: skip
def test_merging_takes_every_single_fact(autonomy, fixer, kind, stopped, bad, opened, merged, left, trust, dry) -> None:
    """The rules once more, written down independently: nothing else merges, and nothing but these words has effects."""
    found = case(autonomy=autonomy, fixer=fixer, kind=kind, stopped=stopped, bad_last_hour=bad, open_missions=opened,
                 merged_last_day=merged, left_s=left, trust=trust)  # fmt: skip
    decision = policy.decide(found, Settings(dry_run=dry))
    merges = (
        autonomy in ("merge", "earned") and not dry and stopped == "" and fixer != "model" and kind in ("check", "existing")
        and bad is not None and bad < 3 and opened is not None and opened <= 20 and merged is not None and merged < 50
        and left is not None and left > 0 and (trust is GOOD or (trust is NONE and autonomy == "merge"))
    )  # fmt: skip
    assert (decision.action == "merge") is merges
    if dry or stopped != "" or autonomy not in ("propose", "earned", "merge"):
        assert decision.action == "observe"
    assert {rule.rule for rule in decision.rules} >= {"kill switch", "dry run", "autonomy", "track record", "budget"}
    assert all(rule.reason for rule in decision.rules)
