import threading
from dataclasses import replace
from pathlib import Path

import pytest

from nightshift.daemon.model import Event, Frame, Incident, IncidentState, Mission, Severity, Signal, Stage
from nightshift.daemon.ports import EnvironmentBroke, Notice
from nightshift.daemon.store.missions import MOVES, IllegalMove
from nightshift.daemon.store.store import Store

FRAME = Frame(path="a.py", line=3, function="f", locals=(("x", "1"),))
SIGNAL = Signal(
    key="k1",
    source="logs",
    service="shop",
    title="KeyError: 'x'",
    at_ms=1000,
    exception="KeyError",
    frames=(FRAME,),
    labels={"a": "b"},
)


def incident(name: str = "inc-aaaa1111", **changes: object) -> Incident:
    made = Incident(id=name, fingerprint="fp", service="shop", title="t", severity=Severity.ERROR,
                    state=IncidentState.OPEN, first_at_ms=1000, last_at_ms=1000, count=1, signal=SIGNAL)  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def test_an_incident_comes_back_as_it_was(store: Store):
    store.incidents.add(incident())
    assert store.incidents.get("inc-aaaa1111") == incident()
    assert store.incidents.get("inc-aa") == incident()
    assert store.incidents.get("inc") is None, "three characters are too few to name one"


def test_a_prefix_of_two_incidents_names_neither(store: Store):
    store.incidents.add(incident("inc-aaaa1"))
    store.incidents.add(incident("inc-aaaa2"))
    assert store.incidents.get("inc-aaaa") is None
    assert store.incidents.get("inc-aaaa1") is not None


def test_wildcards_in_a_name_are_letters(store: Store):
    store.incidents.add(incident())
    assert store.incidents.get("%%%%") is None
    assert store.incidents.get("____") is None


def test_a_signal_is_seen_once(store: Store):
    store.incidents.add(incident())
    assert store.incidents.see("k1", 1000, "inc-aaaa1111")
    assert not store.incidents.see("k1", 1000, "inc-aaaa1111")
    assert store.incidents.known("k1")
    assert store.incidents.occurrences_since("inc-aaaa1111", 1000) == 1
    assert store.incidents.occurrences_since("inc-aaaa1111", 1001) == 0


def test_recurrences_count_for_the_forerunner(store: Store):
    store.incidents.add(incident())
    store.incidents.add(incident("inc-bbbb2222", previous="inc-aaaa1111", first_at_ms=2000))
    store.incidents.see("k2", 2000, "inc-bbbb2222")
    assert store.incidents.occurrences_since("inc-aaaa1111", 1500) == 1
    assert store.incidents.latest("shop", "fp").id == "inc-bbbb2222"


def test_a_transaction_is_all_or_nothing(store: Store):
    def half() -> None:
        with store.transaction():
            store.incidents.add(incident())
            store.offsets.put({"logs:a": "7"})
            raise RuntimeError("killed here")

    with pytest.raises(RuntimeError):
        half()
    assert store.incidents.get("inc-aaaa1111") is None
    assert store.offsets.all() == {}


def test_counts_of_many_threads_add_up(store: Store):
    store.incidents.add(incident())

    def count() -> None:
        for _ in range(20):
            store.incidents.count_again(incident(), 5000)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.incidents.get("inc-aaaa1111").count == 81


def test_one_mission_an_incident(store: Store):
    first = Mission(id="mis-1111", incident="inc-a", service="shop", stage=Stage.QUEUED)
    assert store.missions.ensure(first) == first
    assert store.missions.ensure(replace(first, id="mis-2222")) == first


def test_moves_are_legal_or_refused(store: Store):
    store.missions.ensure(Mission(id="mis-1111", incident="inc-a", service="shop", stage=Stage.QUEUED))
    with pytest.raises(IllegalMove):
        store.missions.move("mis-1111", Stage.MERGING, "skip everything", 1)
    assert store.missions.move("mis-1111", Stage.GATHERING, "start", 1).stage == Stage.GATHERING
    assert store.missions.move("mis-1111", Stage.GATHERING, "again", 2).reason == "again"
    store.missions.move("mis-1111", Stage.ESCALATED, "enough", 3)
    with pytest.raises(IllegalMove):
        store.missions.move("mis-1111", Stage.GATHERING, "rise", 4)
    with pytest.raises(KeyError):
        store.missions.move("mis-none", Stage.GATHERING, "", 1)


