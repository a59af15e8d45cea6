"""`nightshift demo`: the main job on real input, shown as it happens."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nightshift.daemon.cli.trouble import Trouble

if TYPE_CHECKING:
    from rich.console import Console

JsonFile = Annotated[str, typer.Option("--json", metavar="FILE", help="Also write outcomes and durations here.")]
Dir = Annotated[str, typer.Option("--dir", metavar="DIR", help="Where to play; must not exist yet. Kept afterwards.")]


def command(json_file: JsonFile = "", folder: Dir = "") -> int:
    """Run a small shop, crash it three times, and watch Nightshift heal two and escalate one. Exit 0 if it did."""
    root, results = _root(folder), _results(json_file)
    from rich.console import Console

    from nightshift.daemon.demo.play import play
    from nightshift.daemon.demo.show import Terminal

    console = Console(highlight=False)
    audience = Terminal(console)
    console.print("[bold]Nightshift demo[/bold]")
    _need_an_engine()
    place, played = play(root, audience)
    _reports(place.root, console)
    audience.diffs(played)
    good = all(one.as_expected for one in played)
    if results:
        result = {"as_expected": good, "root": str(root), "incidents": [one.to_json() for one in played]}
        results.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    console.print(f"\nreports, logs and repositories: {root}", highlight=False)
    return 0 if good else 1


def _root(folder: str) -> Path:
    if not folder:
        return Path(tempfile.mkdtemp(prefix="nightshift-demo-")) / "demo"
    root = Path(folder).resolve()
    if root.exists() and not (root.is_dir() and not any(root.iterdir())):
        raise Trouble(f"nightshift demo: {root} is not an empty folder; name a new one")
    shutil.rmtree(root, ignore_errors=True)
    return root


def _results(json_file: str) -> Path | None:
    """Where results go; looked at before the minute it takes to have any."""
    if not json_file:
        return None
    results = Path(json_file).resolve()
    if results.is_dir() or not os.access(results.parent, os.W_OK):
        raise Trouble(f"nightshift demo: {json_file} can't be written: name a file in a folder that exists")
    return results


def _need_an_engine() -> None:
    from nightshift.daemon.ports import EnvironmentBroke
    from nightshift.sandboxes.all_sandboxes import engine

    try:
        made = engine()
    except EnvironmentBroke as error:
        raise Trouble(f"nightshift demo: {error}", code=3) from error
    print(f"  sandboxes: {made.name}", file=sys.stdout)
    made.close()


def _reports(root: Path, console: Console) -> None:
    from nightshift.daemon.app.reporting import write_report_of
    from nightshift.daemon.config import load_config

    console.print()
    for path in write_report_of(load_config(root / "nightshift.yaml"), console):
        console.print(f"  {path}", highlight=False)
