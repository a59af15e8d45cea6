"""What a mission knows: where it broke, how it is made to fail, what was done about its like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from nightshift.daemon.model.observed import Frame


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """A place or commit that may be to blame. `path`/`line` point into the tree at base; `commit` is full hex or ''."""

    path: str = ""
    line: int = 0
    function: str = ""
    commit: str = ""
    weight: float = 0.0
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """The evidence a mission starts from. Frames' paths are relative to the repository, in-app frames only."""

    title: str = ""
    exception: str = ""
    message: str = ""
    frames: tuple[Frame, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    sample: str = ""


class TestStatus(StrEnum):
    """What one test did; a skip is not a pass."""

    __test__ = False
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    ERROR = "error"


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """Red before green: a command that fails on the base commit because of the incident.

    `kind`: ``check`` (the given command), ``existing`` (a test of the repository that fails in the same
    frames), ``synthesised`` (a test made from recorded locals), ``none`` (nothing could be made red; `reason`
    says why). `command` is the whole check as a shell line. `failing` are pytest ids that fail on base and
    must pass afterwards (empty when the check isn't pytest); `baseline` maps every collected id to its status
    on base. `files` are added to the tree before the command runs and never part of a patch.
    """

    kind: str
    command: str = ""
    failing: tuple[str, ...] = ()
    baseline: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    evidence: str = ""
    reason: str = ""
    duration_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Case:
    """Everything reproduction, fixers and tester need to know of one mission.

    `repo` is a bare repository the daemon owns (never the monitored one), `base` a full commit id in it.
    `python` is the interpreter used in the ``host`` image ('' = the daemon's own). `criticism` is what was held against
    patches of earlier rounds, a line each; `parents` are those patches, for creators that vary what nearly worked.
    `precedents` healed earlier incidents here, newest first.
    """

    id: str
    repo: str
    base: str
    check: str = ""
    image: str = "host"
    python: str = ""
    diagnosis: Diagnosis = field(default_factory=Diagnosis)
    reproduction: Reproduction | None = None
    criticism: tuple[str, ...] = ()
    parents: tuple[Patch, ...] = ()
    precedents: tuple[Precedent, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Precedent:
    """A change that healed an earlier incident of the same repository: `diff` on the commit `base`."""

    mission: str
    base: str
    diff: str


@dataclass(frozen=True, kw_only=True)
class Patch:
    """A drafted change: a unified diff (``a/`` ``b/`` prefixes, `git apply` takes it at `base`)."""

    id: str
    base: str
    diff: str
    files: tuple[str, ...]
    fixer: str
    rationale: str
    kind: str = ""
    score: float = 0.0
    parents: tuple[str, ...] = ()
