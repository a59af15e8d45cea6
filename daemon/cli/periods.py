"""Periods of time as people write them."""

from __future__ import annotations

import re

from nightshift.daemon.cli.trouble import Trouble

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def seconds(text: str) -> float:
    """``24h``, ``90m``, ``7d``, ``2w``, ``30s`` in seconds; raises Trouble."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", text.strip())
    if not match:
        raise Trouble(f"'{text}' is no period; write for example 24h, 90m, 7d or 2w")
    return float(match[1]) * _UNITS[match[2]]
