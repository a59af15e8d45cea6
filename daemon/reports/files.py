"""Reports on disk: written whole or not at all, so that nobody ever reads half of one."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from nightshift.daemon.ports import EnvironmentBroke
from nightshift.daemon.reports.as_json import to_json
from nightshift.daemon.reports.html import to_html
from nightshift.daemon.reports.markdown import to_markdown
from nightshift.daemon.reports.model import ReportData

FORMATS: Mapping[str, Callable[[ReportData], str]] = {"md": to_markdown, "html": to_html, "json": to_json}
"""File name extension to renderer."""


def write_report(data: ReportData, folder: Path, formats: Sequence[str] = tuple(FORMATS)) -> list[Path]:
    """Write ``<id>.<format>`` for each format; returns the paths. Writing again replaces. Raises EnvironmentBroke."""
    paths = []
    for name in formats:
        path = folder / f"{safe_name(data.id)}.{name}"
        write_whole(path, FORMATS[name](data))
        paths.append(path)
    return paths


def safe_name(text: str) -> str:
    """A file name out of any key: no separators, no leading dot, at most 100 characters."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).lstrip(".-")[:100] or "report"


def write_whole(path: Path, text: str) -> None:
    """Write a file atomically (temporary file, fsync, rename). Raises EnvironmentBroke when the disk refuses."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                out.write(text)
                out.flush()
                os.fsync(out.fileno())
            os.chmod(temporary, 0o640)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise EnvironmentBroke(f"can't write {path.name}: {error.strerror or error}") from None
