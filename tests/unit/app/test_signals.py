"""Which signals are taken where a mission stands, and what people are told otherwise."""

import pytest

from nightshift.daemon.app.control import Control, out_of_place
from nightshift.daemon.model import Mission, Stage
from nightshift.daemon.ports import Refused
from nightshift.daemon.store.store import Store


@pytest.mark.parametrize(
    ("stage", "paused", "verb", "told"),
    [
        (Stage.AWAITING_APPROVAL, False, "approve", ""),
        (Stage.JUDGING, False, "approve", "nothing waits for approval"),
        (Stage.AWAITING_APPROVAL, True, "approve", "resume it first"),
        (Stage.JUDGING, False, "resume", "not paused"),
        (Stage.JUDGING, True, "resume", ""),
        (Stage.WATCHING, False, "reject", ""),
        (Stage.QUEUED, False, "pause", ""),
        (Stage.ROLLING_BACK, False, "reject", "taken back already"),
        (Stage.ROLLING_BACK, False, "pause", "taken back already"),
        (Stage.MERGING, False, "redirect", ""),
        (Stage.WATCHING, False, "redirect", "merged already"),
        (Stage.DEPLOYING, False, "take_over", "merged already"),
        (Stage.HEALED, False, "approve", "over"),
        (Stage.DISMISSED, False, "reject", "over"),
    ],
)
def test_out_of_place(stage: Stage, paused: bool, verb: str, told: str):
    reason = out_of_place(Mission(id="mis-1", incident="inc-1", service="shop", stage=stage, paused=paused), verb)
    assert told in reason
    assert bool(reason) == bool(told)


class Engine:
    """Takes signals; knows no mission while it is `lost`."""

    def __init__(self) -> None:
        self.lost = False
        self.took: list[str] = []

    def signal(self, mission: str, verb: str, actor: str, reason: str, key: str) -> None:
        if self.lost:
            raise KeyError(mission)
        self.took.append(verb)


def test_a_pause_can_be_resumed_before_the_step_under_way_has_ended(store: Store):
    store.missions.ensure(Mission(id="mis-1", incident="inc-1", service="shop", stage=Stage.JUDGING))
    engine = Engine()
    control = Control(None, store, engine, None, None, None, None, None)
    with pytest.raises(Refused, match="not paused"):
        control.signal_mission("mis-1", "resume", "ada", "")
    engine.lost = True
    with pytest.raises(KeyError):
        control.signal_mission("mis-1", "pause", "ada", "")
    assert not store.missions.get("mis-1").paused
    engine.lost = False
    control.signal_mission("mis-1", "pause", "ada", "")
    control.signal_mission("mis-1", "resume", "ada", "")
    assert engine.took == ["pause", "resume"]
