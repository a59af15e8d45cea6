"""Put a file aside under a number and begin a new, empty one of the same mode and owner. The file's inode, noted first,
tells a repeated run that it was done already."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ..action import Action, Evidence
from ..context import Context
from .places import Place, amount, noted, place


class Arguments(BaseModel):
    """Which file, and how many old ones to keep."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    path: str = Field(min_length=2, max_length=4096)
    """The file, absolute, inside `runbooks.limits.roots`."""
    keep: int = Field(default=5, ge=1, le=100)
    """How many old ones stay (`file.1` is the newest); the next one is deleted."""


class FileRotate(Action):
    """`file.rotate`."""

    name: ClassVar[str] = "file.rotate"
    accepts: ClassVar[type[BaseModel]] = Arguments
    can_undo: ClassVar[bool] = True

    def describe(self, arguments: Arguments, context: Context) -> str:
        """See Action."""
        del context
        return f"rotate {arguments.path}, keep {arguments.keep}"

    def before(self, arguments: Arguments, context: Context, *, timeout_s: float) -> Evidence:
        """The file's inode and size."""
        del timeout_s
        return noted(context, arguments.path)

    def run(
        self, arguments: Arguments, context: Context, *, key: str, evidence: Evidence, repeated: bool, timeout_s: float
    ) -> str:
        """Rotates unless the file is another one already. Whoever writes it has to open it again (`process.signal`)."""
        del key, repeated, timeout_s
        with place(context, arguments.path) as file:
            found = file.look()
            if found is not None and found.st_ino == evidence["inode"]:
                _make_room(file, arguments.keep)
                os.rename(file.name, f"{file.name}.1", src_dir_fd=file.folder, dst_dir_fd=file.folder)
            _begin(file)
        return f"{arguments.path} put aside with {amount(evidence['bytes'])}"

    def undo(self, arguments: Arguments, context: Context, *, key: str, evidence: Evidence, timeout_s: float) -> str:
        """Puts the old file back if nothing was written to the new one."""
        del key, timeout_s
        with place(context, arguments.path) as file:
            old, new = file.look(f"{file.name}.1"), file.look()
            if old is None or old.st_ino != evidence["inode"] or (new is not None and new.st_size):
                return f"{arguments.path} stays as it is: it was written to since"
            os.rename(f"{file.name}.1", file.name, src_dir_fd=file.folder, dst_dir_fd=file.folder)
        return f"{arguments.path} is what it was"


def _make_room(file: Place, keep: int) -> None:
    """Free the number 1. Only what stands before the first gap moves, so that a shift that was cut off goes on."""
    gap = next((at for at in range(1, keep + 1) if file.look(f"{file.name}.{at}") is None), keep)
    for at in range(gap - 1, 0, -1):
        os.rename(f"{file.name}.{at}", f"{file.name}.{at + 1}", src_dir_fd=file.folder, dst_dir_fd=file.folder)


def _begin(file: Place) -> None:
    """A new file with the mode and owner of the old one."""
    model = file.look(f"{file.name}.1")
    with suppress(FileExistsError):
        handle = file.open(os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            if model is not None:
                if (model.st_uid, model.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(handle, model.st_uid, model.st_gid)
                os.fchmod(handle, model.st_mode & 0o777)
        finally:
            os.close(handle)
