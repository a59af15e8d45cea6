"""The levels of autonomy and their order: one place, so that an unknown word can never count as much."""

from __future__ import annotations

from typing import Literal, get_args

Autonomy = Literal["observe", "propose", "earned", "merge"]
"""`observe`: no effect at all; `propose`: a person merges; `earned`: as `propose` until the track record allows
`merge`; `merge`: alone, until a revert takes that away."""
ORDER: tuple[str, ...] = get_args(Autonomy)


def lowest(*levels: str) -> str:
    """The lowest of some levels; one that is not known counts as `observe`."""
    return ORDER[min(ORDER.index(level) if level in ORDER else 0 for level in levels)]
