"""What is wrong with an object of the cluster, as a value: readers make findings, the ledger decides which are news."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nightshift.daemon.model import Severity


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """Whom it is about. `labels` go into the signal as they are."""

    uid: str
    namespace: str
    name: str
    service: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One trouble of one object.

    `slot` names the trouble within the object (``web/pull``), `instance` this occurrence of it; without one the
    time since which it holds stands for it. `ordinal` numbers occurrences: only higher ones than told are news.
    It is told when it has held for `after_s` since `at_ms` (0: since first seen). A `happening` is history when it
    is older than the monitor looks back. `over_ms`: it is past already, and counts as recovered at that time unless
    it comes again. `resolves`: when it is gone, that is told too. `dead`: the container whose log tells more;
    `previous`: in the log of the run before the current one. `alike`: which other objects have the same trouble.
    """

    slot: str
    kind: str
    title: str
    message: str
    severity: Severity = Severity.ERROR
    instance: str = ""
    ordinal: int = 0
    at_ms: int = 0
    after_s: float = 0.0
    happening: bool = False
    over_ms: int = 0
    resolves: bool = True
    dead: str = ""
    previous: bool = False
    blames_code: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    count: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """An object and all that is wrong with it now."""

    subject: Subject
    findings: tuple[Finding, ...] = ()
