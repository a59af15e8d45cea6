"""Notices as files in a folder: the channel that works without a network and leaves a record."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.model import Health
from nightshift.daemon.ports import Notice, Notifier, Refused
from nightshift.daemon.reports.as_json import from_dict
from nightshift.daemon.reports.clean import LONG_LIMIT, clean_json, clean_text
from nightshift.daemon.reports.files import safe_name, write_report, write_whole
from nightshift.daemon.reports.markdown import fence, inline


class Settings(BaseModel):
    """Where files go and in which formats."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: Path
    """Made if missing."""
    formats: tuple[Literal["md", "html", "json"], ...] = Field(default=("md", "html", "json"), min_length=1)
    """Formats of a report; other notices are written as Markdown and JSON."""


def create(settings: Settings, clock: Clock) -> Notifier:  # noqa: ARG001
    """The notifier."""
    return FileNotifier(settings)


class FileNotifier:
    """Writes ``report-YYYY-MM-DD.{md,html,json}``; any other notice as ``<key>.{md,json}``. Again replaces."""

    name = "file"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def send(self, notice: Notice) -> None:
        """Write. Raises `EnvironmentBroke` when the disk refuses, `Refused` for a report nobody can read."""
        report = notice.data.get("report")
        if isinstance(report, dict):
            try:
                data = from_dict(report)
            except ValueError as error:
                raise Refused(f"the notice's report is not one: {str(error).splitlines()[0]}") from None
            write_report(data, self._settings.folder, self._settings.formats)
            return
        self._plain(notice)

    def _plain(self, notice: Notice) -> None:
        base = self._settings.folder / safe_name(notice.key)
        raw = {"key": notice.key, "title": notice.title, "text": notice.text, "severity": notice.severity}
        text = json.dumps(clean_json({**raw, "data": notice.data}), ensure_ascii=False, indent=2)
        write_whole(base.with_name(base.name + ".json"), text + "\n")
        title, shown = inline(clean_text(notice.title)), fence(clean_text(notice.text, LONG_LIMIT))
        write_whole(base.with_name(base.name + ".md"), f"# {title}\n\n{shown}\n")

    def probe(self) -> Health:
        """Whether the folder can be written to."""
        folder = self._settings.folder
        there = next((p for p in (folder, *folder.parents) if p.exists()), Path("/"))
        if there.is_dir() and os.access(there, os.W_OK):
            return Health(ok=True, what="report folder", detail=str(folder))
        return Health(ok=False, what="report folder", detail=f"{there} can't be written to",
                      fix=f"mkdir -p {folder} and make it writable")  # fmt: skip
