"""A database of 0.1, with its data, opens and goes on."""

import json
import sqlite3
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from nightshift.daemon.intake.intake import Intake
from nightshift.daemon.intake.settings import Settings
from nightshift.daemon.kit.clock import ManualClock
from nightshift.daemon.model import Frame, IncidentState, Signal, dump
from nightshift.daemon.store import migrate
from nightshift.daemon.store.store import Store

CLOCK = ManualClock()
FRAMES = (Frame(path="/srv/shop/cart.py", line=7, function="price"),)


def signal(number):
    return Signal(key=f"k{number}", source="logs:app", service="shop", title=f"KeyError: {number}", exception="KeyError",
                  at_ms=CLOCK.now_ms() - 60_000, frames=FRAMES, sample=f"sample {number}")  # fmt: skip


@pytest.fixture
def old(tmp_path):
    """What 0.1 made: its tables by its own migration, 700 incidents, a seen signal and an offset."""
    path = tmp_path / "n.db"
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    from nightshift.daemon.intake.fingerprint import fingerprint

    with sqlite3.connect(path) as db:
        for n in range(700):
            values = (f"inc-{n:04}", fingerprint(signal(n)) if n == 0 else f"fp-{n}", "shop", f"KeyError: {n}", "error",
                      "open", CLOCK.now_ms() - 60_000, CLOCK.now_ms() - 30_000, 3, json.dumps(dump(signal(n))), "")  # fmt: skip
            db.execute("INSERT INTO incidents VALUES (?,?,?,?,?,?,?,?,?,?,?)", values)
        db.execute("INSERT INTO seen_signals VALUES ('k0', ?, 'inc-0000')", (CLOCK.now_ms() - 60_000,))
        db.execute("INSERT INTO offsets VALUES ('logs:a', '7')")
    return path


def test_its_incidents_come_along_with_facet_sample_and_count(old):
    store = Store.open(old)
    incident = store.incidents.get("inc-0000")
    assert (incident.count, incident.state, incident.held, incident.signal) == (3, IncidentState.OPEN, "", signal(0))
    [facet] = store.incidents.facets("inc-0000")
    assert (facet["source"], facet["kind"], facet["count"], facet["rank"]) == ("logs:app", "crash", 3, 3)
    assert [row["text"] for row in store.incidents.samples("inc-0699")] == ["sample 699"]
    assert sum(n for _, n in store.incidents.buckets("inc-0000")) == 3
    assert store.offsets.all() == {"logs:a": "7"}
    assert len(store.incidents.list(limit=1000)) == 700
    store.close()


def test_the_intake_goes_on_where_it_stood(old):
    store, announced = Store.open(old), []
    intake = Intake(store, CLOCK, Settings(max_new_incidents=10_000), announced.append)
    decisions = intake.take([signal(0), Signal(**{**vars(signal(0)), "key": "new"})])
    assert [d.action for d in decisions] == ["duplicate", "counted"]
    assert store.incidents.get("inc-0000").count == 4 and announced == []
    assert store.incidents.occurrences_since("inc-0000", 0) == 2
    store.close()


def test_opening_it_twice_changes_nothing(old):
    Store.open(old).close()
    store = Store.open(old)
    assert len(store.incidents.facets("inc-0001")) == 1
    store.close()
