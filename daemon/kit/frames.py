"""Whose code is a stack frame? Monitors, fingerprints and diagnoses must all give the same answer."""

from __future__ import annotations

import re

_FOREIGN = re.compile(
    r"(?:^|/)(?:site-packages|dist-packages)/"
    r"|(?:^|/)lib(?:32|64)?/(?:python|pypy)\d[\d.]*/"
    r"|/python\d+\.zip/"
    r"|^<(?!stdin>)"
)


def in_app(path: str) -> bool:
    """Whether a frame's path is the service's own code: not installed, not the standard library, not frozen."""
    return bool(path) and _FOREIGN.search(path.replace("\\", "/")) is None
