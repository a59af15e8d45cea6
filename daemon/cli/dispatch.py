"""Runs one command and turns whatever it raises into a line on stderr and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import typer

from nightshift.daemon.cli.trouble import Trouble
from nightshift.daemon.kit.redact import redact
from nightshift.daemon.ports import EnvironmentBroke

HELP = {"help_option_names": ["-h", "--help"]}


def dispatch(name: str, module: str, args: Sequence[str], *, debug: bool) -> int:
    """Exit code of `nightshift NAME ARGS`. `module` is where it lives in this package."""
    try:
        result = _command(name, module)(list(args), prog_name=f"nightshift {name}", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except typer.Exit as end:
        return end.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:  # noqa: BLE001 - the edge of the program: every error becomes a line and a code
        return _failed(name, error, debug)


def _command(name: str, module: str) -> Any:
    loaded = import_module(f"nightshift.daemon.cli.{module}")
    app = getattr(loaded, "app", None)
    if app is None:
        app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
        app.command(name, context_settings=HELP)(getattr(loaded, name if module != name else "command"))
    return typer.main.get_command(app)


def _failed(name: str, error: Exception, debug: bool) -> int:
    if debug:
        sys.stderr.write(redact("".join(traceback.format_exception(error))))
    if isinstance(error, Trouble):
        for line in error.lines:
            _say(line)
        return error.code
    usage = getattr(error, "format_message", None)
    if usage is not None and str(usage()).lstrip().startswith("Usage:"):
        _say(str(usage()))
        return 2
    if usage is not None:
        text = " ".join(str(usage()).split())
        _say(f"nightshift {name}: {text} (nightshift {name} --help)")
        return int(getattr(error, "exit_code", 2))
    first = (str(error).strip().splitlines() or [""])[0]
    _say(f"nightshift {name}: {_kind(error)}{first}" + ("" if debug or not _kind(error) else " (--debug shows where)"))
    return 3


def _kind(error: Exception) -> str:
    """What to put before an error's text: nothing for a world that is broken, words for the store, else its type."""
    if isinstance(error, EnvironmentBroke):
        return ""
    database = sys.modules.get("nightshift.daemon.store.database")  # not loaded: then it did not fail either
    if database and isinstance(error, database.STORE_ERRORS):
        return "the store can't be used: "
    return f"{type(error).__name__}: "


def _say(line: str) -> None:
    print(redact(line), file=sys.stderr)
