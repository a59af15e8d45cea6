"""Text that came from outside, made fit to be shown: no secrets, no control characters, no end of the page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from nightshift.daemon.kit.redact import redact
from nightshift.daemon.reports.model import ReportData

T = TypeVar("T")
TEXT_LIMIT = 4_000
"""Characters of one text that are shown."""
LONG_LIMIT = 40_000
"""Characters of a diff or of evidence that are shown."""
REPORT_LIMIT = 1_000_000
"""Characters of all diffs and evidence of one report, roughly."""
_NOTE, _EDGE = 40, 400
_LONG = frozenset({"diff", "evidence"})
_ANSI = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\|$)|[PX^_][^\x1b]*(?:\x1b\\|$)|[@-Z\\-_a-z])"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_TURNING = re.compile(r"[\u200e\u200f\u202a-\u202e\u2066-\u2069]")  # they make text read other than it is


def clean(value: T, long_limit: int = LONG_LIMIT) -> T:
    """The same value with every text in it (also in nested dataclasses and tuples) redacted, stripped, and capped.

    Cleaning again changes nothing. `long_limit` caps diffs and evidence, in characters.
    """
    cleaned: T = _walk(value, TEXT_LIMIT, long_limit)
    return cleaned


def clean_report(data: ReportData) -> ReportData:
    """A report fit to be shown; the more incidents, the shorter their diffs and logs: a storm stays readable."""
    share = REPORT_LIMIT // (2 * max(1, len(data.incidents)))
    return clean(data, max(1_000, min(LONG_LIMIT, share)))


def clean_text(text: str, limit: int = TEXT_LIMIT) -> str:
    """One text: escape sequences and control characters removed, secrets masked, cut to `limit` characters."""
    whole, sliced = len(text), text[: 2 * limit + _EDGE]  # masking costs a microsecond a character
    text = _ANSI.sub("", sliced.replace("\r\n", "\n"))
    text = redact(_TURNING.sub("", _CONTROL.sub(_shown, text)))
    if whole > len(sliced):
        text = text[:-_EDGE]  # a secret may have been cut in half there, and not be known for one
    if whole <= len(sliced) and len(text) <= limit:
        return text
    kept = text[: max(0, limit - _NOTE)]  # the note counts too, so that cleaning twice cuts once
    return f"{kept}\n… {max(whole, len(text)) - len(kept)} more characters"


def clean_json(value: Any) -> Any:
    """JSON values with every string redacted. Before encoding: masking inside encoded text can tear its quotes."""
    if isinstance(value, str):
        return redact(value).encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {str(key): clean_json(item) for key, item in value.items()}
    return [clean_json(item) for item in value] if isinstance(value, list | tuple) else value


def one_line(text: str) -> str:
    """All white space, line ends included, as single spaces."""
    return " ".join(text.split())


def _shown(found: re.Match[str]) -> str:
    return "�" if found[0] >= "\ud800" else ("\n" if found[0] in "\r\u2028\u2029" else "")


def _walk(value: Any, limit: int, long_limit: int) -> Any:
    if type(value) is str:
        return clean_text(value, limit)
    if isinstance(value, tuple):
        return tuple(_walk(item, limit, long_limit) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        changed = {
            f.name: _walk(getattr(value, f.name), long_limit if f.name in _LONG else limit, long_limit)
            for f in fields(value)
        }
        return replace(value, **changed)
    return value
