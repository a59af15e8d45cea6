"""What people's words do to the list of fixers."""

import pytest

from nightshift.daemon.missions.steering import steered, wishes
from nightshift.daemon.model import Event

ALL = ["revert", "templates", "model"]


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ([], ALL),
        (["please look at the cache instead"], ALL),
        (["without templates"], ["revert", "model"]),
        (["Use the revert."], ["revert"]),
        (["try model, not revert"], ["model"]),
        (["use templates", "without templates"], ["revert", "model"]),
        (["no revert", "skip templates", "avoid the model"], ALL),
        (["use reverting"], ALL),
    ],
)
def test_words(said: list[str], left: list[str]) -> None:
    assert steered(ALL, said) == left


def test_wishes_are_read_from_the_journal_in_order() -> None:
    def event(**data: str) -> Event:
        return Event(at_ms=1, mission="m", stage="judging", actor="ada", reason="r", data=data)

    assert wishes([event(redirect="one"), event(other="x"), event(redirect="two")]) == ("one", "two")
