"""Empty a file that somebody holds open, so that its space is free at once; its last bytes may be kept. What is cut
is gone: there is no undo."""

from __future__ import annotations

import os
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ..action import Action, Evidence, Output
from ..context import Context
from ..errors import ActionFailed
from .places import amount, noted, place


class Arguments(BaseModel):
    """Which file, and what stays of it."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    path: str = Field(min_length=2, max_length=4096)
    """The file, absolute, inside `runbooks.limits.roots`."""
    keep_bytes: int = Field(default=0, ge=0, le=16 << 20)
    """How much of its end stays."""
    min_bytes: int = Field(default=1, ge=1)
    """Leave a file alone that is smaller than this."""


class FileTruncate(Action):
    """`file.truncate`."""

    name: ClassVar[str] = "file.truncate"
    accepts: ClassVar[type[BaseModel]] = Arguments
    gives: ClassVar[tuple[str, ...]] = ("freed",)

    def describe(self, arguments: Arguments, context: Context) -> str:
        """See Action."""
        del context
        return f"truncate {arguments.path} to its last {amount(arguments.keep_bytes)}"

    def before(self, arguments: Arguments, context: Context, *, timeout_s: float) -> Evidence:
        """The file's inode and size."""
        del timeout_s
        return noted(context, arguments.path)

    def run(
        self, arguments: Arguments, context: Context, *, key: str, evidence: Evidence, repeated: bool, timeout_s: float
    ) -> Output:
        """Truncates unless it is smaller than when it was noted; gives `freed`, in bytes."""
        del key, timeout_s
        with place(context, arguments.path) as file:
            file.regular()
            handle = file.open(os.O_RDWR)
            try:
                found = os.fstat(handle)
                if found.st_ino != evidence["inode"]:
                    raise ActionFailed(f"{arguments.path} is another file than before")
                if found.st_size < arguments.min_bytes or (repeated and found.st_size < evidence["bytes"]):
                    return Output(text=f"{arguments.path} is small already", values={"freed": 0})
                kept = min(arguments.keep_bytes, found.st_size)
                tail = os.pread(handle, kept, found.st_size - kept)
                os.ftruncate(handle, 0)
                if tail:
                    os.pwrite(handle, tail, 0)
            finally:
                os.close(handle)
        freed = evidence["bytes"] - kept
        return Output(text=f"{arguments.path} truncated, {amount(freed)} freed", values={"freed": freed})
