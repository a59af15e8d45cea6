"""What a patch really does to the tree: read from git's raw diff of the two trees, never from the patch's own text."""

from __future__ import annotations

from dataclasses import dataclass

from nightshift.daemon.kit.git import BareRepo

REGULAR = ("100644", "100755")


@dataclass(frozen=True, kw_only=True)
class Change:
    """One path. `status` is A, M, D or T; modes are git's, blobs full ids (zeros where there is no file).

    `lines` counts added and removed lines, -1 for a binary file.
    """

    path: str
    status: str
    old_mode: str
    new_mode: str
    old_blob: str
    new_blob: str
    lines: int


def changes(repo: BareRepo, old: str, new: str) -> tuple[Change, ...]:
    """Every difference of two trees, renames taken apart. Raises GitError."""
    flags = ("--raw", "--numstat", "-z", "--no-renames", "--no-ext-diff", "--no-textconv", "--abbrev=40")
    fields = repo.out("diff", *flags, old, new, "--").decode("utf-8", "surrogateescape").split("\0")
    raw: list[tuple[str, list[str]]] = []
    lines: dict[str, int] = {}
    rest = iter(fields)
    for item in rest:
        if item.startswith(":"):
            raw.append((next(rest), item[1:].split()))
        elif item.count("\t") >= 2:
            added, removed, path = item.split("\t", 2)
            lines[path] = -1 if added == "-" else int(added) + int(removed)
    return tuple(
        Change(path=path, status=m[4][:1], old_mode=m[0], new_mode=m[1], old_blob=m[2], new_blob=m[3],
               lines=lines.get(path, 0))
        for path, m in raw
    )  # fmt: skip
