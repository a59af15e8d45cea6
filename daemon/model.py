"""The nouns. Frozen values that cross every boundary of the house; a change is a new value plus one journal event.

Times are Unix milliseconds (`_ms`), durations seconds (`_s`). Every noun survives a JSON round trip:
``load(Signal, dump(signal)) == signal``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")


class Severity(StrEnum):
    """How bad an observation is; the order of the members is the order of severity."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One stack frame. `locals` holds (name, repr) pairs when the source records them, else nothing."""

    path: str
    line: int
    function: str
    code: str = ""
    locals: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Signal:
    """One observation by a monitor.

    `key` identifies the observation at its source (for a log: file identity and offset), so that reading it
    twice counts it once. Frames are outermost first, the crash site last. `exception` is the type's name
    as printed (``KeyError``, ``shop.errors.Refused``); empty for alerts and container events. A monitor may fold
    observations of one kind into one signal: `count` says how many it stands for, `last_at_ms` when the last of
    them was (0: `at_ms`).
    """

    key: str
    source: str
    service: str
    title: str
    at_ms: int
    kind: str = "crash"
    severity: Severity = Severity.ERROR
    exception: str = ""
    message: str = ""
    frames: tuple[Frame, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    sample: str = ""
    resolved: bool = False
    count: int = 1
    last_at_ms: int = 0


class IncidentState(StrEnum):
    """Where an incident stands, as people see it."""

    OPEN = "open"
    HEALED = "healed"
    ESCALATED = "escalated"
    DISMISSED = "dismissed"


@dataclass(frozen=True, kw_only=True)
class Incident:
    """Signals with one cause. `signal` is the one to mend from; `previous` links a recurrence to its forerunner.

    `held` says why it has no mission ('' = it should have one): threshold | known | flapping | storm. `joined` names
    the incident that took this one over ('' = none): it was a symptom of that one.
    """

    id: str
    fingerprint: str
    service: str
    title: str
    severity: Severity
    state: IncidentState
    first_at_ms: int
    last_at_ms: int
    count: int
    signal: Signal
    previous: str = ""
    held: str = ""
    joined: str = ""


@dataclass(frozen=True, kw_only=True)
class Service:
    """What Nightshift looks after: a program, its repository, how it is checked, shipped and watched."""

    name: str
    repo: str
    branch: str = "main"
    check: str = ""
    image: str = "host"
    python: str = ""
    deploy: tuple[str, ...] = ()
    deploy_timeout_s: float = 300.0
    url: str = ""
    probe: tuple[str, ...] = ()
    watch_window_s: float = 60.0
    watch_interval_s: float = 5.0
    autonomy: str = "propose"
    runbook: str = ""
    forge: str = "local"
    canary_s: float = 0.0


class Stage(StrEnum):
    """The stages of a mission, in order; the last four are ends. A runbook's mission is `operating` instead of what
    stands between `gathering` and `deploying`."""

    QUEUED = "queued"
    GATHERING = "gathering"
    REPRODUCING = "reproducing"
    DRAFTING = "drafting"
    JUDGING = "judging"
    PROPOSING = "proposing"
    AWAITING_APPROVAL = "awaiting_approval"
    MERGING = "merging"
    DEPLOYING = "deploying"
    OPERATING = "operating"
    WATCHING = "watching"
    ROLLING_BACK = "rolling_back"
    HEALED = "healed"
    ROLLED_BACK = "rolled_back"
    ESCALATED = "escalated"
    DISMISSED = "dismissed"


ENDS = frozenset({Stage.HEALED, Stage.ROLLED_BACK, Stage.ESCALATED, Stage.DISMISSED})


@dataclass(frozen=True, kw_only=True)
class Mission:
    """The durable attempt to heal one incident. `reason` says why it stands where it stands."""

    id: str
    incident: str
    service: str
    stage: Stage
    paused: bool = False
    round: int = 0
    reason: str = ""
    started_at_ms: int = 0
    updated_at_ms: int = 0
    spent_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Event:
    """One line of the journal: who moved what, why and when. `data` is plain JSON (evidence, hand-off note)."""

    at_ms: int
    mission: str
    stage: str
    actor: str
    reason: str
    data: Mapping[str, Any] = field(default_factory=dict)
    id: int = 0


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


class Judgement(StrEnum):
    """A verdict's three outcomes; `unjudged` means the environment broke, not that the patch is wrong."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNJUDGED = "unjudged"


@dataclass(frozen=True, kw_only=True)
class GateResult:
    """What one gate said of one patch."""

    gate: str
    judgement: Judgement
    reason: str
    duration_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The tester's judgement of one patch, gate by gate; `failed` names the gate that stopped it.

    `patch` may be smaller than the one drafted: hunks that proved unnecessary are dropped. `quarantined` are tests that
    were not held against the patch: on base they do not do the same every time, or in every order.
    """

    judgement: Judgement
    patch: Patch
    gates: tuple[GateResult, ...] = ()
    failed: str = ""
    reason: str = ""
    quarantined: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Criticism:
    """What the critic says of one patch.

    Patches that answered every tried input alike carry the same `cluster` (0: nothing could be compared). `refuted`
    says which oracle contradicts the patch ('' = none does). `lesson` is the source of a test module, or '', that fails
    for this patch and holds what the oracle says: the next round's creators have to turn it green.
    """

    patch: str
    cluster: int = 0
    refuted: str = ""
    lesson: str = ""


@dataclass(frozen=True, kw_only=True)
class Critique:
    """What the critic says of a field of patches, best first.

    `inputs` is how many inputs were tried, `recorded` how many of them production recorded. `abstain` says why nobody
    can tell which patch is right ('' = one can). `witnesses` are lines for people: an input and what each cluster
    answers.
    """

    criticisms: tuple[Criticism, ...] = ()
    clusters: int = 0
    inputs: int = 0
    recorded: int = 0
    abstain: str = ""
    witnesses: tuple[str, ...] = ()


class ChangeState(StrEnum):
    """Where a change request stands."""

    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"


@dataclass(frozen=True, kw_only=True)
class ChangeDraft:
    """What a forge is asked to propose. `key` is the idempotency key: one change request per key, ever.

    `round` counts how often the work was done again: a higher one than the forge has moves the same request to this
    draft and tells so in a comment. `draft`: people have to decide, so it is not shown as ready. `urgent` is never held
    back by a cap. `supersedes` are keys of requests that this one makes needless.
    """

    key: str
    base: str
    diff: str
    title: str
    body: str
    target: str = "main"
    labels: tuple[str, ...] = ()
    round: int = 0
    draft: bool = False
    urgent: bool = False
    supersedes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ChangeRequest:
    """A pull request as the forge has it. `head` is the commit that was judged; `merged` the merge result or ''.

    `landed_on` is the commit the merge was put on; another one than the judged base means that somebody else's merge
    came in between, at the same moment ('' = not merged, or not known).
    """

    key: str
    number: int
    branch: str
    target: str
    base: str
    head: str
    title: str
    body: str
    state: ChangeState
    url: str = ""
    merged: str = ""
    round: int = 0
    landed_on: str = ""


class CheckState(StrEnum):
    """What a check of the forge says of a commit."""

    GREEN = "green"
    PENDING = "pending"
    RED = "red"


@dataclass(frozen=True, kw_only=True)
class ForgeCheck:
    """One check that ran, or has to run, on a change request's head."""

    name: str
    state: CheckState
    required: bool = False
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """Whether a forge's own rules let a change request be merged: checks, and people's reviews.

    `refused` says what forbids it until somebody changes something, `waiting` what it still waits for; both '': ready.
    """

    checks: tuple[ForgeCheck, ...] = ()
    approvals: int = 0
    approvals_needed: int = 0
    objections: tuple[str, ...] = ()
    refused: str = ""
    waiting: str = ""

    @property
    def ready(self) -> bool:
        """Nothing stands in the way."""
        return not (self.refused or self.waiting)


class ForgeEventKind(StrEnum):
    """What people do to a change request, on the forge."""

    SAID = "said"
    PUSHED = "pushed"
    MERGED = "merged"
    CLOSED = "closed"


@dataclass(frozen=True, kw_only=True)
class ForgeEvent:
    """Something a forge told about a branch of ours. `key` identifies it, so that hearing it twice counts once.

    `repository` is ``owner/name`` as the forge spells it, `text` what was said after ``nightshift:``, `head` the commit
    the branch stands at afterwards ('' = not told). Some forges name only the request's `number`.
    """

    key: str
    forge: str
    repository: str
    kind: ForgeEventKind
    branch: str
    actor: str
    number: int = 0
    text: str = ""
    head: str = ""
    at_ms: int = 0


class Recovery(StrEnum):
    """What production did after a deploy."""

    RECOVERED = "recovered"
    STILL_FAILING = "still_failing"
    INDETERMINATE = "indeterminate"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of watching a deploy, with the reads it rests on, and figures from before and after it (see
    `missions.comparison.Figure`)."""

    recovery: Recovery
    reason: str
    reads: tuple[Mapping[str, Any], ...] = ()
    figures: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Health:
    """Whether a part of the world answers; `fix` says what to do when it does not."""

    ok: bool
    what: str
    detail: str
    fix: str = ""


_adapters: dict[Any, TypeAdapter[Any]] = {}


def _adapter(cls: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    if cls not in _adapters:
        _adapters[cls] = TypeAdapter(cls)
    return _adapters[cls]


def dump(value: Any) -> Any:
    """A noun as plain JSON values."""
    return _adapter(type(value)).dump_python(value, mode="json")


def load(cls: type[T], data: Any) -> T:
    """A noun from plain JSON values; raises `pydantic.ValidationError` on data that does not fit."""
    value: T = _adapter(cls).validate_python(data)
    return value
