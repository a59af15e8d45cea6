"""What the demo's audience sees: one line a stage with its duration, then the reports and the diffs."""

from __future__ import annotations

from rich.console import Console
from rich.status import Status
from rich.syntax import Syntax
from rich.text import Text

from nightshift.daemon.demo.play import Act, Played
from nightshift.daemon.kit.redact import redact
from nightshift.daemon.model import Stage

_MARKS = {Stage.HEALED: ("healed", "bold green"), Stage.ESCALATED: ("escalated to a person", "bold yellow")}


class Terminal:
    """`Audience` on a terminal (or in a file: then without the spinner)."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None

    def line(self, text: str) -> None:
        """One plain line."""
        self._console.print(Text(f"  {text}", style="dim"), soft_wrap=True)

    def act(self, act: Act, status: int) -> None:
        """A request crashed the shop."""
        self._console.print()
        self._console.print(Text.assemble(("● ", "red"), (act.name, "bold"), f"  GET {act.request} → {status}"))
        self._spin("waiting for the daemon to see it")

    def stage(self, stage: str, seconds: float, note: str) -> None:
        """A stage is over."""
        self._rest()
        mark = Text.assemble(("  ✓ ", "green"), f"{stage:<18}", (f"{seconds:7.2f} s  ", "cyan"), (_short(note), "dim"))
        self._console.print(mark, no_wrap=True, overflow="ellipsis")
        self._spin("working")

    def end(self, played: Played) -> None:
        """An act is over."""
        self._rest()
        word, style = _MARKS.get(played.mission.stage, (played.mission.stage.value, "bold red"))
        took_s = sum(played.stages_s.values())
        self._console.print(Text.assemble("  ", (word, style), f" in {took_s:.1f} s: {_short(played.mission.reason)}"))
        self._console.print(Text(f"  GET {played.act.request} → {played.status_after} {played.body_after[:80]}"))
        if not played.as_expected:
            self._console.print(Text(f"  expected: {played.act.expected.value}", style="bold red"))

    def diffs(self, played: list[Played]) -> None:
        """What was merged."""
        for one in played:
            if one.diff and one.mission.stage == Stage.HEALED:
                self._console.print(Text(f"\n{one.act.name}, by {one.fixer}:", style="bold"))
                lines = [line for line in one.diff.splitlines() if not line.startswith("index ")]
                self._console.print(Syntax("\n".join(lines), "diff", background_color="default"))

    def _spin(self, text: str) -> None:
        if self._console.is_terminal:
            self._status = self._console.status(text)
            self._status.start()

    def _rest(self) -> None:
        if self._status:
            self._status.stop()
            self._status = None


def _short(text: str) -> str:
    lines = redact(text).splitlines() or [""]
    return lines[0][:140]
