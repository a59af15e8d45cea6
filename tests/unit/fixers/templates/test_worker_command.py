"""Candidates of checks that are not pytest runs: several at a time, each in a tree of its own, which is left as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nightshift.fixers.templates.worker import command

CODE = "def area(w, h):\n    return w + h\n"


class Orders:
    def __init__(self, *orders: dict[str, Any]) -> None:
        self.orders = [*orders, {"op": "stop"}]

    def take(self) -> dict[str, Any]:
        return self.orders.pop(0)


def row(n: int, text: str) -> dict[str, Any]:
    at = CODE.index("+")
    return {"n": n, "e": [["area.py", at, at + 1, text]]}


def served(folder: Path, check: str, *texts: str, cores: int = 3) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = []
    root, home = folder / "root", folder / "home"
    root.mkdir()
    home.mkdir()
    (root / "area.py").write_text(CODE)
    setup = {
        "root": str(root),
        "home": str(home),
        "command": check,
        "baseline_s": 20.0,
        "cores": cores,
        "encodings": {},
    }
    order = {"op": "try", "candidates": [row(n, t) for n, t in enumerate(texts)], "patches": 9, "linger_s": 60.0,
             "deadline_s": 60.0}  # fmt: skip
    command.serve(setup, said.append, Orders(order))
    assert (root / "area.py").read_text() == CODE
    return said


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_candidate_is_tried_once_and_the_good_ones_are_told(tmp_path: Path) -> None:
    said = served(tmp_path, "grep -q 'w [*/] h' area.py", "-", "*", "(", "//", "%", "/")
    assert sorted(m["n"] for m in said if m["t"] == "plausible") == [1, 5]
    assert said[-1]["why"] == "exhausted"
    assert said[-1]["tried"] == 6
    copies = sorted((tmp_path / "home").iterdir())
    assert [c.name for c in copies] == ["tree-1", "tree-2"]
    assert all((c / "area.py").read_text() == CODE for c in copies)


def test_a_command_that_only_works_in_the_tree_itself_is_run_there(tmp_path: Path) -> None:
    check = f"test $PWD = {tmp_path}/root || exit 3; grep -q 'w [*] h' area.py"
    said = served(tmp_path, check, "-", "*")
    assert [m["n"] for m in said if m["t"] == "plausible"] == [1]


def test_a_command_that_hangs_is_ended(tmp_path: Path) -> None:
    slot = command.Slot(str(tmp_path))
    (tmp_path / "area.py").write_text(CODE)
    assert slot.start({"command": "sleep 60", "encodings": {}}, row(0, "*"), 0.0)
    assert slot.ended() == -1
    assert (tmp_path / "area.py").read_text() == CODE


def test_a_check_that_passes_is_of_no_use(tmp_path: Path) -> None:
    assert served(tmp_path, "true", "*") == [{"t": "unusable", "why": "the check passes"}]
