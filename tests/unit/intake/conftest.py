"""A real store in a file, a clock that stands still, and an intake over both."""

import pytest

from nightshift.daemon.intake.intake import Intake
from nightshift.daemon.intake.settings import Settings
from nightshift.daemon.kit.clock import ManualClock
from nightshift.daemon.model import Frame, Signal
from nightshift.daemon.store.store import Store


@pytest.fixture
def store(tmp_path):
    opened = Store.open(tmp_path / "nightshift.db")
    yield opened
    opened.close()


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def announced():
    return []


@pytest.fixture
def intake_with(store, clock, announced):
    return lambda **settings: Intake(store, clock, Settings(**settings), announced.append)


@pytest.fixture
def intake(intake_with):
    return intake_with()


@pytest.fixture
def crash(clock):
    """Makes signals of one cause; `key` tells them apart. Services have code of their own: another line each."""

    def make(key, exception="KeyError", **values):
        line = sum(map(ord, values.get("service", "shop")))
        frames = (Frame(path="/srv/shop/cart.py", line=line, function="price"),)
        given = {"service": "shop", "title": f"{exception}: 'tea'", "message": "'tea'", "frames": frames, **values}
        return Signal(key=str(key), source="logs:x", exception=exception, **{"at_ms": clock.now_ms(), **given})

    return make
