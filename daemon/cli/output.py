"""Printing: JSON for programs, tables for people; colours only on a terminal and never under NO_COLOR."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from nightshift.daemon.kit.plain import plain

if TYPE_CHECKING:
    from rich.console import Console


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def console() -> Console:
    """Where people read. Off a terminal lines are not wrapped, so that grep and awk work."""
    from rich.console import Console

    return Console(highlight=False, emoji=False, markup=False, width=None if sys.stdout.isatty() else 10_000)


def line(text: str = "", style: str = "") -> None:
    """Text as it is, made plain; long lines are left to the terminal, so that a diff can be copied."""
    console().print(plain(text), style=style or None, soft_wrap=True)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], styles: Iterable[str] = ()) -> None:
    """A plain table; `styles` colours its rows in turn. Text is printed as it is, never read as markup."""
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for head in heads:
        drawn.add_column(head, overflow="fold")
    style_of = iter(styles)
    for row in rows:
        drawn.add_row(*(Text(plain(cell)) for cell in row), style=next(style_of, None))
    out = console()
    with out.capture() as captured:
        out.print(drawn)
    sys.stdout.write("".join(line.rstrip() + "\n" for line in captured.get().splitlines()))


def at(ms: int) -> str:
    """A moment in this machine's time zone, to the second."""
    return datetime.fromtimestamp(ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S") if ms else ""


__all__ = ["at", "line", "plain", "print_json", "table"]
