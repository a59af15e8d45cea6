"""How full the file system of a folder is. Changes nothing."""

from __future__ import annotations

import os
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ..action import Action, Evidence, Output
from ..context import Context
from ..errors import ActionFailed
from .places import amount, folder


class Arguments(BaseModel):
    """Which folder, and how full it may be."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    folder: str = Field(min_length=1, max_length=4096)
    """The folder, absolute, inside `runbooks.limits.roots`."""
    below_percent: float = Field(default=100.0, ge=0, le=100)
    """Fail when more than this is used, of space or of inodes."""


class FileUsage(Action):
    """`file.usage`."""

    name: ClassVar[str] = "file.usage"
    accepts: ClassVar[type[BaseModel]] = Arguments
    gives: ClassVar[tuple[str, ...]] = ("used_percent", "free_bytes", "inodes_percent")

    def describe(self, arguments: Arguments, context: Context) -> str:
        """See Action."""
        del context
        return f"look how full the file system of {arguments.folder} is"

    def run(
        self, arguments: Arguments, context: Context, *, key: str, evidence: Evidence, repeated: bool, timeout_s: float
    ) -> Output:
        """Gives `used_percent`, `free_bytes`, `inodes_percent`; raises ActionFailed when it is too full."""
        del key, evidence, repeated, timeout_s
        with folder(context, arguments.folder) as handle:
            found = os.fstatvfs(handle)
        used = 100.0 * (1 - found.f_bavail / max(1, found.f_blocks))
        inodes = 100.0 * (1 - found.f_favail / found.f_files) if found.f_files else 0.0
        free = found.f_bavail * found.f_frsize
        text = f"{arguments.folder}: {used:.1f} % used, {amount(free)} free, {inodes:.1f} % of inodes used"
        if max(used, inodes) > arguments.below_percent:
            raise ActionFailed(f"{text}; allowed are {arguments.below_percent:g} %")
        values = {"used_percent": round(used, 2), "free_bytes": free, "inodes_percent": round(inodes, 2)}
        return Output(text=text, values=values)
