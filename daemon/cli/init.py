"""`nightshift init`: a commented nightshift.yaml made from what the repository shows."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nightshift.daemon.cli.trouble import Trouble

if TYPE_CHECKING:
    from nightshift.daemon.cli.survey import Survey

Dir = Annotated[Path, typer.Argument(metavar="[DIR]", help="The repository; default: here.")]
Force = Annotated[bool, typer.Option("--force", help="Replace a nightshift.yaml that is there.")]
Print = Annotated[bool, typer.Option("--print", help="Print it, write nothing.")]


def command(folder: Dir = Path("."), force: Force = False, only_print: Print = False) -> None:
    """Write a commented nightshift.yaml for a repository. Nothing that is there is replaced without --force."""
    from nightshift.daemon.cli.survey import survey

    if not folder.is_dir():
        raise Trouble(f"nightshift init: no such folder: {folder}")
    try:
        text = rendered(survey(folder))
        if only_print:
            print(text, end="")
            return
        _write(folder / "nightshift.yaml", text, force)
    except OSError as error:
        raise Trouble(f"nightshift init: {error.filename or folder}: {error.strerror}") from error
    print(f"wrote {folder / 'nightshift.yaml'}; now: nightshift check -c {folder / 'nightshift.yaml'}")


def _write(path: Path, text: str, force: bool) -> None:
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
    try:
        handle = os.open(path, flags, 0o644)
    except FileExistsError:
        raise Trouble(f"nightshift init: {path} is there already; --force replaces it, --print only shows") from None
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text)


def rendered(found: Survey) -> str:
    """The configuration as text; everything that was not found stands there as a comment."""
    return "\n".join((*_head(found), *_service(found), *_rest(found))) + "\n"


def _head(found: Survey) -> list[str]:
    languages = ", ".join(found.languages) or "no source files"
    packages = f"; packages: {', '.join(found.packages)}" if found.packages else ""
    git = "" if found.is_git else "\n# This folder is no git repository yet: git init, add, commit."
    return [
        "# Nightshift's configuration. All keys: nightshift schema, or docs/configuration.md.",
        "# Paths start at this file's folder. Secrets are written as env:NAME or file:PATH, never in clear.",
        f"# Found here: {_comment(languages + packages)}.{git}",
        "",
        "state_dir: .nightshift   # database, repositories, reports; add it to .gitignore",
        "",
    ]


def _service(found: Survey) -> list[str]:
    return [
        "services:",
        f"  - name: {scalar(found.name)}",
        "    repo: .                # only read; its HEAD is never touched",
        f"    branch: {scalar(found.branch)}",
        *_check(found),
        *(["    logs:", *(f"      - {scalar(log)}" for log in found.logs)] if found.logs else
          ["    # logs: [logs/*.log]   # the files tracebacks are written to"]),
        "    # deploy: [./deploy.sh]          # ships the merged commit",
        "    # url: http://127.0.0.1:8000/    # where it answers",
        "    # probe: [curl, -fsS, http://127.0.0.1:8000/health]",
        "    # watch_window_s: 60             # how long a deploy is watched",
        "    autonomy: propose      # observe: only report; propose: a person merges; merge: goes all the way alone",
        "",
    ]  # fmt: skip


def _check(found: Survey) -> list[str]:
    lines = (
        [f"    check: {scalar(found.check)}"]
        if found.check
        else ["    # check: python -m pytest -q   # no tests found"]
    )
    if found.image != "host":
        lines.append(f"    image: {scalar(found.image)}   # an image with the language and the dependencies")
    if found.python:
        lines.append(f"    python: {scalar(found.python)}")
    elif "Python" in found.languages:
        lines.append("    # python: .venv/bin/python      # the interpreter that has the dependencies")
    return lines


def _rest(found: Survey) -> list[str]:
    lines = ["# http:", "#   token: env:NIGHTSHIFT_TOKEN   # without one nothing can be approved over HTTP", ""]
    if found.compose or found.dockerfile:
        lines += ["# monitors:", f"#   docker: {{}}        # {_comment(found.compose or found.dockerfile)} is here:"
                  " containers that die or run out of memory", ""]  # fmt: skip
    if found.manifests:
        lines += ["# monitors:", f"#   kubernetes: {{}}    # {_comment(found.manifests[0])} is here:"
                  " pods that crash or run out of memory", ""]  # fmt: skip
    return [
        *lines,
        "# reports:",
        '#   cron: "0 7 * * *"   # the morning report',
        "#   timezone: Europe/Berlin",
        "#   language: en        # or zh",
    ]


def scalar(text: str) -> str:
    """Text as a YAML scalar: bare when that is safe, else in double quotes (JSON strings are YAML)."""
    bare = re.fullmatch(r"[A-Za-z./][A-Za-z0-9 ._/-]*[A-Za-z0-9._/-]|[A-Za-z.]", text)
    words = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
    return text if bare and text.lower() not in words else json.dumps(text)


def _comment(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
