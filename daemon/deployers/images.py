"""Which image a commit is in: a name with places to fill, and perhaps a command that makes it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from nightshift.daemon.model import Service
from nightshift.daemon.ports import Deployer


def _argv(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return shlex.split(value)
    except ValueError as error:
        raise ValueError(f"can't be split into words ({error}); write it as a list") from None


Argv = Annotated[tuple[str, ...], BeforeValidator(_argv, json_schema_input_type=str | list[str])]
"""A program and its arguments: a list, or one line that is split as a shell would (and run without a shell)."""

Image = Annotated[str, Field(max_length=300, pattern=r"^$|^[a-z0-9][A-Za-z0-9._/:@{}-]*$")]
"""An image's name; `{commit}` and `{short}` stand for the commit, whole or its first 12 characters."""

Wrong = Callable[[Service, int], str]
"""(service, since ms) → why it is worse than before, '' when it is not: asked at the end of a canary."""


def image_of(template: str, commit: str) -> str:
    """The image of a commit. Raises ValueError for a commit that is none."""
    if not re.fullmatch(r"[0-9a-f]{7,64}", commit):
        raise ValueError(f"{commit!r} is no commit")
    return template.replace("{commit}", commit).replace("{short}", commit[:12])


def build(command: Deployer, argv: tuple[str, ...], service: Service, commit: str, key: str) -> None:
    """Run the command that makes the image, once per key. Raises as the command deployer."""
    if argv:
        command.deploy(replace(service, deploy=argv), commit, f"{key}:build")
