"""Git on hostile content: a bare repository the daemon owns. Git never runs inside a repository of somebody else.

Objects are fetched into it; hooks, filters, external programs and remote helpers of the source never execute
(measured: `git status` in a hostile work tree runs its fsmonitor, checkout its hooks, fetch `ext::` commands).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nightshift.daemon.kit.run import Completed, run
from nightshift.daemon.kit.tar import tar_of_entries

ZERO = "0" * 40
_SAFE = (
    "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "protocol.ext.allow=never",
    "-c", "core.attributesFile=/dev/null", "-c", "gc.auto=0", "-c", "maintenance.auto=false",
    "-c", "core.quotePath=false", "-c", "commit.gpgSign=false", "-c", "merge.renames=true",
    "-c", "safe.directory=*", "-c", "uploadpack.packObjectsHook=",
)  # fmt: skip
_WHO = "Nightshift"
_MAIL = "nightshift@localhost"


class GitError(Exception):
    """Git refused; the message is its last line."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One file of a tree. `mode` is git's (0o100644, 0o100755, 0o120000, 0o160000)."""

    mode: int
    blob: str
    path: str


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    kept = {k: os.environ[k] for k in ("PATH", "HOME", "SSH_AUTH_SOCK", "TMPDIR") if k in os.environ}
    return {
        **kept, "LC_ALL": "C", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": "file:https:ssh:http", "GIT_OPTIONAL_LOCKS": "0",
        "GIT_ATTR_NOSYSTEM": "1", "GIT_AUTHOR_NAME": _WHO, "GIT_AUTHOR_EMAIL": _MAIL,
        "GIT_COMMITTER_NAME": _WHO, "GIT_COMMITTER_EMAIL": _MAIL, **extra,
    }  # fmt: skip


