"""The daemon with traps at the steps of runbook missions: ``python killing_runs.py CONFIG FOLDER plan_run:before …``.
A step that comes several times has a trap for each time: ``operate:after:2``."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nightshift.daemon.app.serve import serve
from nightshift.daemon.config import load_config
from nightshift.daemon.missions.parts import Parts
from nightshift.daemon.missions.steps import Steps

STEPS = ("plan_run", "begin_run", "operate", "ask_person", "answer_run", "close_run", "finish")


class Trapped(Steps):
    """Steps whose boundaries kill."""

    def __init__(self, parts: Parts, folder: Path, traps: set[str]) -> None:
        super().__init__(parts)
        self._folder, self._traps = folder, traps
        self._turns: Counter[str] = Counter()
        for step in STEPS:
            setattr(self, step, self._wrap(step, getattr(self, step)))

    def _wrap(self, step: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def trapped(mission: str, *args: Any) -> Any:
            turn = f":{args[0]}" if step == "operate" else ""
            self._spring(f"{step}:before{turn}")
            result = work(mission, *args)
            self._spring(f"{step}:after{turn}")
            return result

        return trapped

    def _spring(self, trap: str) -> None:
        mark = self._folder / trap.replace(":", "-")
        if trap in self._traps and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    config, folder, *traps = sys.argv[1:]
    sys.exit(serve(load_config(Path(config)), lambda parts: Trapped(parts, Path(folder), set(traps))))


if __name__ == "__main__":
    main()
