"""Text that came from outside, made fit to be shown: no secrets, no control characters, no end of the page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from nightshift.daemon.kit.redact import redact

T = TypeVar("T")
TEXT_LIMIT = 4_000
"""Characters of one text that are shown."""
LONG_LIMIT = 40_000
"""Characters of a diff or of evidence that are shown."""
_LONG = frozenset({"diff", "evidence"})
_ANSI = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\|$)|[PX^_][^\x1b]*(?:\x1b\\|$)|[@-Z\\-_a-z])"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_TURNING = re.compile(r"[\u200e\u200f\u202a-\u202e\u2066-\u2069]")  # they make text read other than it is


def clean(value: T) -> T:
    """The same value with every text in it (also in nested dataclasses and tuples) redacted, stripped, and capped."""
    cleaned: T = _walk(value, TEXT_LIMIT)
    return cleaned


def clean_text(text: str, limit: int = TEXT_LIMIT) -> str:
    """One text: escape sequences and control characters removed, secrets masked, cut to `limit` characters."""
    text = _ANSI.sub("", text.replace("\r\n", "\n"))
    text = _TURNING.sub("", _CONTROL.sub(_shown, text))
    text = redact(text)
    return text if len(text) <= limit else f"{text[:limit]}\n… {len(text) - limit} more characters"


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


def _walk(value: Any, limit: int) -> Any:
    if type(value) is str:
        return clean_text(value, limit)
    if isinstance(value, tuple):
        return tuple(_walk(item, limit) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        changed = {
            f.name: _walk(getattr(value, f.name), LONG_LIMIT if f.name in _LONG else limit) for f in fields(value)
        }
        return replace(value, **changed)
    return value