class BareRepo:
    """A bare repository owned by the daemon."""

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)

    @classmethod
    def ensure(cls, path: str | Path) -> BareRepo:
        """Open it, or create it empty without templates or hooks."""
        if not (Path(path) / "HEAD").exists():
            Path(path).mkdir(parents=True, exist_ok=True)
            argv = ["git", *_SAFE, "init", "--bare", "--quiet", "--template=", "--initial-branch=main", str(path)]
            _check(run(argv, timeout_s=60, env=_environment({})))
        return cls(path)

    def run(
        self, *args: str, stdin: bytes = b"", env: Mapping[str, str] | None = None, timeout_s: float = 120
    ) -> Completed:
        """Run git here with every door closed; never raises on a non-zero exit."""
        argv = ["git", f"--git-dir={self.path}", *_SAFE, *args]
        return run(argv, timeout_s=timeout_s, stdin=stdin, env=_environment(env or {}))

    def out(self, *args: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> bytes:
        """Standard output of a git command that must succeed; raises GitError."""
        return _check(self.run(*args, stdin=stdin, env=env)).stdout

    def fetch(self, source: str, refspecs: Sequence[str], timeout_s: float = 600) -> None:
        """Fetch objects and refs from a path or URL; nothing of the source is executed. Raises GitError."""
        flags = ("--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--quiet", "--no-recurse-submodules")
        _check(self.run("fetch", *flags, "--", _as_source(source), *refspecs, timeout_s=timeout_s))

    def resolve(self, name: str) -> str:
        """Full commit id of a revision, or '' when there is none."""
        done = self.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        return done.text().strip() if done.ok else ""

    def tree_of(self, commit: str) -> str:
        """The id of a commit's tree."""
        return self.out("rev-parse", f"{commit}^{{tree}}").decode().strip()

    def entries(self, treeish: str) -> list[Entry]:
        """Every file of a tree, recursively."""
        listing = self.out("ls-tree", "-r", "-z", "--full-tree", treeish).split(b"\0")
        return [_entry(line) for line in listing if line]

    def blobs(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Contents of many blobs in one process."""
        if not ids:
            return {}
        data = self.out("cat-file", "--batch", stdin="".join(f"{i}\n" for i in ids).encode())
        found, at = {}, 0
        for blob in ids:
            end = data.index(b"\n", at)
            size = int(data[at:end].split()[2])
            found[blob] = data[end + 1 : end + 1 + size]
            at = end + 2 + size
        return found

    def read(self, treeish: str, path: str) -> bytes | None:
        """One file at a commit; None when it isn't there."""
        done = self.run("cat-file", "blob", f"{treeish}:{path}")
        return done.stdout if done.ok else None

    def tar(self, treeish: str) -> bytes:
        """The whole tree as a tar. Not `git archive`: that obeys the repository's export-ignore attributes."""
        entries = [e for e in self.entries(treeish) if e.mode != 0o160000]
        blobs = self.blobs(sorted({e.blob for e in entries}))
        return tar_of_entries((e.path, e.mode, blobs[e.blob]) for e in entries)

    def diff(self, old: str, new: str) -> str:
        """Unified diff between two trees or commits, with a/ and b/ prefixes, never through external programs."""
        flags = ("--no-ext-diff", "--no-textconv", "--no-color", "--no-renames", "--full-index", "--binary", "-p")
        return self.out("diff", *flags, "--src-prefix=a/", "--dst-prefix=b/", old, new, "--").decode(
            "utf-8", "surrogateescape"
        )

    def apply(self, base: str, diff: str) -> str:
        """The tree that results from a diff on a commit, made in a throw-away index. Raises GitError if it fails."""
        with tempfile.TemporaryDirectory(prefix="nightshift-index-") as folder:
            env = {"GIT_INDEX_FILE": f"{folder}/index"}
            self.out("read-tree", base, env=env)
            self.out("apply", "--cached", "--whitespace=nowarn", "-", stdin=_encode(diff), env=env)
            return self.out("write-tree", env=env).decode().strip()

    def apply_3way(self, base: str, diff: str) -> str:
        """Like `apply`, falling back to a three-way merge of blobs; raises GitError on conflicts."""
        with tempfile.TemporaryDirectory(prefix="nightshift-index-") as folder:
            env = {"GIT_INDEX_FILE": f"{folder}/index", "GIT_WORK_TREE": folder}
            self.out("read-tree", base, env=env)
            self.out("apply", "--cached", "--3way", "--whitespace=nowarn", "-", stdin=_encode(diff), env=env)
            if self.out("ls-files", "--unmerged", env=env):
                raise GitError("the change conflicts with later work")
            return self.out("write-tree", env=env).decode().strip()

    def write_blob(self, data: bytes) -> str:
        """Store a blob; returns its id."""
        return self.out("hash-object", "-w", "--stdin", stdin=data).decode().strip()

    def with_files(self, base: str, files: Mapping[str, bytes]) -> str:
        """The tree of `base` with these regular files written over or added (modes of existing files kept)."""
        modes = {e.path: e.mode for e in self.entries(base)}
        rows = (f"{modes.get(p, 0o100644):o} {self.write_blob(d)}\t{p}\0" for p, d in files.items())
        with tempfile.TemporaryDirectory(prefix="nightshift-index-") as folder:
            env = {"GIT_INDEX_FILE": f"{folder}/index"}
            self.out("read-tree", base, env=env)
            self.out("update-index", "-z", "--add", "--index-info", stdin=_encode("".join(rows)), env=env)
            return self.out("write-tree", env=env).decode().strip()

    def commit(self, tree: str, parents: Sequence[str], message: str, *, at_s: int) -> str:
        """Write a commit object. `at_s` (Unix seconds) makes it deterministic: same input, same id."""
        env = {"GIT_AUTHOR_DATE": f"{at_s} +0000", "GIT_COMMITTER_DATE": f"{at_s} +0000"}
        flags = [flag for parent in parents for flag in ("-p", parent)]
        return self.out("commit-tree", tree, *flags, "-F", "-", stdin=_encode(message), env=env).decode().strip()

    def swap(self, ref: str, new: str, old: str) -> bool:
        """Compare-and-swap a ref; False when it no longer stands at `old` (ZERO = must not exist)."""
        return self.run("update-ref", "--no-deref", ref, new, old).ok

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether `older` is reachable from `newer`."""
        return self.run("merge-base", "--is-ancestor", older, newer).ok


def _as_source(source: str) -> str:
    return source if "://" in source or not Path(source).exists() else f"file://{Path(source).resolve()}"


def _entry(line: bytes) -> Entry:
    meta, _, path = line.partition(b"\t")
    mode, _, blob = meta.split()
    return Entry(mode=int(mode, 8), blob=blob.decode(), path=path.decode("utf-8", "surrogateescape"))


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _check(done: Completed) -> Completed:
    if not done.ok:
        raise GitError(done.why())
    return done
