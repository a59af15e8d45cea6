"""What one line of a log is, decided on bytes: no line is decoded before it is known to matter.

Every rule here has a twin in `kernel/lines.h`; a property test holds the two together.
"""

from __future__ import annotations

import re

WINDOW = 200
"""Bytes at the start of a line in which its level is looked for."""

_UPPER = rb"ERROR|CRITICAL|FATAL|SEVERE|DEBUG|INFO|NOTICE|WARN|WARNING|TRACE"
_SHORT = rb"ERR|CRIT|EMERG|ALERT|PANIC|VERBOSE|FINE|CONFIG"
_BAD = frozenset((b"error", b"critical", b"fatal", b"severe", b"err", b"crit", b"emerg", b"alert", b"panic"))
_TOKEN = re.compile(rb"[A-Za-z]+")
_WORDS = frozenset(w.lower() for w in (_UPPER + b"|" + _SHORT).split(b"|"))
_COMMON = frozenset(w.lower() for w in _UPPER.split(b"|"))
_KEYS = (b"level", b"lvl", b"severity", b"levelname", b"loglevel")
_OPENERS, _CLOSERS = b"[(<|", b"])>|:"
_STAMPED = re.compile(rb"[\[(]?\d{4}[-/]\d\d[-/]\d\d[T ]|[\[(]?\d\d:\d\d:\d\d|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d ")
_ADDRESS = re.compile(rb"\d{1,3}(?:\.\d{1,3}){3} ")
_KLOG = re.compile(rb"[IWEF]\d{4} \d\d:\d\d:\d\d")
_PRIORITY = re.compile(rb"<(\d{1,3})>")


def level(line: bytes) -> bytes:
    """The first level token of a line in lower case, b'' without one; klog and syslog priorities count as one.

    A word is a level where a logger would put it: in capitals between spaces or brackets; in any case in brackets,
    behind ``level=``, at the start of the line before a colon, or right behind the timestamp. ``GET /error`` and
    ``0 errors`` are none.
    """
    if _KLOG.match(line):
        return {b"I": b"info", b"W": b"warn", b"E": b"error", b"F": b"fatal"}[line[:1]]
    if (found := _PRIORITY.match(line)) and int(found[1]) <= 191:
        return b"error" if int(found[1]) % 8 <= 3 else b"info"
    head = line[:WINDOW]
    for word in _TOKEN.finditer(head):
        text = word[0]
        lower = text.lower()
        if lower in _WORDS and _is_level(head, word.start(), word.end(), text, lower):
            return lower
    return b""


def _is_level(head: bytes, start: int, end: int, text: bytes, lower: bytes) -> bool:
    before, after = head[start - 1 : start] if start else b"", head[end : end + 1]
    if before and before in _OPENERS and after and after in _CLOSERS:
        return True
    if before in (b"=", b'"', b"'"):
        return _behind_key(head, start)
    if lower not in _COMMON:
        return False
    if text.isupper():
        return (not before or before in b" \t" + _OPENERS) and (not after or after in b" \t," + _CLOSERS)
    if after not in (b":", b" ", b"\t") or (before and before not in b" \t"):
        return False
    return (after == b":" and start == 0) or (start > 0 and _only_stamp(head[:start]))


def _behind_key(head: bytes, start: int) -> bool:
    """Whether ``level=`` or ``level="`` stands right before a word."""
    at = start - 1
    if head[at : at + 1] in (b'"', b"'"):
        at -= 1
    if at < 0 or head[at : at + 1] != b"=":
        return False
    key = head[max(0, at - 9) : at].lower()
    for name in _KEYS:
        if key.endswith(name):
            rest = key[: -len(name)]
            return not rest or not (rest[-1:].isalnum() or rest[-1:] == b"_")
    return False


def _only_stamp(before: bytes) -> bool:
    """Whether only a timestamp stands before: digits, punctuation and no letter but T, Z and UTC."""
    stripped = before.replace(b"UTC", b"").replace(b"T", b"").replace(b"Z", b"")
    return any(b"0"[0] <= c <= b"9"[0] for c in stripped) and not any(
        c >= 0x80 or chr(c).isalpha() or c == 0x5F for c in stripped
    )


def is_bad(line: bytes) -> bool:
    """Whether a line's own level says error or worse."""
    return level(line) in _BAD


def starts_record(line: bytes) -> bool:
    """Whether a line looks like the first line of a log record: time, level, address, JSON, priority."""
    if not line or line[:1] in b" \t":
        return False
    first = line[:1]
    if line.startswith(b"Error:"):  # how JavaScript prints an exception
        return False
    return bool(
        first == b"{" or _STAMPED.match(line) or _ADDRESS.match(line) or _KLOG.match(line) or _PRIORITY.match(line)
        or level(line[:64])
    )  # fmt: skip
