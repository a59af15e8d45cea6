from nightshift.daemon.missions import arbiter
from nightshift.daemon.model import Judgement, Patch, Reproduction, Verdict


def patch(fixer: str = "templates", kind: str = "constant", name: str = "p") -> Patch:
    return Patch(id=name, base="0" * 40, diff="d", files=("a.py",), fixer=fixer, rationale="r", kind=kind)


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
