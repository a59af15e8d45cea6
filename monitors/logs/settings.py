"""What a user may say about log files; every default works for a service that writes one file."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


class LogFile(BaseModel):
    """One file, or all files a pattern matches."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    """A path or a glob (`**` crosses folders); `-` is standard input. It need not exist yet. Rotated files it matches
    too, renamed or copied, are not read twice."""
    service: str
    """The service whose crashes these are."""
    format: Literal["auto", "plain", "json"] = "auto"
    """`json`: only JSON lines count; `plain`: JSON is not decoded; `auto`: each line decides."""


class Journal(BaseModel):
    """The systemd journal of this machine, or another one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    service: str = ""
    """The service of entries that `units` does not name; empty: such entries are left out."""
    units: dict[str, str] = Field(default_factory=dict)
    """Unit (`shop.service`, or a pattern like `shop@*.service`) to service."""
    arguments: list[str] = Field(default_factory=list)
    """More arguments of `journalctl`, for example `--directory=/var/log/journal` or `--user`."""
    program: str = "journalctl"
    """The program that is asked."""


class Command(BaseModel):
    """A program whose output is a log; it is started again when it ends."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    argv: list[str] = Field(min_length=1)
    """The program and its arguments; no shell is involved. Its standard error is read too."""
    service: str
    """The service whose crashes these are."""
    format: Literal["auto", "plain", "json"] = "auto"
    """As for files."""


class LogRule(BaseModel):
    """Lines to look for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    regex: str = Field(min_length=1, max_length=500)
    """What a line must contain, as a Python regular expression; the first 1000 bytes of a line are looked at. Patterns
    that can take very long are refused: nested repetitions, back references, look-around."""
    severity: Literal["info", "warning", "error", "critical"] = "warning"
    """How bad it is."""
    title: str = Field(default="", max_length=200)
    """What the incident is called; empty: the line, with what varies left out."""
    service: str = ""
    """The service it is about; empty: the file's."""
    count: int = Field(default=1, ge=1, le=10_000)
    """How many lines must match."""
    within_s: float = Field(default=300.0, gt=0, le=86_400)
    """Within how long they must come; after a signal, matches are only counted for as long. Counts begin anew when the
    monitor starts."""
    by: Literal["rule", "template"] = "rule"
    """`template`: lines that differ only in tokens with digits are counted together, other lines by themselves."""

    @field_validator("regex")
    @classmethod
    def _safe(cls, regex: str) -> str:
        from nightshift.monitors.logs.rules import checked

        checked(regex)
        return regex


class Settings(BaseModel):
    """The log monitor."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    files: list[LogFile] = Field(default_factory=list)
    """What to watch."""
    journals: list[Journal] = Field(default_factory=list)
    """Journals to follow."""
    commands: list[Command] = Field(default_factory=list)
    """Programs to listen to."""
    from_start: bool = False
    """Read files that exist at the very first start from their beginning instead of from their end."""
    rules: list[LogRule] = Field(default_factory=list)
    """Lines that count besides crashes."""
    errors: bool = False
    """Also report ERROR and CRITICAL lines that carry no exception."""
    reconcile_s: float = Field(default=5.0, gt=0)
    """How often every file is looked at even if no event arrived, and offsets are saved. Of very many files 200
    are looked at per second, however long that takes."""
    poll_s: float = Field(default=0.25, gt=0)
    """How often files are looked at where the kernel offers no events."""
    quiet_s: float = Field(default=0.1, gt=0)
    """Silence after an exception line that ends a traceback written line by line; chained ones follow faster than
    this. What a logger wrote at once is reported at once."""
    flush_s: float = Field(default=0.5, gt=0)
    """Silence after which a last line without newline counts as a line."""
    abandon_s: float = Field(default=5.0, gt=0)
    """Silence after which a traceback without exception line is reported as it is."""
    grace_s: float = Field(default=2.0, ge=0)
    """How long a rotated or deleted file is still read after its last growth."""
    line_bytes: int = Field(default=1 << 20, ge=4096)
    """Longer lines are cut here."""
    read_bytes: int = Field(default=256 << 10, ge=4096)
    """How much is read from one file before the next one has its turn."""
    event_lines: int = Field(default=600, ge=50)
    """Lines kept of one traceback; the middle of longer ones is dropped."""
    open_files: int = Field(default=512, ge=1)
    """File descriptors held at most."""
