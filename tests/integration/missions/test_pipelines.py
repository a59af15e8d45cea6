"""A failing pipeline has no place in the code: the service's own check is what makes it red, on its own branch."""

import asyncio

import pytest
from support.scenario import scenario

from nightshift.daemon.missions.heal import Heal
from nightshift.daemon.missions.testing import MemoryDurable
from nightshift.daemon.model import Signal, Stage


def ended(folder, kind, **labels):
    signal = Signal(key="k", source="ci:acme/shop", service="shop", title="tests fails", at_ms=1, kind=kind,
                    labels=labels)  # fmt: skip
    made = scenario(folder, signal=signal)
    asyncio.run(Heal(MemoryDurable(()), made.steps, made.mission).run())
    return made


@pytest.mark.parametrize("labels", [{"branch": "main"}, {}])
def test_a_pipeline_that_fails_on_the_services_branch_is_mended(tmp_path, labels):
    made = ended(tmp_path, "ci", **labels)
    assert made.stage() == Stage.HEALED and made.content() == b"x = 2\n"


def test_one_that_fails_elsewhere_is_told_and_left(tmp_path):
    made = ended(tmp_path, "ci", branch="feature")
    assert made.stage() == Stage.ESCALATED and made.commits() == 1
    assert "the pipeline fails on feature; missions mend main" in made.reasons()[-1]


def test_an_alert_without_a_place_in_the_code_is_not_mended_because_a_suite_fails(tmp_path):
    made = ended(tmp_path, "alert", branch="main")
    assert made.stage() == Stage.ESCALATED and made.commits() == 1
    assert "nothing in the evidence" in made.reasons()[-1]