def test_every_stage_can_be_left_or_is_an_end():
    ends = {Stage.HEALED, Stage.ROLLED_BACK, Stage.ESCALATED, Stage.DISMISSED}
    assert set(MOVES) == set(Stage) - ends
    assert set().union(*MOVES.values()) | {Stage.QUEUED, Stage.ESCALATED, Stage.DISMISSED} == set(Stage)


def test_a_keyed_event_is_written_once(store: Store):
    event = Event(at_ms=1, mission="m", stage="queued", actor="a", reason="r", data={"list": [1, {"a": None}]})
    store.journal.append(event, key="m:1")
    store.journal.append(event, key="m:1")
    store.journal.append(event)
    found = store.journal.of("m")
    assert [e.data for e in found] == [event.data, event.data]
    assert store.journal.of("m", after=found[0].id) == found[1:]


def test_a_notice_goes_out_once_a_channel(store: Store):
    notice = Notice(key="n1", title="t", text="x", data={"a": 1})
    assert store.notices.enqueue(notice, ("slack", "file"), 1)
    assert not store.notices.enqueue(notice, ("slack", "file"), 2)
    assert store.notices.waiting() == [("slack", notice, 0), ("file", notice, 0)]
    store.notices.mark("n1", "slack", "waiting")
    store.notices.mark("n1", "file", "sent")
    assert store.notices.waiting() == [("slack", notice, 1)]
    assert store.notices.has("n1")
    assert not store.notices.has("n2")


def test_the_track_record(store: Store):
    def record(mission: str, fixer: str, outcome: str, at_ms: int) -> None:
        store.memory.record(mission=mission, fixer=fixer, service="shop", exception="KeyError", kind="k",
                            outcome=outcome, at_ms=at_ms)  # fmt: skip

    record("m1", "revert", "rejected", 1)
    record("m1", "revert", "healed", 2)
    record("m2", "revert", "rolled_back", 3)
    assert store.memory.tally("KeyError") == {"revert": {"healed": 1, "rolled_back": 1}}
    assert store.memory.tally("ValueError") == {}
    assert store.memory.bad_since("shop", 3) == 1
    assert store.memory.bad_since("shop", 4) == 0


def test_a_store_opens_again(tmp_path):
    first = Store.open(tmp_path / "n.db")
    first.incidents.add(incident())
    first.close()
    second = Store.open(tmp_path / "n.db")
    assert second.incidents.list() == [incident()]
    second.close()


def test_an_empty_database_gets_what_the_migrations_would_make(tmp_path: Path):
    from sqlalchemy import create_engine, inspect

    from nightshift.daemon.store import migrate

    def tables(engine):
        looked = inspect(engine)
        return {
            name: (
                sorted((c["name"], str(c["type"]), c["nullable"]) for c in looked.get_columns(name)),
                sorted((i["name"], tuple(i["column_names"])) for i in looked.get_indexes(name)),
            )
            for name in looked.get_table_names()
        }

    fresh, migrated = (create_engine(f"sqlite:///{tmp_path}/{name}.db") for name in ("fresh", "migrated"))
    migrate.upgrade(fresh)
    migrate._migrate(migrated)
    assert tables(fresh) == tables(migrated)
    migrate.upgrade(migrated)
    for engine in (fresh, migrated):
        engine.dispose()


def test_a_store_of_a_newer_version_is_left_alone(tmp_path: Path):
    path = tmp_path / "n.db"
    store = Store.open(path)
    with store.transaction() as c:
        c.exec_driver_sql("UPDATE alembic_version SET version_num = '0099'")
    store.close()
    with pytest.raises(EnvironmentBroke, match="newer Nightshift"):
        Store.open(path)
