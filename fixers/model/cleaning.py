"""Untrusted text made fit for a prompt: secrets masked, escapes and invisible characters gone, size capped, fenced.

Terminal escapes and bidirectional or zero-width characters hide instructions from the people who read the log;
a fence whose name the writer of the log can't know keeps the text from posing as the end of the material.
"""

from __future__ import annotations

import re
import unicodedata

from nightshift.daemon.kit.redact import redact

_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_HIDDEN = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})
_CUT = "\n[… cut …]\n"
_WORK = 1 << 20


def visible(text: str) -> str:
    """The text without terminal escapes, control, bidi, zero-width and private characters; tabs, newlines stay."""
    text = _ESCAPE.sub("", text.replace("\r\n", "\n"))
    return _CONTROL.sub("", text) if text.isascii() else "".join(c for c in text if _shown(c))


def hidden(text: str) -> set[str]:
    """The characters of the text that `visible` would drop (a carriage return before a newline is not one)."""
    return {c for c in text.replace("\r\n", "\n") if not _shown(c)}


def _shown(char: str) -> bool:
    return char in "\n\t" or unicodedata.category(char) not in _HIDDEN


def cap(text: str, limit: int) -> str:
    """At most `limit` characters: a third from the head, the rest from the tail, where a crash says what it is."""
    if len(text) <= limit:
        return text
    room = max(0, limit - len(_CUT))
    head = room // 3
    return text[:head] + _CUT + text[len(text) - (room - head) :] if room else text[:limit]


def clean(text: str, limit: int) -> str:
    """Redacted, visible, capped. Secrets are masked before the cap could cut them in two."""
    return cap(redact(visible(_bounded(text))), limit)


def _bounded(text: str) -> str:
    """Text beyond a megabyte is not even looked at: the first half stays, up to its last whole line, as the other
    side of the cut may begin inside a secret that no pattern recognises any more."""
    return text if len(text) <= _WORK else text[:_WORK].rpartition("\n")[0] + _CUT


def fence(label: str, text: str, nonce: str) -> str:
    """The text between two lines that carry the nonce; the nonce itself can't occur inside."""
    body = text.replace(nonce, "…")
    return f"<<<{nonce} {label}\n{body.rstrip()}\n{nonce}>>>"
