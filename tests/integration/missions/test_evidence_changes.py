"""A crash that is heard while its alert's mission gathers: the mission mends the crash, whichever came first."""

from dataclasses import replace
from pathlib import Path

import pytest
from support.scenario import scenario

from nightshift.daemon.intake.intake import Intake
from nightshift.daemon.intake.settings import Settings
from nightshift.daemon.missions.steps import Steps, mission_id
from nightshift.daemon.model import Frame, Mission, Signal, Stage


class Interrupting:
    """A forge during whose work something is heard."""

    def __init__(self, forge, hear):
        self._forge, self._hear = forge, hear

    def __getattr__(self, name):
        return getattr(self._forge, name)

    def head(self, service):
        self._hear()
        return self._forge.head(service)


@pytest.fixture
def gathering(tmp_path: Path):
    """A mission of an alert, the steps that gather for it, and the signals heard meanwhile."""
    made = scenario(tmp_path)
    intake = Intake(made.store, made.parts.clock, Settings(), lambda incident: None)
    now = made.parts.clock.now_ms()
    frames = (Frame(path="/srv/app.py", line=1, function="other"),)
    alert = Signal(key="a", source="prometheus", service="shop", title="Slow", kind="alert", at_ms=now)
    crash = Signal(key="c", source="logs", service="shop", title="IndexError", exception="IndexError", at_ms=now,
                   frames=frames)  # fmt: skip
    incident = intake.take([alert])[0].incident
    mission = mission_id(incident.id)
    made.store.missions.ensure(Mission(id=mission, incident=incident.id, service="shop", stage=Stage.QUEUED))
    meanwhile, decisions = [crash], []
    forge = Interrupting(made.parts.forge, lambda: decisions.extend(intake.take(meanwhile)))
    return Steps(replace(made.parts, forge=forge)), mission, decisions, intake, meanwhile


def test_the_better_evidence_is_gathered(gathering):
    steps, mission, decisions, _, _ = gathering
    case = steps.gather(mission, 0)
    assert [d.action for d in decisions] == ["joined", "duplicate"]
    assert case["diagnosis"]["exception"] == "IndexError"
    assert [frame["path"] for frame in case["diagnosis"]["frames"]] == ["app.py"]
    notes = [e for e in steps.events_of(mission) if e.actor == "hand-off"]
    assert [e.reason.partition(" in")[0] for e in notes] == ["1 frame(s)"]


def test_after_the_hand_off_the_crash_is_an_incident_of_its_own(gathering):
    steps, mission, _, intake, meanwhile = gathering
    crash = meanwhile.pop()
    steps.gather(mission, 0)
    assert intake.take([crash])[0].action == "opened"
