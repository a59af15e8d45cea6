"""The bug set as data: each `.bug` file holds right code, the wrong lines beside it, tests, and held-out tests.

``right  #! wrong`` is a line the bug replaces (nothing after ``#!``: the bug lacks the line).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "bugs"
_MARK = re.compile(r"^(?P<right>.*?)  #!(?P<wrong>.*)$")
_IMPORT = "from mod import *\n"


@dataclass(frozen=True, kw_only=True)
class Bug:
    """One bug. `tests` are what a fixer may see, `held_out` what it may not."""

    name: str
    right: str
    wrong: str
    tests: str
    held_out: str

    def files(self, source: str) -> dict[str, bytes]:
        """A repository of one module and its tests."""
        return {"mod.py": source.encode(), "test_mod.py": self.tests.encode(), "setup.cfg": b"[metadata]\nname = mod\n"}


def read_bugs(only: str = "") -> list[Bug]:
    """Every bug whose name matches the regular expression."""
    return [_read(path) for path in sorted(FOLDER.glob("*.bug")) if re.search(only, path.stem)]


def _read(path: Path) -> Bug:
    source, tests, held_out = re.split(r"^# --- .*\n", path.read_text("utf-8"), flags=re.MULTILINE)
    right, wrong = [], []
    for line in source.splitlines():
        match = _MARK.match(line)
        right.append(match["right"] if match else line)
        if match is None:
            wrong.append(line)
        elif match["wrong"].strip():
            indent = line[: len(line) - len(line.lstrip())]
            wrong.append(indent + match["wrong"].strip())
    return Bug(name=path.stem, right="\n".join(right) + "\n", wrong="\n".join(wrong) + "\n",
               tests=_IMPORT + tests, held_out=_IMPORT + held_out)  # fmt: skip
