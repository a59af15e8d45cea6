"""Which signals are taken where a mission stands, and what people are told otherwise."""

import pytest

from nightshift.daemon.app.control import out_of_place
from nightshift.daemon.model import Mission, Stage


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
        (Stage.HEALED, False, "approve", "over"),
        (Stage.DISMISSED, False, "reject", "over"),
    ],
)
def test_out_of_place(stage: Stage, paused: bool, verb: str, told: str):
    reason = out_of_place(Mission(id="mis-1", incident="inc-1", service="shop", stage=stage, paused=paused), verb)
    assert told in reason
    assert bool(reason) == bool(told)
