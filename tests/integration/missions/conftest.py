from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.operating import World, worlds


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    with worlds(tmp_path) as start:
        yield start
