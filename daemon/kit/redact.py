"""Secrets appear nowhere: everything that leaves the process, or is written down, passes through here."""

from __future__ import annotations

import json
import re
import threading
from urllib.parse import quote

MASK = "[redacted]"

# Every pattern is anchored or bounded so that a hostile line of many megabytes costs linear time.
_PATTERNS = [
    re.compile(p)
    for p in (
        r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        r"[\s\S]*?(?:-----END [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)",
        r"(?<![A-Za-z0-9_])(?:gh[pousr]|github_pat|npm|glpat|dop_v1|hf)[_-][A-Za-z0-9_-]{16,}",
        r"(?<![A-Za-z0-9_-])xox[abeprs]-[A-Za-z0-9-]{10,}",
        r"hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/_-]+",
        r"discord(?:app)?\.com/api/webhooks/[A-Za-z0-9/_-]+",
        r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])",
        r"(?<![A-Za-z0-9_-])AIza[A-Za-z0-9_-]{35}",
        r"(?<![A-Za-z0-9_-])(?:sk|rk|pk)[-_][A-Za-z0-9_-]{20,}",
        r"(?<![A-Za-z0-9_-])pypi-[A-Za-z0-9_-]{20,}",
        r"(?<![A-Za-z0-9_.-])SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",
        r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+",
    )
]
_NAME = r"(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential)"
_VALUE = r"""\[redacted\]|[bBrRuU]{0,2}"(?:\\.|[^"\\\n])+"?|[bBrRuU]{0,2}'(?:\\.|[^'\\\n])+'?|[^\s,;&"'{}\[\]<>]{3,}"""
_HEADER = re.compile(
    r"(?i)\b((?:proxy-)?authorization[\"']?\s{0,9}[:=]\s{0,9}[\"']?(?:[a-z]{1,20}\s{1,9})?)[^\s\"',;]+"
)
_COOKIE = re.compile(r"(?i)(?<![\w-])((?:set-)?cookie[\"']?\s{0,9}:\s{0,9})[^\r\n\"']+")
_AUTH = re.compile(r"(?i)\b(bearer|basic)\s{1,9}(?=[A-Za-z._~+/=-]{0,200}\d)[A-Za-z0-9._~+/=-]{8,}")
_URL = re.compile(r"(?i)(?<![a-z0-9+.-])([a-z][a-z0-9+.-]{0,30}://)(?:[^\s/@:]{0,200}:[^\s/]{1,500}|[^\s/@:]{20,500})@")
_OPTION = re.compile(rf"(?i)(?<![\w-])(--?[\w-]{{0,40}}{_NAME}[\w-]{{0,40}}\s{{1,9}})(?!-)({_VALUE})")
_ANNOTATION = r":\s?[A-Za-z_][\w.\[\]| ]{0,40}?\s{0,3}=(?!=)"
_ASSIGNED = re.compile(rf"(?i)({_NAME}[\w.-]{{0,60}}[\"']?\s{{0,9}}(?:{_ANNOTATION}|=>|:=|[=:])\s{{0,9}})({_VALUE})")
_HARMLESS = frozenset(
    {"none", "null", "true", "false", "str", "bytes", "int", "float", "bool", "any", "object", "secretstr"}
)
_COUNTED = re.compile(r"(?i)tokens|token[_-]?(?:count|limit|id)")

_known: frozenset[str] = frozenset()
_lock = threading.Lock()


def register_secret(value: str) -> None:
    """Remember a configured secret so that it is masked wherever it turns up, also as URLs and JSON spell it.

    Values under 6 characters are not remembered.
    """
    global _known
    value = value.strip()
    if len(value) >= 6:
        with _lock:
            _known |= {value, quote(value), quote(value, safe=""), json.dumps(value)[1:-1]}


def redact(text: str) -> str:
    """The text with registered secrets, well-known token shapes and `password=…` values masked."""
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, MASK)
    for pattern in _PATTERNS:
        text = pattern.sub(MASK, text)
    text = _URL.sub(rf"\1{MASK}@", text)
    text = _HEADER.sub(rf"\1{MASK}", text)
    text = _COOKIE.sub(rf"\1{MASK}", text)
    text = _AUTH.sub(rf"\1 {MASK}", text)
    text = _OPTION.sub(_mask_value, text)
    return _ASSIGNED.sub(_mask_value, text)


def _mask_value(match: re.Match[str]) -> str:
    name, value = match[1], match[2]
    if value.lower().rstrip(")") in _HARMLESS or MASK in value:
        return match[0]
    if _COUNTED.search(name) and value.isdigit():
        return match[0]
    opening = re.match(r"[bBrRuU]{0,2}([\"'])", value)
    if not opening:
        return f"{name}{MASK}"
    return f"{name}{opening[0]}{MASK}{opening[1] if len(value) > 1 and value.endswith(opening[1]) else ''}"
