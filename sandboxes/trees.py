"""Trees of commits as tars, ready to travel into sandboxes. A few small ones are kept: a mission opens one often."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping

from nightshift.daemon.kit.git import BareRepo, GitError
from nightshift.daemon.kit.tar import tar_of_entries
from nightshift.daemon.ports import EnvironmentBroke

_LINK, _SUBMODULE = 0o120000, 0o160000
_MB = 1 << 20


class Trees:
    """Makes tars of trees; thread-safe. `limit_mb` is what a sandbox's WORKDIR holds, `kept_bytes` bounds the cache."""

    def __init__(self, *, limit_mb: int, kept_bytes: int = 24 * _MB) -> None:
        self._limit, self._kept = limit_mb * _MB, kept_bytes
        self._lock = threading.Lock()
        self._tars: OrderedDict[tuple[str, str, int], bytes] = OrderedDict()

    def tar(self, repo: str, treeish: str, files: Mapping[str, str]) -> bytes:
        """The tree with `files` written over it. Raises EnvironmentBroke when it can't be read or is too big."""
        key = (repo, treeish, hash(tuple(sorted(files.items()))))
        with self._lock:
            if key in self._tars:
                self._tars.move_to_end(key)
                return self._tars[key]
        try:
            made = self._make(BareRepo(repo), treeish, files)
        except (GitError, OSError) as error:
            raise EnvironmentBroke(f"the tree of {treeish[:12]} can't be read: {error}") from error
        self._keep(key, made)
        return made

    def _make(self, repo: BareRepo, treeish: str, files: Mapping[str, str]) -> bytes:
        rows = [row for row in _listing(repo, treeish) if row[0] != _SUBMODULE and row[3] not in files]
        total = sum(size for _, _, size, _ in rows)
        if total > self._limit * 0.9:
            raise EnvironmentBroke(
                f"the tree holds {total // _MB} MB, a sandbox {self._limit // _MB} MB: raise work_mb of the sandboxes"
            )
        blobs = repo.blobs(sorted({blob for _, blob, _, _ in rows}))
        entries = [(path, mode, blobs[blob]) for mode, blob, _, path in rows]
        extra = [(path, 0o100755 if text.startswith("#!") else 0o100644, text.encode("utf-8", "surrogateescape"))
                 for path, text in files.items()]  # fmt: skip
        return tar_of_entries([*entries, *extra])

    def _keep(self, key: tuple[str, str, int], made: bytes) -> None:
        with self._lock:
            self._tars[key] = made
            while self._tars and sum(map(len, self._tars.values())) > self._kept:
                self._tars.popitem(last=False)


def _listing(repo: BareRepo, treeish: str) -> list[tuple[int, str, int, str]]:
    rows = repo.out("ls-tree", "-r", "-l", "-z", "--full-tree", treeish).split(b"\0")
    return [_row(row) for row in rows if row]


def _row(row: bytes) -> tuple[int, str, int, str]:
    meta, _, path = row.partition(b"\t")
    mode, _, blob, size = meta.split()
    return int(mode, 8), blob.decode(), int(size) if size != b"-" else 0, path.decode("utf-8", "surrogateescape")
