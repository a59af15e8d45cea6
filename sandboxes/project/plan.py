"""What a project image holds, as a value: two trees with equal plans share one image."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field

RECIPE = 1
"""Part of every image's name: raise it when the way images are built changes."""
_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """`required` and `wanted` are PEP 508 lines; the wanted ones (tests, development) are left out when they can't be
    had together with the required ones. `constraints` are lines for pip's constraints file; `hashes` maps normalised
    names to the SHA-256 digests a lock allows: files of such a name with other digests are not served to the build.
    `dropped` says what can't be installed from an index, for people.
    """

    required: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    hashes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()

    def text(self) -> str:
        """The plan as canonical JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    def attempts(self) -> tuple[tuple[str, ...], ...]:
        """Lists of lines to install, the fullest first; pytest is always among them."""
        full = (*self.required, *self.wanted)
        lists = [full, self.required] if self.wanted else [full]
        return tuple(each if "pytest" in map(name_of, each) else (*each, "pytest") for each in lists)


def plan_of(text: str) -> Plan:
    """The plan a text stands for; raises ValueError."""
    data = json.loads(text)
    lists = {name: tuple(data[name]) for name in ("required", "wanted", "constraints", "dropped")}
    return Plan(hashes={name: tuple(each) for name, each in data["hashes"].items()}, **lists)


def key_of(text: str, interpreter: str) -> str:
    """The name of the image of a plan for an interpreter (its version and where it lives): 24 hex digits."""
    data = json.loads(text)
    data.pop("dropped")
    said = json.dumps([RECIPE, interpreter, data], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:24]


def normal(name: str) -> str:
    """A distribution's name as indexes spell it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def name_of(line: str) -> str:
    """The normalised name a PEP 508 line begins with, '' when there is none."""
    found = _NAME.match(line)
    return normal(found[1]) if found else ""


def unique(lines: Iterable[str]) -> tuple[str, ...]:
    """The lines in order, each once."""
    return tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))
