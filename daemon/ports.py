"""Every protocol of the house in one place; adapters live in their own rooms and pass the same contract tests.

All ports are synchronous and thread-safe unless they say otherwise: docker, git and SQL are, and missions
call them from worker threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from nightshift.daemon.model import (
    Case,
    ChangeDraft,
    ChangeRequest,
    Critique,
    ForgeEvent,
    Health,
    Patch,
    Readiness,
    Reproduction,
    Service,
    Signal,
    Verdict,
)

Note = Callable[[str], None]
"""Progress for people: one short line each."""
PROPOSAL = "proposal: "
"""A note that begins so is advice for people; it is told with the mission's end, not only logged."""


WORKDIR = "/sandbox"
"""Where a tree lies inside every sandbox; not /work or /app, where checkouts that get bound in may live."""


class EnvironmentBroke(Exception):
    """The world failed (engine gone, disk full, image missing), so nothing is known of the patch."""


class Refused(Exception):
    """A policy or a guard said no; the message is the reason shown to people."""


# ---------------------------------------------------------------- monitors


class Sink(Protocol):
    """Takes signals and the checkpoints that go with them in ONE transaction; returns when both are durable."""

    def __call__(self, signals: Sequence[Signal], checkpoints: Mapping[str, str] = ...) -> None: ...


class Monitor(Protocol):
    """One source. `watch` blocks in a thread of its own until `stop` is set."""

    name: str

    def watch(self, sink: Sink, checkpoints: Mapping[str, str], stop: threading.Event) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Call:
    """One HTTP call as it came in. Header names are in lower case; `body` is still compressed if the caller did so."""

    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What a receiver made of a call: the signals to be durable, and the events to be heard, BEFORE the answer goes
    out, and the answer."""

    signals: Sequence[Signal] = ()
    events: Sequence[ForgeEvent] = ()
    status: int = 200
    body: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


class Receiver(Protocol):
    """A source that calls us. `paths` are its routes (``/api/{project}/envelope/``), `body_limit` bytes are read."""

    name: str
    paths: tuple[str, ...]
    methods: tuple[str, ...]
    body_limit: int

    def read(self, call: Call) -> Receipt:
        """Understand one call; no I/O. Raises `Refused` (answered 401) and ValueError (400), with a text for people."""
        ...


# ---------------------------------------------------------------- sandboxes


@dataclass(frozen=True, kw_only=True)
class SandboxSpec:
    """What a sandbox is made of. `image` ``host`` means an empty image with read-only host binds, ``project`` one with
    the packages that `recipe` (see `sandboxes.project`) lists, made on first use and kept."""

    image: str = "host"
    python: str = ""
    recipe: str = ""
    memory_mb: int = 1024
    cpus: float = 2.0
    pids: int = 256
    work_mb: int = 512
    lifetime_s: float = 900.0
    output_bytes: int = 4 << 20


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A command that ended. `ended`: exited | timeout | oom | killed | output (its cap was hit)."""

    argv: tuple[str, ...]
    code: int
    stdout: bytes
    stderr: bytes
    duration_s: float
    ended: str = "exited"


class Sandbox(Protocol):
    """A single-use sealed place. Writable: `WORKDIR` (exec) and `/tmp`. No network. Close it; it leaves nothing."""

    def put(self, tar: bytes, *, to: str = WORKDIR) -> None:
        """Unpack a tar inside the sandbox."""
        ...

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        stdin: bytes = b"",
        env: Mapping[str, str] = ...,
        cwd: str = WORKDIR,
        on_line: Callable[[bytes], None] | None = None,
    ) -> Finished:
        """Run a command; raises `EnvironmentBroke` when the engine, not the command, fails.

        `on_line` receives each stdout line (without newline) as it comes.
        """
        ...

    def get(self, paths: Sequence[str]) -> Mapping[str, bytes]:
        """Read regular files (absolute paths) in memory; missing ones are absent. Capped in size."""
        ...

    def close(self) -> None: ...

    def __enter__(self) -> Sandbox: ...

    def __exit__(self, *exc: object) -> None: ...


class Sandboxes(Protocol):
    """An engine that makes sandboxes."""

    name: str

    def open(self, spec: SandboxSpec) -> Sandbox: ...

    def prewarm(self, spec: SandboxSpec, count: int) -> None:
        """Make `count` sandboxes ahead of time, in the background; `open` with an equal spec takes one."""
        ...

    def probe(self) -> Health: ...

    def reap(self) -> int:
        """Remove what crashed owners left behind; returns how many."""
        ...

    def close(self) -> None: ...


# ---------------------------------------------------------------- mending


@dataclass(kw_only=True, eq=False)
class Budget:
    """What a draft may spend. `deadline` is in `time.monotonic()` seconds; it moves on, never back, while a draft runs
    and others leave time over. `tried` is told how many more candidates were tried, as they are; `searched`, once, how
    the draft was searched for: plain JSON (how many candidates, the best of them with their scores, seeds)."""

    deadline: float
    candidates: int = 20_000
    patches: int = 8
    tried: Callable[[int], None] = lambda _: None
    searched: Callable[[Mapping[str, object]], None] = lambda _: None


class Workbench(Protocol):
    """What a fixer may use: sealed sandboxes holding a commit's tree plus the reproduction's files in WORKDIR."""

    case: Case

    def open(self, commit: str = "") -> Sandbox:
        """A sandbox with the tree of `commit` (default: the case's base) unpacked in WORKDIR."""
        ...

    def red(self, commit: str) -> bool | None:
        """Whether the reproduction fails on that commit; None when that can't be told."""
        ...


