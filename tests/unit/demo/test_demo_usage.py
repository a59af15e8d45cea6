"""What the demo can't do is said before it begins, not after the minute it takes."""

from pathlib import Path

import pytest

from nightshift.daemon.cli import main


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [("--dir", "a-file", "not an empty folder"), ("--dir", "full", "not an empty folder"),
     ("--json", "nowhere/x.json", "can't be written"), ("--json", "full", "can't be written")],
)  # fmt: skip
def test_places_that_cannot_be_used(tmp_path: Path, capsys, option: str, value: str, told: str):
    (tmp_path / "a-file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "something").touch()
    assert main(["demo", option, str(tmp_path / value)]) == 2
    assert told in capsys.readouterr().err
