"""Missions that could not be started are started later, all of them; chores that fail don't stop the others."""

import threading

from nightshift.daemon.app.dispatch import Dispatcher
from nightshift.daemon.app.upkeep import upkeep
from nightshift.daemon.kit.clock import ManualClock
from nightshift.daemon.model import Incident, IncidentState, Mission, Severity, Signal, Stage
from nightshift.daemon.store.store import Store


class Engine:
    """Refuses to start missions while it is `full`."""

    def __init__(self) -> None:
        self.full = False
        self.started: list[str] = []

    def start(self, mission: str) -> None:
        if self.full:
            raise OSError("scripted: disk full")
        self.started.append(mission)


def test_more_missions_than_a_page_are_started_again(store: Store):
    for at in range(600):
        store.missions.ensure(Mission(id=f"mis-{at}", incident=f"inc-{at}", service="shop", stage=Stage.QUEUED))
    store.missions.ensure(Mission(id="mis-over", incident="inc-over", service="shop", stage=Stage.HEALED))
    store.missions.ensure(Mission(id="mis-lost", incident="inc-lost", service="shop", stage=Stage.DRAFTING))
    engine = Engine()
    dispatcher = Dispatcher(store, engine, ManualClock())
    assert dispatcher.start_waiting() == 600
    assert dispatcher.resume() == 601
    assert len(set(engine.started)) == 601


def test_what_the_engine_would_not_take_is_taken_up_later(store: Store):
    signal = Signal(key="k", source="logs", service="shop", title="KeyError", at_ms=1)
    incident = Incident(id="inc-1", fingerprint="f", service="shop", title="KeyError", severity=Severity.ERROR,
                        state=IncidentState.OPEN, first_at_ms=1, last_at_ms=1, count=1, signal=signal)  # fmt: skip
    engine, stop = Engine(), threading.Event()
    dispatcher = Dispatcher(store, engine, ManualClock())
    engine.full = True
    try:
        dispatcher.incident(incident)
    except OSError:
        assert len(store.missions.list()) == 1, "recorded first, started then"
    tries = []

    def chore() -> int:
        tries.append(1)
        if len(tries) == 2:
            engine.full = False
        if len(tries) == 3:
            stop.set()
        return dispatcher.start_waiting()

    after: list[int] = []
    upkeep({"start": chore, "count": lambda: after.append(1)}, stop, every_s=0.001)
    assert len(set(engine.started)) == 1
    assert len(after) == 3, "a failing chore does not keep the others"


def test_a_mission_is_found_by_its_name_although_another_begins_with_it(store: Store):
    for name in ("mis-ab", "mis-abc"):
        store.missions.ensure(Mission(id=name, incident=name.replace("mis", "inc"), service="s", stage=Stage.QUEUED))
    assert store.missions.get("mis-ab").id == "mis-ab"
    assert store.missions.get("inc-ab").id == "mis-ab"
    assert store.missions.get("mis-a") is None
    assert store.missions.get("mis-abc").id == "mis-abc"
