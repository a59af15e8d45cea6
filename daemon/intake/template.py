"""What kind of message is this? Its text without what changes from one time to the next.

`specified` says it; `template.c` says the same many times faster for nearly all messages, where it was built, and hands
the rest back. A storm of messages asks it once each.
"""

from __future__ import annotations

import os
import re
from importlib import import_module
from typing import Any

_HEADER = re.compile(
    r"^\s*[\[(]?\d{4}-\d\d-\d\d[T ][\d:.,]+(?:Z|[+-]\d\d:?\d\d)?[\])]?\s*"
    r"|^\s*[\[(]?(?:DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|CRITICAL|FATAL)[\])]?[\s:|-]*",
    re.IGNORECASE,
)
_DIGIT_TOKEN = re.compile(r"(?<![^\s=:,;()\[\]{}'\"])[^\s=:,;()\[\]{}'\"\d]*+\d[^\s=:,;()\[\]{}'\"]*+")
_NAMED = re.compile(r"\b(user|for) [^\s\[]+(?= (?:from|on|at)\b)|\b(user) [^\s\[]+(?= \[|$)")
"""Who, in the words of access logs: `invalid user alice from`, `for alice from`, `user alice [preauth]`."""
_LEVELS = frozenset({"deb", "inf", "not", "war", "err", "cri", "fat"})
_QUOTED = re.compile(r"'[^'\n]{0,200}'|\"[^\"\n]{0,200}\"")
_OPENS = frozenset("0123456789[( \t")


def template(text: str) -> str:
    """A message without what changes from one time to the next: header, quoted values, tokens with a digit."""
    found: str | None = _COMPILED(text) if _COMPILED else None
    return specified(text) if found is None else found


def specified(text: str) -> str:
    """`template` in Python: the specification of the compiled one, and what serves where that has no answer."""
    line = text.strip().partition("\n")[0][:500]
    for _ in range(2):
        if line[:1] in _OPENS or line[:3].lower() in _LEVELS:
            line = _HEADER.sub("", line, count=1)
    if "'" in line or '"' in line:
        line = _QUOTED.sub("?", line)
    if "user " in line or "for " in line:
        line = _NAMED.sub(r"\1\2 #", line)
    return " ".join(_DIGIT_TOKEN.sub("#", line).split())


def compiled() -> Any:
    """The compiled twin: a text's template, None where `specified` has to say. None where it was not built."""
    if os.environ.get("NIGHTSHIFT_NO_KERNEL"):
        return None
    try:
        return import_module("nightshift.daemon.intake._template").template
    except ImportError:
        return None


_COMPILED = compiled()
