"""Which books are meant for a signal, the most particular first, and what the signal says of their parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from nightshift.daemon.model import Signal

from .book import Match, Runbook

_LABELS = ("runbook", "runbook_url")
_LOOKED_AT = 4000


Ask = Callable[[str], bool]
"""Whether a PromQL expression holds now."""


def _never(_: str) -> bool:
    return False


def match(books: Mapping[str, Runbook], signal: Signal, ask: Ask = _never) -> list[Runbook]:
    """The books for a signal: the one its `runbook` or `runbook_url` label names, then those whose match holds,
    those with more conditions first. Books without conditions, or with PromQL alone, match only by label."""
    first = [books[name] for name in named(signal) if name in books]
    fitting = [b for b in books.values() if _of_signal(b.match) and holds(b.match, signal, ask)]
    fitting.sort(key=lambda b: (-_conditions(b.match), b.name))
    return list({b.name: b for b in (*first, *fitting)}.values())


def holds(wanted: Match, signal: Signal, ask: Ask = _never) -> bool:
    """Whether everything the match asks for is so; PromQL, which costs a request, comes last."""
    text = f"{signal.title}\n{signal.message[:_LOOKED_AT]}\n{signal.sample[:_LOOKED_AT]}"
    return (
        all(signal.labels.get(name) == value for name, value in wanted.labels.items())
        and wanted.service in ("", signal.service)
        and wanted.kind in ("", signal.kind)
        and wanted.exception in ("", signal.exception, signal.exception.rpartition(".")[2])
        and (not wanted.regex or re.search(wanted.regex, text) is not None)
        and (not wanted.promql or ask(wanted.promql))
    )


def told(book: Runbook, signal: Signal) -> dict[str, str]:
    """The book's parameters as far as the signal's labels give them; text from outside, to be bound and checked."""
    given = {"service": signal.service} | dict(signal.labels)
    sources = {name: parameter.label or name for name, parameter in book.parameters.items()}
    return {name: given[label] for name, label in sources.items() if given.get(label)}


def by_promql_alone(book: Runbook) -> bool:
    """Whether the book is to be asked about now and then, because no signal tells of it."""
    return bool(book.match.promql) and not _of_signal(book.match)


def named(signal: Signal) -> list[str]:
    """The books its labels name, by themselves or as the last part of an address."""
    values = (signal.labels.get(label, "") for label in _LABELS)
    return [name for value in values if (name := _last_part(value))]


def _last_part(address: str) -> str:
    try:
        return PurePosixPath(urlsplit(address).path).stem
    except ValueError:
        return ""


def _of_signal(wanted: Match) -> int:
    return len(wanted.labels) + sum(map(bool, (wanted.service, wanted.exception, wanted.regex, wanted.kind)))


def _conditions(wanted: Match) -> int:
    return _of_signal(wanted) + bool(wanted.promql)
