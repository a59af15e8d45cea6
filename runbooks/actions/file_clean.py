"""Delete old files of a folder by a rule: names, age, how many of the newest stay, when there is room enough. Only
plain files, no links, never out of the folder. Done again, the rule deletes nothing that it has not deleted: no key
needed. What is deleted is gone: there is no undo."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ..action import Action, Evidence, Output
from ..context import Context
from ..errors import ActionFailed
from .places import amount, folder

_MOST_SEEN = 200_000


class Arguments(BaseModel):
    """The rule."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    folder: str = Field(min_length=1, max_length=4096)
    """The folder, absolute, inside `runbooks.limits.roots`."""
    names: tuple[str, ...] = Field(min_length=1, max_length=50)
    """Names of files (`*` allowed), such as `*.log.*`."""
    older_than_s: float = Field(default=86_400.0, ge=0)
    """Only files not changed for so long."""
    keep_newest: int = Field(default=0, ge=0, le=10_000)
    """So many of the newest that fit stay, whatever their age."""
    below: bool = False
    """Also in the folders below, on the same file system."""
    until_free_percent: float = Field(default=100.0, ge=0, le=100)
    """Stop when so much of the file system is free; the oldest go first."""
    at_most: int = Field(default=1000, ge=1, le=100_000)
    """The most files to delete; when more fit, nothing is deleted: the rule is probably wrong."""


@dataclass(frozen=True, kw_only=True)
class _Old:
    path: str
    changed_s: float
    bytes: int
    inode: int


class FileClean(Action):
    """`file.clean`."""

    name: ClassVar[str] = "file.clean"
    accepts: ClassVar[type[BaseModel]] = Arguments
    gives: ClassVar[tuple[str, ...]] = ("files", "freed")

    def describe(self, arguments: Arguments, context: Context) -> str:
        """See Action."""
        del context
        what = ", ".join(arguments.names)
        return f"delete {what} in {arguments.folder} older than {arguments.older_than_s:g} s"

    def run(
        self, arguments: Arguments, context: Context, *, key: str, evidence: Evidence, repeated: bool, timeout_s: float
    ) -> Output:
        """Deletes by the rule; gives `files` and `freed`, in bytes."""
        del key, evidence, repeated
        deadline = context.clock.monotonic() + timeout_s
        with folder(context, arguments.folder) as handle:
            old = _fitting(handle, arguments, context.clock.now_ms() / 1000)
            if len(old) > arguments.at_most:
                raise ActionFailed(
                    f"{len(old)} files fit the rule, at_most is {arguments.at_most}: nothing was deleted"
                )
            gone: list[_Old] = []
            for file in old:
                if _free_percent(handle) >= arguments.until_free_percent:
                    break
                if context.clock.monotonic() > deadline:
                    raise ActionFailed(f"it took longer than {timeout_s:g} s; {len(gone)} files are deleted")
                gone += [file] if _delete(handle, file) else []
        freed = sum(file.bytes for file in gone)
        text = f"{len(gone)} files deleted in {arguments.folder}, {amount(freed)} freed"
        return Output(text=text, values={"files": len(gone), "freed": freed})


def _fitting(handle: int, rule: Arguments, now_s: float) -> list[_Old]:
    """What the rule is about, the oldest first."""
    found = [file for file in _files(handle, "", rule.below, os.fstat(handle).st_dev)
             if any(fnmatchcase(os.path.basename(file.path), name) for name in rule.names)]  # fmt: skip
    found.sort(key=lambda file: file.changed_s)
    rest = found[: max(0, len(found) - rule.keep_newest)]
    return [file for file in rest if now_s - file.changed_s >= rule.older_than_s]


def _files(handle: int, above: str, below: bool, device: int) -> Iterator[_Old]:
    with os.scandir(handle) as entries:
        rows = sorted(((e.name, e.stat(follow_symlinks=False)) for e in entries), key=lambda row: row[0])
    if len(rows) > _MOST_SEEN:
        raise ActionFailed(f"more than {_MOST_SEEN} files in one folder")
    for name, found in rows:
        if stat.S_ISREG(found.st_mode):
            yield _Old(path=above + name, changed_s=found.st_mtime, bytes=found.st_blocks * 512, inode=found.st_ino)
        elif below and stat.S_ISDIR(found.st_mode) and found.st_dev == device:
            inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=handle)
            try:
                yield from _files(inner, f"{above}{name}/", below, device)
            finally:
                os.close(inner)


def _delete(handle: int, file: _Old) -> bool:
    """Delete it if it still is the one that was looked at."""
    *folders, name = file.path.split("/")
    here = os.dup(handle)
    try:
        for part in folders:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
            os.close(here)
            here = inner
        if os.stat(name, dir_fd=here, follow_symlinks=False).st_ino != file.inode:
            return False
        os.unlink(name, dir_fd=here)
    except (FileNotFoundError, NotADirectoryError):
        return False
    finally:
        os.close(here)
    return True


def _free_percent(handle: int) -> float:
    found = os.fstatvfs(handle)
    return 100.0 * found.f_bavail / max(1, found.f_blocks)
