"""The daemon with a step that takes a minute: ``python slow.py CONFIG MARK`` touches MARK when the step begins."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from nightshift.daemon.app.serve import serve
from nightshift.daemon.config import load_config
from nightshift.daemon.missions.durable import Json
from nightshift.daemon.missions.parts import Parts
from nightshift.daemon.missions.steps import Steps


class Slow(Steps):
    """Gathers for a minute."""

    def __init__(self, parts: Parts, mark: Path) -> None:
        super().__init__(parts)
        self._mark = mark

    def gather(self, mission: str, number: int) -> Json:
        self._mark.touch()
        time.sleep(60)
        return super().gather(mission, number)


if __name__ == "__main__":
    sys.exit(serve(load_config(Path(sys.argv[1])), lambda parts: Slow(parts, Path(sys.argv[2]))))
