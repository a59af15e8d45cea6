from pathlib import Path

import pytest

from nightshift.daemon.store.store import Store


@pytest.fixture
def store(tmp_path: Path):
    opened = Store.open(tmp_path / "n.db")
    yield opened
    opened.close()
