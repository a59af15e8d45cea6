"""`nightshift replay`: hold a recorded tournament again and say what differs."""

from __future__ import annotations

import json
import shutil
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nightshift.daemon.cli.options import ConfigPath, Json, configured, opened
from nightshift.daemon.cli.trouble import Trouble

if TYPE_CHECKING:
    from nightshift.daemon.config import Config
    from nightshift.daemon.missions.replay import Replayed
    from nightshift.daemon.missions.scoresheet import Scoresheet

What = Annotated[
    str, typer.Argument(metavar="MISSION|FILE", help="A mission or its incident, or a file of heal --record.")
]
Repo = Annotated[
    str, typer.Option("--repo", metavar="DIR", help="The git repository with the base; needed for a FILE.")
]
Python = Annotated[
    str, typer.Option("--python", metavar="PATH", help="Interpreter with the dependencies, for a FILE that had one.")
]


def command(what: What, repo: Repo = "", python: Python = "", config: ConfigPath = None, as_json: Json = False) -> int:
    """Judge, compare and choose again among the patches of a recorded tournament; say what comes out otherwise.

    Exit 0 as recorded, 1 something differs, 2 bad usage, 3 the environment broke.
    """
    import sys

    file = Path(what).expanduser()
    if not file.is_file() and (file.is_dir() or file.suffix == ".json" or "/" in what):
        raise Trouble(f"nightshift replay: no such file: {what}; name one that nightshift heal --record wrote")
    settings = configured(config, demand_secrets=False) if config or not file.is_file() else None
    with redirect_stdout(sys.stderr):
        found = _replayed(
            *(_of_file(file, repo, python) if file.is_file() else _of_mission(what, repo, settings)), settings
        )
    _tell(found, as_json)
    return 0 if found.same else 1


def _of_file(file: Path, repo: str, python: str) -> tuple[Scoresheet, str]:
    if not repo:
        raise Trouble("nightshift replay: a record says nothing of where the repository is: give --repo DIR")
    if not Path(repo).expanduser().is_dir():
        raise Trouble(f"nightshift replay: no such folder: {repo}")
    try:
        data = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise Trouble(f"nightshift replay: {file} can't be read: {error}") from error
    return _with_python(_read(data, str(file)), python), str(Path(repo).expanduser().resolve())


def _with_python(sheet: Scoresheet, python: str) -> Scoresheet:
    """With an interpreter that was named here: one is run outside of any sandbox, so a file's word is not enough."""
    if not python and not sheet.case.python:
        return sheet
    if not python:
        raise Trouble(
            f"nightshift replay: it was judged with the interpreter {sheet.case.python!r}, which a file can't have run "
            "here: name the one to use with --python PATH"
        )
    if not (found := shutil.which(Path(python).expanduser())):
        raise Trouble(f"nightshift replay: --python {python} is no program; name an interpreter, say .venv/bin/python")
    return replace(sheet, case=replace(sheet.case, python=str(Path(found).absolute())))


def _of_mission(name: str, repo: str, config: Config | None) -> tuple[Scoresheet, str]:
    from nightshift.daemon.app.replay import daemon_repository, recorded
    from nightshift.daemon.missions.foreground import BadRequest

    assert config is not None
    store = opened(config)
    if store is None:
        raise Trouble(f"nightshift replay: no file {name}, and the daemon of this configuration has never run", code=1)
    try:
        data, service = recorded(store, name)
        return _read(data, name), repo or daemon_repository(config, service)
    except BadRequest as error:
        raise Trouble(f"nightshift replay: {error}", code=1) from error
    finally:
        store.close()


def _read(data: Any, name: str) -> Scoresheet:
    from nightshift.daemon.missions.scoresheet import read

    try:
        return read(data)
    except ValueError as error:
        said = " ".join(" ".join(str(error).splitlines()[:3]).split())
        raise Trouble(f"nightshift replay: {name}: {said[:300]}") from error


def _replayed(sheet: Scoresheet, repo: str, config: Config | None) -> Replayed:
    from nightshift.daemon.app.replay import replay
    from nightshift.daemon.missions.foreground import BadRequest

    try:
        return replay(sheet, repo, lambda _: None, config)
    except BadRequest as error:
        raise Trouble(f"nightshift replay: {error}") from error


def _tell(found: Replayed, as_json: bool) -> None:
    from nightshift.daemon.cli.output import line, print_json
    from nightshift.daemon.missions.replay import lines

    if as_json:
        print_json({"same": found.same, "judged": found.judged, "compared": found.compared, "chosen": found.chosen,
                    "differences": list(found.differences)})  # fmt: skip
        return
    for text in lines(found):
        line(text)
