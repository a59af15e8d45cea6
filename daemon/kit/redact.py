"""Secrets appear nowhere: everything that leaves the process, or is written down, passes through here."""

from __future__ import annotations

import re
import threading

MASK = "[redacted]"

_PATTERNS = [
    re.compile(p)
    for p in (
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
        r"\b(?:gh[pousr]|github_pat)_[A-Za-z0-9_]{20,}",
        r"\bglpat-[A-Za-z0-9_-]{16,}",
        r"\bxox[abeprs]-[A-Za-z0-9-]{10,}",
        r"\bhooks\.slack\.com/services/[A-Za-z0-9/_-]+",
        r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
        r"\bsk-[A-Za-z0-9_-]{20,}",
        r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+",
    )
]
_AUTH = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}")
_URL = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s/@:]*:[^\s/@]+@")
_ASSIGNED = re.compile(
    r"(?i)([\"']?\b[\w.-]*(?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential)"
    r"[\w.-]*[\"']?\s*(?:=|:|=>)\s*)(\"[^\"\n]{3,}\"|'[^'\n]{3,}'|[^\s,;&\"'(){}\[\]<>]{3,})"
)

_known: set[str] = set()
_lock = threading.Lock()


def register_secret(value: str) -> None:
    """Remember a configured secret so that it is masked wherever it turns up. Values under 6 characters are not."""
    if len(value) >= 6:
        with _lock:
            _known.add(value)


def redact(text: str) -> str:
    """The text with registered secrets, well-known token shapes and `password=…` values masked."""
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, MASK)
    for pattern in _PATTERNS:
        text = pattern.sub(MASK, text)
    text = _URL.sub(rf"\1{MASK}@", text)
    text = _AUTH.sub(rf"\1 {MASK}", text)
    return _ASSIGNED.sub(_mask_value, text)


def _mask_value(match: re.Match[str]) -> str:
    value = match[2]
    quote = value[0] if value[0] in "\"'" else ""
    return match[0] if value.lower() in ("none", "null", "true", "false") else f"{match[1]}{quote}{MASK}{quote}"
