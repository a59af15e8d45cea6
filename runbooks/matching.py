"""Which books are meant for a signal, the most particular first."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from nightshift.daemon.model import Signal

from .book import Match, Runbook

_LABELS = ("runbook", "runbook_url")
_LOOKED_AT = 4000


def match(books: Mapping[str, Runbook], signal: Signal) -> list[Runbook]:
    """The books for a signal: the one its `runbook` or `runbook_url` label names, then those whose match holds,
    those with more conditions first. Books without conditions match only by label."""
    named = [books[name] for name in _named(signal) if name in books]
    fitting = [b for b in books.values() if _conditions(b.match) and holds(b.match, signal)]
    fitting.sort(key=lambda b: (-_conditions(b.match), b.name))
    return list({b.name: b for b in (*named, *fitting)}.values())


def holds(wanted: Match, signal: Signal) -> bool:
    """Whether everything the match asks for is so."""
    text = f"{signal.title}\n{signal.message[:_LOOKED_AT]}\n{signal.sample[:_LOOKED_AT]}"
    return (
        all(signal.labels.get(name) == value for name, value in wanted.labels.items())
        and wanted.service in ("", signal.service)
        and wanted.exception in ("", signal.exception, signal.exception.rpartition(".")[2])
        and (not wanted.regex or re.search(wanted.regex, text) is not None)
    )


def _named(signal: Signal) -> list[str]:
    values = (signal.labels.get(label, "") for label in _LABELS)
    return [PurePosixPath(v.partition("?")[0].partition("#")[0]).stem for v in values if v]


def _conditions(wanted: Match) -> int:
    return len(wanted.labels) + bool(wanted.service) + bool(wanted.exception) + bool(wanted.regex)
