"""Whose code is a stack frame? Monitors, fingerprints and diagnoses must all give the same answer."""

from __future__ import annotations

import re
from functools import lru_cache

_FOREIGN = re.compile(
    r"(?:^|/)(?:site-packages|dist-packages)/"
    r"|(?:^|/)lib(?:32|64)?/(?:python|pypy)\d[\d.]*/"
    r"|/python\d+\.zip/"
    r"|^<(?!stdin>)"
    r"|(?:^|/)node_modules/|^node:"
    r"|^(?:java|javax|jdk|sun|jakarta|kotlin|kotlinx|scala|com/sun|org/(?:springframework|apache|hibernate|eclipse|junit)"
    r"|io/(?:netty|undertow)|reactor)/(?:[\w$-]+/)*[\w$<>]+(?:\.(?:java|kt|scala))?$"
    r"|^(?:System|Microsoft)/[\w`/]+$"
    r"|^/rustc/|/\.cargo/registry/"
    r"|/go/src/(?:runtime|net|internal|testing)/|/lib/go[^/]*/src/|/go/pkg/mod/"
    r"|/gems/[^/]+-\d|/lib/ruby/"
    r"|(?:^|/)vendor/[^/]+/[^/]+/"
)


@lru_cache(maxsize=2048)
def in_app(path: str) -> bool:
    """Whether a frame's path is the service's own code: not installed, not the standard library, not frozen."""
    return bool(path) and _FOREIGN.search(path.replace("\\", "/")) is None
