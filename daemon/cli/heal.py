"""`nightshift heal`: one mission in the foreground. stdout carries the result and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nightshift.daemon.cli.options import Json, configured
from nightshift.daemon.cli.trouble import Trouble

if TYPE_CHECKING:
    from nightshift.daemon.config import Config
    from nightshift.daemon.missions.foreground import HealRequest, HealResult

MAX_LOG_BYTES = 128 << 20
"""Of a longer log only the end is read: a crash is where it stopped."""

Repo = Annotated[str, typer.Option("--repo", metavar="DIR", help="The git repository; HEAD is healed, DIR only read.")]
Check = Annotated[str, typer.Option("--check", metavar="CMD", help="A command that fails because of the bug.")]
Log = Annotated[str, typer.Option("--log", metavar="FILE", help="A log with the traceback; - reads stdin.")]
Fixers = Annotated[str, typer.Option("--fixers", metavar="A,B", help="Fixers to use, in order.")]
Budget = Annotated[float, typer.Option("--budget-s", metavar="S", help="Seconds it may take.")]
Python = Annotated[
    str, typer.Option("--python", metavar="PATH", help="Interpreter with the dependencies (image host).")
]
Settings = Annotated[
    Path | None,
    typer.Option("--config", "-c", metavar="FILE", help="Take sandbox and fixer settings (a model, say) from here."),
]
Image = Annotated[
    str,
    typer.Option("--image", metavar="NAME", help="host, project (installs the repository's requirements) or an image."),
]


Record = Annotated[
    Path | None, typer.Option("--record", metavar="FILE", help="Write the tournament there, for nightshift replay.")
]


def command(
    repo: Repo, check: Check = "", log: Log = "",
    fixers: Fixers = "revert,dependencies,environment,templates,javascript,donors", budget_s: Budget = 300.0,
    python: Python = "", image: Image = "host", config: Settings = None, record: Record = None, as_json: Json = False,
) -> int:  # fmt: skip
    """Heal one failure of a git repository: reproduce it, draft patches, prove one in a sandbox, print it.

    The failure is given by --check, by --log, or both. Prints JSON with --json or when stdout is no terminal.
    Exit 0 healed, 1 no patch or abstained, 2 bad usage, 3 the environment broke.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    request = _request(repo, check, log, fixers, budget_s, python, image)
    settings = configured(config) if config else None
    with redirect_stdout(sys.stderr), _progress() as note:
        result = _heal(request, note, settings)
    if record:
        _write(record, result)
    if as_json or not sys.stdout.isatty():
        from nightshift.daemon.cli.output import print_json

        print_json(result.to_json())
    else:
        _tell(result.to_json())
    return result.exit_code


def _write(record: Path, result: HealResult) -> None:
    from nightshift.daemon.missions.scoresheet import written

    if result.sheet is None:
        print(f"nightshift heal: nothing to record: {result.reason}", file=sys.stderr)
        return
    try:
        record.expanduser().write_text(json.dumps(written(result.sheet), indent=1) + "\n")
    except OSError as error:
        print(f"nightshift heal: {record} can't be written: {error.strerror}", file=sys.stderr)


def _heal(request: HealRequest, note: Callable[[str], None], config: Config | None) -> HealResult:
    from nightshift.daemon.app import heal
    from nightshift.daemon.missions.foreground import BadRequest

    try:
        return heal(request, note, config)
    except BadRequest as error:
        raise Trouble(f"nightshift heal: {error}") from error


def _request(repo: str, check: str, log: str, fixers: str, budget_s: float, python: str, image: str) -> HealRequest:
    from nightshift.daemon.missions.foreground import HealRequest

    if not check.strip() and not log:
        raise Trouble("nightshift heal: nothing to heal: give --check CMD (a command that fails), --log FILE, or both")
    if not budget_s > 0:
        raise Trouble(f"nightshift heal: --budget-s must be more than 0, not {budget_s:g}")
    return HealRequest(
        repo=_folder(repo), check=check.strip(), log=_log(log) if log else None, fixers=_fixers(fixers),
        budget_s=budget_s, python=_python(python) if python else "", image=image,
    )  # fmt: skip


def _folder(repo: str) -> str:
    path = Path(repo).expanduser()
    if not path.exists():
        raise Trouble(f"nightshift heal: no such folder: {repo}")
    if not path.is_dir():
        raise Trouble(f"nightshift heal: {repo} is a file; --repo names the repository's folder")
    if not (path / ".git").exists() and not ((path / "HEAD").is_file() and (path / "objects").is_dir()):
        raise Trouble(f"nightshift heal: {repo} is not a git repository (its top folder has .git): run git init there")
    return str(path.resolve())


def _log(name: str) -> bytes:
    try:
        if name == "-":
            if sys.stdin.isatty():
                print("reading the log from the terminal; end it with Ctrl-D", file=sys.stderr)
            return _end_of(iter(lambda: sys.stdin.buffer.read(1 << 20), b""))
        with Path(name).expanduser().open("rb") as stream:
            if stream.seekable():
                stream.seek(max(0, os.fstat(stream.fileno()).st_size - MAX_LOG_BYTES))
            return _end_of(iter(lambda: stream.read(1 << 20), b""))
    except OSError as error:
        raise Trouble(f"nightshift heal: can't read the log {name}: {error.strerror}") from error


def _end_of(chunks: Iterator[bytes]) -> bytes:
    kept = bytearray()
    for chunk in chunks:
        kept += chunk
        if len(kept) > 2 * MAX_LOG_BYTES:
            del kept[:-MAX_LOG_BYTES]
    return bytes(kept[-MAX_LOG_BYTES:])


def _fixers(text: str) -> tuple[str, ...]:
    from nightshift.daemon.kit.nearest import nearest
    from nightshift.fixers.all_fixers import FIXERS

    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in FIXERS:
            raise Trouble(f"nightshift heal: no such fixer: '{name}'{nearest(name, FIXERS)}")
    if not names:
        raise Trouble(f"nightshift heal: --fixers names none{nearest('', FIXERS)}")
    return names


def _python(name: str) -> str:
    found = shutil.which(os.path.expanduser(name))
    if found is None:
        why = "is not executable" if Path(name).expanduser().exists() else "does not exist"
        raise Trouble(f"nightshift heal: --python {name} {why}; name an interpreter, for example .venv/bin/python")
    return os.path.abspath(found)


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.markup import escape

    from nightshift.daemon.cli.output import plain

    with Console(stderr=True, highlight=False).status("starting") as status:
        yield lambda text: status.update(escape(plain(text)))


def _tell(result: dict[str, Any]) -> None:
    from nightshift.daemon.cli.output import line

    line(f"{result['outcome']}: {result['reason']}", "bold green" if result["patch"] else "bold")
    for gate in (result["verdict"] or {}).get("gates", ()):
        line(f"  {gate['judgement']:<9} {gate['gate']}  {gate['reason']}")
    if result["patch"]:
        line(f"by {result['patch']['fixer']}: {result['patch']['rationale']}")
        line(result["patch"]["diff"])
    for row in result["rounds"] if len(result["rounds"]) > 1 else ():
        said = row["refuted"] or row["failed"] or row["reason"]
        line(f"  round {row['round']}  {row['creator']:<10} {row['judgement']:<9} {row['score']:>8.4f}  {said}")
    stages = ", ".join(f"{k} {v:.1f} s" for k, v in result["durations_s"].items())
    line(f"{result['candidates']} candidates; {stages}")
