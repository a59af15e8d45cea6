"""What the name and the labels of an image say about the program in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def release_of(image: str) -> str:
    """What of an image names the release: its tag, else the start of its digest. ``reg:5000/shop:1.2`` → ``1.2``."""
    plain, _, digest = image.partition("@")
    tag = plain.rpartition("/")[2].partition(":")[2]
    return tag or digest.partition(":")[2][:12]


def commit_of(labels: Mapping[str, str], names: Sequence[str]) -> str:
    """The first of the named labels that is set: the commit the program was built from."""
    return next((labels[name] for name in names if labels.get(name)), "")
