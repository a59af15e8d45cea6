"""The daemon with a trap in it: kills itself with -9 at named step boundaries, once each.

``python killing.py CONFIG FOLDER gather:before gather:after …``: a file in FOLDER remembers which traps have sprung.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nightshift.daemon.app.serve import serve
from nightshift.daemon.config import load_config
from nightshift.daemon.missions.parts import Parts
from nightshift.daemon.missions.steps import Steps

STEPS = (
    "gather", "reproduce", "plan", "draft", "judge", "criticise", "choose", "propose", "authorise", "merge", "deploy",
    "watch", "finish",
)  # fmt: skip
TRAPS = tuple(f"{step}:{when}" for step in STEPS for when in ("before", "after"))


class Trapped(Steps):
    """Steps whose boundaries kill."""

    def __init__(self, parts: Parts, folder: Path, traps: set[str]) -> None:
        super().__init__(parts)
        self._folder, self._traps = folder, traps
        for step in STEPS:
            setattr(self, step, self._wrap(step, getattr(self, step)))

    def _wrap(self, step: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def trapped(*args: Any) -> Any:
            self._spring(f"{step}:before")
            result = work(*args)
            self._spring(f"{step}:after")
            return result

        return trapped

    def _spring(self, trap: str) -> None:
        mark = self._folder / trap.replace(":", "-")
        if trap in self._traps and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    config, folder, *traps = sys.argv[1:]
    loaded = load_config(Path(config))
    sys.exit(serve(loaded, lambda parts: Trapped(parts, Path(folder), set(traps))))


if __name__ == "__main__":
    main()
