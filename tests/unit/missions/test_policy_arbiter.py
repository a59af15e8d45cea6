import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.daemon.missions import arbiter, policy
from nightshift.daemon.model import Judgement, Patch, Reproduction, Service, Verdict


def patch(fixer: str = "templates", kind: str = "constant", name: str = "p") -> Patch:
    return Patch(id=name, base="0" * 40, diff="d", files=("a.py",), fixer=fixer, rationale="r", kind=kind)


def case(autonomy: str = "merge", kind: str = "check", bad: int = 0, **of: str) -> policy.Case:
    service = Service(name="shop", repo="r", autonomy=autonomy)
    return policy.Case(service=service, patch=patch(**of), reproduction=Reproduction(kind=kind), bad_last_hour=bad)


def test_merges_what_every_rule_allows():
    assert policy.decide(case(), policy.Settings()).action == "merge"


@pytest.mark.parametrize(
    ("refused", "word"),
    [
        (case(autonomy="propose"), "autonomy"),
        (case(fixer="model"), "model"),
        (case(kind="synthesised"), "traceback"),
        (case(bad=3), "rolled-back"),
    ],
)
def test_a_refusal_names_its_reason(refused: policy.Case, word: str):
    decision = policy.decide(refused, policy.Settings())
    assert decision.action == "propose"
    assert word in decision.reason


def test_a_proved_revert_needs_no_stronger_oracle():
    service = Service(name="shop", repo="r", autonomy="merge")
    weak = Reproduction(kind="synthesised")
    proved = policy.Case(service=service, patch=patch("revert", "revert"), reproduction=weak, bad_last_hour=0)
    assert policy.decide(proved, policy.Settings()).action == "merge"


def test_a_dry_run_observes():
    assert policy.decide(case(), policy.Settings(dry_run=True)).action == "observe"


@given(st.text(), st.text(), st.integers(), st.text())
def test_merge_only_ever_on_the_word_merge(autonomy: str, fixer: str, bad: int, kind: str):
    decision = policy.decide(case(autonomy=autonomy, kind=kind, bad=bad, fixer=fixer), policy.Settings())
    allowed = autonomy == "merge" and fixer in ("revert", "templates") and bad < 3 and kind != "synthesised"
    assert (decision.action == "merge") == allowed
    if autonomy not in ("merge", "propose"):
        assert decision.action == "observe"


def accepted(name: str, kind: str = "constant") -> Verdict:
    return Verdict(judgement=Judgement.ACCEPTED, patch=patch(kind=kind, name=name))


def test_the_first_accepted_is_chosen():
    choice = arbiter.choose([accepted("a"), accepted("b")], 2, Reproduction(kind="check"))
    assert choice.verdict.patch.id == "a"


def test_abstains_when_a_weak_oracle_cannot_tell_many_survivors_apart():
    weak = Reproduction(kind="synthesised")
    assert arbiter.choose([accepted("a")], 8, weak).verdict is None
    assert "8 different edits" in arbiter.choose([accepted("a")], 8, weak).reason
    assert arbiter.choose([accepted("a")], 7, weak).verdict
    assert arbiter.choose([accepted("a")], 8, Reproduction(kind="existing")).verdict
    assert arbiter.choose([accepted("a", "revert")], 8, weak).verdict


def test_nothing_accepted_is_nothing_chosen():
    assert arbiter.choose([], 3, Reproduction(kind="check")).verdict is None


def test_order_follows_the_record_once_there_is_one():
    assert arbiter.order(["revert", "templates"], {}) == ["revert", "templates"]
    assert arbiter.order(["revert", "templates"], {"revert": {"rejected": 2}}) == ["revert", "templates"]
    assert arbiter.order(["revert", "templates"], {"revert": {"rejected": 9}}) == ["templates", "revert"]
    assert arbiter.order(["revert", "templates"], {"templates": {"healed": 5}}) == ["templates", "revert"]
