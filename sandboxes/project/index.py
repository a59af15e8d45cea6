"""Where packages come from: the configured index, else what this machine's pip is configured with."""

from __future__ import annotations

import functools
import os
import re
import sys
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from nightshift.daemon.kit.run import run
from nightshift.daemon.ports import EnvironmentBroke

_LIST = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"
_FIX = "set sandbox.project.index to the address of a package index"


def _address(text: str) -> str:
    if not re.match(r"(https?|file)://\S+$", text):
        raise ValueError(
            f"{text!r} is no address of a package index: write https://host/simple or file:///folder/simple"
        )
    return text


class Settings(BaseModel):
    """How project images are made: a repository's own packages, installed once per lock in a sealed build."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    index: tuple[Annotated[str, AfterValidator(_address)], ...] = ()
    """Package indexes (`https://…/simple`, `file:///…/simple`), the only places a build gets anything from; empty:
    those pip is configured with on this machine. Credentials in an address stay on this machine."""
    sdists: bool = False
    """Whether packages without a wheel may be built. Their build code runs, inside the sealed build only."""
    base: str = ""
    """The image to build on, with a Python and its pip or ensurepip; empty: this machine's interpreter. Engines on
    other machines need one."""
    keep: int = Field(default=12, ge=1)
    """How many project images (or directories, for bubblewrap) are kept; the longest unused go first."""
    build_s: float = Field(default=900.0, gt=0)
    """How long a build may take."""
    memory_mb: int = Field(default=2048, ge=256)
    """Memory of a build."""
    disk_mb: int = Field(default=8192, ge=64)
    """How much a build may write."""
    cache_dir: str = ""
    """Where bubblewrap keeps project directories; empty: `nightshift/projects` in the user's cache directory."""


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Indexes and plain folders of files, as URLs, and the certificates to trust ('' = the usual ones)."""

    indexes: tuple[str, ...]
    links: tuple[str, ...] = ()
    cafile: str = ""

    def named(self) -> str:
        """The places without their credentials: what was installed from others is not taken for the same."""
        return " ".join(re.sub(r"(?<=://)[^/]*@", "", each) for each in (*self.indexes, *self.links))


def sources(settings: Settings) -> Sources:
    """The places to get packages from. Raises EnvironmentBroke when none is configured and pip can't tell."""
    if settings.index:
        return Sources(indexes=settings.index, cafile=os.environ.get("PIP_CERT", ""))
    said = dict(_pip_says())
    main = [] if said.get("no-index") else said.get("index-url", "").split() or [_default()]
    links = tuple(each if "://" in each else f"file://{os.path.abspath(each)}"
                  for each in said.get("find-links", "").split())  # fmt: skip
    indexes = (*main, *said.get("extra-index-url", "").split())
    if not indexes and not links:
        raise EnvironmentBroke(f"there is no package index, pip is told to ask none on this machine: {_FIX}")
    return Sources(indexes=indexes, links=links, cafile=said.get("cert", ""))


def _pip_says() -> tuple[tuple[str, str], ...]:
    environment = {name[4:].lower().replace("_", "-"): value for name, value in os.environ.items()
                   if name.startswith("PIP_") and value}  # fmt: skip
    return (*_pip_file(), *environment.items())


@functools.cache
def _pip_file() -> tuple[tuple[str, str], ...]:
    done = run([sys.executable, "-m", "pip", "config", "list"], timeout_s=60, cwd="/")
    rows = (line.partition("=") for line in done.text().splitlines() if line.startswith(("global.", "install.")))
    return tuple((name.partition(".")[2], value.strip("'\"").replace("\\n", " ")) for name, _, value in rows)


@functools.cache
def _default() -> str:
    """pip's own default: its address is pip's to know."""
    done = run([sys.executable, "-c", _LIST], timeout_s=60, cwd="/")
    if not done.ok:
        raise EnvironmentBroke(f"which package index to use is not known, pip is not installed here: {_FIX}")
    return done.text().strip()
