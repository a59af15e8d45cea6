"""What both engines share of a build: the interpreter it is for, the order it gets, what it answered."""

from __future__ import annotations

import functools
import json
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nightshift.daemon.kit.redact import redact
from nightshift.daemon.kit.run import run
from nightshift.daemon.ports import EnvironmentBroke
from nightshift.sandboxes import images
from nightshift.sandboxes.inside import source
from nightshift.sandboxes.project.distribution import SCRIPTS, SITE
from nightshift.sandboxes.project.index import Settings, sources
from nightshift.sandboxes.project.mirror import Mirror
from nightshift.sandboxes.project.plan import Plan, key_of, plan_of

log = logging.getLogger(__name__)

HOME = "/opt/nightshift/project"
"""Where a project's environment lies inside."""
_ASK = "import json,sys;print(json.dumps([sys._base_executable, sys.version, sys.implementation.cache_tag]))"
_TAIL = 1500


@dataclass(frozen=True, kw_only=True)
class Base:
    """What a project's environment is built on. `identity` tells two interpreters apart."""

    identity: str
    layout: images.Layout | None = None
    image: str = ""


def host_base(python: str) -> Base:
    """This machine's interpreter, without what is installed in the environment `python` may be of."""
    executable, identity = _interpreter(images.interpreter(python).executable)
    return Base(identity=identity, layout=images.host_layout(executable))


@functools.lru_cache(maxsize=16)
def _interpreter(executable: str) -> tuple[str, str]:
    done = run([executable, "-I", "-c", _ASK], timeout_s=30, cwd="/", env={"LANG": "C.UTF-8"})
    try:
        base, version, tag = json.loads(done.stdout)
    except ValueError as error:
        raise EnvironmentBroke(f"{executable} does not run as a Python interpreter: {done.why()}") from error
    return str(base), f"{base} {version} {tag} {sys.platform}"


def image_key(recipe: str, base: Base, settings: Settings) -> str:
    """The name of a recipe's image on a base, from the configured places. Raises EnvironmentBroke when the recipe is
    none, or no place is configured."""
    return key_of(_plan(recipe).text(), f"{base.identity} {sources(settings).named()} sdists={settings.sdists}")


def _plan(recipe: str) -> Plan:
    try:
        return plan_of(recipe)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EnvironmentBroke(f"a project image needs a recipe, this is none: {error}") from error


def with_project(env: Mapping[str, str]) -> dict[str, str]:
    """A sandbox's environment with the project's programs first."""
    return {**env, "PATH": f"{HOME}/bin:{SCRIPTS}:{env.get('PATH', '/usr/local/bin:/usr/bin:/bin')}"}


@dataclass(kw_only=True)
class Build:
    """One build under way: what it is asked, and the mirror it may ask."""

    plan: Plan
    mirror: Mirror
    sdists: bool

    @classmethod
    def of(cls, recipe: str, settings: Settings) -> Build:
        """A build of a recipe. Raises EnvironmentBroke when the recipe or the index makes no sense."""
        plan = _plan(recipe)
        mirror = Mirror(sources=sources(settings), hashes=plan.hashes, sdists=settings.sdists,
                        limit_bytes=settings.disk_mb << 20)  # fmt: skip
        return cls(plan=plan, mirror=mirror, sdists=settings.sdists)

    def order(self) -> bytes:
        """The first line the build reads."""
        told = {"folder": HOME, "site": SITE, "sdists": self.sdists, "attempts": self.plan.attempts(),
                "constraints": self.plan.constraints}  # fmt: skip
        return json.dumps(told).encode() + b"\n"

    def argv(self, *descriptors: int) -> list[str]:
        """The command that builds, over these descriptors (default: standard input and output)."""
        return ["python", "-I", "-S", "-c", source("project_build"), *map(str, descriptors)]

    def accept(self, result: bytes | None, words: bytes, ended: str) -> dict[str, Any]:
        """The build's result, when it succeeded; else raises EnvironmentBroke with what to do."""
        data = _result(result)
        if data and data["attempt"] >= 0 and not (data["attempt"] and self.mirror.failed):  # it would be kept for good
            left = ", ".join(self.plan.wanted) if data["attempt"] else ""
            log.info("project image: %d files fetched, %d packages%s", len(self.mirror.fetched), len(data["held"]),
                     f"; left out, they can't be had together with the rest: {left}" if left else "")  # fmt: skip
            return data
        if self.mirror.failed:
            raise EnvironmentBroke(f"the project image could not be built: {self.mirror.failed[-1]}")
        tail = str(data.get("tail") or words.decode("utf-8", "replace"))
        raise EnvironmentBroke(f"the project image could not be built ({ended}): {_why(tail, self.sdists)}")


def _result(told: bytes | None) -> dict[str, Any]:
    """What the build says of itself; nothing when that is not what a build says (packages' own code ran there)."""
    try:
        data = json.loads(told or b"{}")
    except (ValueError, RecursionError):
        return {}
    sound = isinstance(data, dict) and isinstance(data.get("attempt"), int) and isinstance(data.get("held"), list)
    return data if sound else {}


def _why(tail: str, sdists: bool) -> str:
    """pip's own errors, in its order, and the setting that may help."""
    lines = [line.strip() for line in tail.splitlines() if line.strip()]
    if "[end of output]" in lines:  # of a package's own build
        lines = lines[: lines.index("[end of output]")][-8:]
    errors = [line for line in lines if line.startswith("ERROR:")] or lines[-8:]
    hint = "" if sdists else "; wheels only: set sandbox.project.sdists to allow building the others"
    return redact("; ".join(errors))[-_TAIL:] + (hint if "No matching distribution" in tail else "")
