"""Taking something back from under later work: three-way merges of trees in the daemon's bare repository.

Git's own merge does it, with its detection of renames on both sides, so that a file that moved since is still found.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from nightshift.daemon.kit.git import BareRepo, GitError

_ZERO = "0" * 40
_CONFLICTS = 1


@dataclass(frozen=True, kw_only=True)
class Merged:
    """A merge's tree; `lost` are paths where later work on the very same lines had to give way."""

    tree: str
    lost: tuple[str, ...] = ()


def taken_back(repo: BareRepo, base: str, made: str, before: str, *, favour: bool = False) -> Merged | None:
    """The tree of `base` without what led from tree `before` to tree `made`; None where later work is in the way.

    `favour`: lines on which both disagree become what they were before; later work elsewhere in the file stays. Where
    one side removed the file there is nothing to keep apart: None. Raises GitError.
    """
    root = repo.commit(repo.tree_of(made), [], "made", at_s=0)
    ours = repo.commit(repo.tree_of(base), [root], "base", at_s=0)
    theirs = repo.commit(repo.tree_of(before), [root], "before", at_s=0)
    done = repo.run(
        "-c", "merge.directoryRenames=false", "merge-tree", "--write-tree", "-z", "--no-messages", ours, theirs
    )
    fields = done.stdout.decode("utf-8", "surrogateescape").split("\0")
    if done.ok:
        return Merged(tree=fields[0])
    if done.code != _CONFLICTS or not favour:
        if done.code != _CONFLICTS:
            raise GitError(f"git can't merge: {done.why()}")
        return None
    return _favoured(repo, fields[0], [field for field in fields[1:] if field])


def _favoured(repo: BareRepo, tree: str, rows: Collection[str]) -> Merged | None:
    stages: dict[str, dict[int, tuple[str, str]]] = {}
    for row in rows:
        meta, _, path = row.partition("\t")
        mode, blob, stage = meta.split()
        stages.setdefault(path, {})[int(stage)] = (mode, blob)
    written: dict[str, tuple[str, str]] = {}
    for path, sides in stages.items():
        if set(sides) != {1, 2, 3} or len({mode for mode, _ in sides.values()}) != 1:
            return None
        merged = _lines(repo, [sides[n][1] for n in (2, 1, 3)])
        if merged is None:
            return None
        written[path] = (sides[2][0], repo.write_blob(merged))
    return Merged(tree=with_entries(repo, tree, written), lost=tuple(sorted(stages)))


def _lines(repo: BareRepo, blobs: list[str]) -> bytes | None:
    """Ours, their common ancestor and theirs, merged by lines, theirs where they disagree; None for binary files."""
    contents = repo.blobs(blobs)
    with tempfile.TemporaryDirectory(prefix="nightshift-merge-") as folder:
        names = [str(Path(folder, name)) for name in ("ours", "common", "theirs")]
        for name, blob in zip(names, blobs, strict=True):
            Path(name).write_bytes(contents[blob])
        done = repo.run("merge-file", "--stdout", "--quiet", "--theirs", *names)
    return done.stdout if done.ok else None


def with_entries(repo: BareRepo, base: str, entries: Mapping[str, tuple[str, str]]) -> str:
    """The tree of `base` with these (mode, blob) by path; an empty mode takes the path away. Raises GitError."""
    rows = "".join(f"{mode or '0'} {blob or _ZERO}\t{path}\0" for path, (mode, blob) in entries.items())
    with tempfile.TemporaryDirectory(prefix="nightshift-index-") as folder:
        env = {"GIT_INDEX_FILE": f"{folder}/index"}
        repo.out("read-tree", base, env=env)
        repo.out("update-index", "-z", "--index-info", stdin=rows.encode("utf-8", "surrogateescape"), env=env)
        return repo.out("write-tree", env=env).decode().strip()


def grafted(repo: BareRepo, onto: str, source: str, paths: Collection[str]) -> str:
    """The tree of `onto` with some paths as they are in `source`: contents, modes and absence. Raises GitError."""
    there = {e.path: (f"{e.mode:o}", e.blob) for e in repo.entries(source) if e.path in paths}
    return with_entries(repo, onto, {path: there.get(path, ("", "")) for path in paths})
