"""`nightshift check`: the configuration and the world around it, with a fix for every red row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nightshift.daemon.cli import output
from nightshift.daemon.cli.options import ConfigPath, Json, configured

if TYPE_CHECKING:
    from nightshift.daemon.model import Health


def command(config: ConfigPath = None, as_json: Json = False) -> int:
    """Check the configuration and the world around it. Exit 0 all well, 1 something is red, 2 the file is wrong."""
    from nightshift.daemon.doctor import checks
    from nightshift.daemon.model import dump

    found = list(_watched(checks(configured(config))))
    if as_json:
        output.print_json([dump(row) for row in found])
    else:
        _tell(found)
    return 0 if all(row.ok for row in found) else 1


def _watched(rows: Iterator[Health]) -> Iterator[Health]:
    import sys

    if not sys.stderr.isatty():
        yield from rows
        return
    from rich.console import Console

    with Console(stderr=True, highlight=False).status("looking") as status:
        for row in rows:
            status.update(f"looked at {row.what}")
            yield row


def _tell(rows: list[Health]) -> None:
    words = [("ok" if not row.fix else "note", "") if row.ok else ("RED", "red") for row in rows]
    cells = [(word, row.what, row.detail, row.fix) for (word, _), row in zip(words, rows, strict=True)]
    output.table(("", "WHAT", "FOUND", "WHAT TO DO"), cells, [style for _, style in words])
    red = sum(not row.ok for row in rows)
    print(f"{red} of {len(rows)} red" if red else f"all {len(rows)} well")