class Fixer(Protocol):
    """A creator. Drafts patches best first; never judges them; yields lazily so that the caller can stop it."""

    name: str

    def draft(self, case: Case, bench: Workbench, budget: Budget, note: Note) -> Iterator[Patch]: ...


class Reproducer(Protocol):
    """Makes the incident red on the base commit, or says why it can't."""

    def reproduce(self, case: Case, note: Note) -> Reproduction: ...

    def bench(self, case: Case) -> Workbench: ...


class Tester(Protocol):
    """Independent of every fixer: judges a patch in sandboxes of its own. Never raises for infrastructure:
    that is an ``unjudged`` verdict."""

    def expect(self, case: Case) -> None:
        """Patches for the case are being drafted: what the verdicts need whatever the patch is may begin."""
        ...

    def judge(self, case: Case, patch: Patch, note: Note) -> Verdict: ...


class Critic(Protocol):
    """Compares patches that pass the same tests by what they do on inputs nobody wrote a test for. Never raises for
    infrastructure: a critique of nothing (no clusters, no refutation) is the answer then."""

    def expect(self, case: Case, patches: Sequence[Patch]) -> None:
        """These are being judged: what a comparison with others like them needs may begin."""
        ...

    def criticise(self, case: Case, patches: Sequence[Patch], note: Note) -> Critique: ...


# ---------------------------------------------------------------- shipping


class Forge(Protocol):
    """Where change requests live. Every verb is get-or-create under the change's key."""

    name: str

    def path(self, service: Service) -> Path:
        """Where the daemon's bare repository of a service lies."""
        ...

    def sync(self, service: Service) -> str:
        """Bring the daemon's bare repository up to date; returns its path."""
        ...

    def head(self, service: Service) -> str:
        """The commit the service's branch points at (full hex)."""
        ...

    def propose(self, service: Service, draft: ChangeDraft) -> ChangeRequest:
        """The one request of `draft.key`; a settled one is returned as it is, an open one follows to `draft.round`.

        Raises `Refused` (the diff does not apply, changes nothing, is not taken), `Settled` (people have the branch
        now), `NotYet` (as many requests are open as there may be).
        """
        ...

    def find(self, service: Service, key: str) -> ChangeRequest | None: ...

    def list(self, service: Service) -> tuple[ChangeRequest, ...]:
        """Every request that is known here, by number."""
        ...

    def readiness(self, service: Service, key: str) -> Readiness:
        """What the forge's required checks and review rules say of an open request. Raises `Refused`: unknown."""
        ...

    def merge(self, service: Service, key: str, *, head: str, base: str) -> ChangeRequest:
        """Merge if the head is the judged commit and the branch still stands at `base`; else raise `StaleBase`.

        Raises `NotYet` while checks or reviews are missing, `Settled` when people closed it or moved its branch,
        `Refused` when a required check failed or the forge says no.
        """
        ...

    def comment(self, service: Service, key: str, once: str, text: str) -> None:
        """Say something on a request, once per `once`, however often it is asked for."""
        ...

    def close(self, service: Service, key: str, reason: str) -> ChangeRequest: ...

    def revert(self, service: Service, key: str) -> str:
        """The diff that undoes the merged change on today's branch; raises `Refused` when it does not apply."""
        ...

    def may_steer(self, service: Service, person: str) -> bool:
        """Whether a person of the forge may tell us what to do: who may write to the repository may."""
        ...

    def pushed_by_people(self, service: Service, key: str, commit: str) -> bool:
        """Whether a commit that a request's branch is said to stand at is none of ours."""
        ...

    def probe(self, service: Service) -> Health: ...


class StaleBase(Exception):
    """The branch moved after the verdict; the patch must be judged again on the new base."""


class NotYet(EnvironmentBroke):
    """It will be possible later: checks run, a review is missing, a limit of the forge is used up."""


class Settled(Refused):
    """People settled a change request themselves: closed it, or made its branch theirs."""


class Deployer(Protocol):
    """Ships a commit. Called again under the same key it must not ship twice what it already shipped."""

    def deploy(self, service: Service, commit: str, key: str) -> str:
        """Ship a commit, one replica first where the target has several; returns what is to be said of it. Raises
        EnvironmentBroke (it failed), Refused (it must not be done this way)."""
        ...

    def undo(self, service: Service, commit: str, key: str, *, of: str) -> str:
        """Bring back what ran before the deploy of the key `of`, under a key of its own. `commit` is the commit that
        undoes it in git: a target that keeps nothing ships that one. Raises as `deploy`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Notice:
    """Something people should read. `key` makes it arrive once; `data` is for machines."""

    key: str
    title: str
    text: str
    severity: str = "info"
    data: Mapping[str, object] = field(default_factory=dict)


class Notifier(Protocol):
    """One channel. Raises `EnvironmentBroke` when the delivery should be tried again."""

    name: str

    def send(self, notice: Notice) -> None: ...

    def probe(self) -> Health: ...


__all__ = [
    "Budget",
    "Call",
    "Critic",
    "Deployer",
    "EnvironmentBroke",
    "Finished",
    "Fixer",
    "Forge",
    "Monitor",
    "NotYet",
    "Note",
    "Notice",
    "Notifier",
    "Receipt",
    "Receiver",
    "Refused",
    "Reproducer",
    "Sandbox",
    "SandboxSpec",
    "Sandboxes",
    "Settled",
    "Sink",
    "StaleBase",
    "Tester",
    "Workbench",
]
