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
from urllib.parse import quote, unquote_to_bytes

from nightshift.daemon.kit.access import Access, Nobody
from nightshift.daemon.kit.run import Completed, run
from nightshift.daemon.kit.tar import tar_of_entries

ZERO = "0" * 40
_SAFE = (
    "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "protocol.ext.allow=never",
    "-c", "core.attributesFile=/dev/null", "-c", "gc.auto=0", "-c", "maintenance.auto=false",
    "-c", "core.quotePath=false", "-c", "commit.gpgSign=false", "-c", "merge.renames=true",
    "-c", "safe.directory=*", "-c", "uploadpack.packObjectsHook=", "-c", "core.filesRefLockTimeout=2000",
)  # fmt: skip
# What serves a local fetch or push runs inside the OTHER repository, with its configuration, so the doors are
# closed there too; git drops `-c` settings on that way, and refuses repositories of another user without the first.
_THERE = "git -c 'safe.directory=*' -c core.hooksPath=/dev/null -c core.fsmonitor=false -c core.alternateRefsCommand=:"
_UPLOAD_PACK = f"{_THERE} upload-pack"
_RECEIVE_PACK = f"{_THERE} -c receive.autogc=false -c gc.auto=0 receive-pack"
_FORBIDDEN = frozenset({"", ".", "..", ".git"})
_LOST = ("but expected", "reference already exists", "unable to resolve reference")
_KEPT = frozenset({"PATH", "HOME", "SSH_AUTH_SOCK", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"})
_WHO = "Nightshift"
MAIL = "nightshift@localhost"


class GitError(Exception):
    """Git refused; the message is its last line."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One file of a tree. `mode` is git's (0o100644, 0o100755, 0o120000, 0o160000)."""

    mode: int
    blob: str
    path: str


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k in _KEPT or k.lower().endswith("_proxy")}
    return {
        **kept, "LC_ALL": "C", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": "file:https:ssh:http", "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ATTR_NOSYSTEM": "1", "GIT_AUTHOR_NAME": _WHO, "GIT_AUTHOR_EMAIL": MAIL,
        "GIT_COMMITTER_NAME": _WHO, "GIT_COMMITTER_EMAIL": MAIL, **extra,
    }  # fmt: skip


class BareRepo:
    """A bare repository owned by the daemon. `access` lets it into others over the network."""

    def __init__(self, path: str | Path, access: Access | None = None) -> None:
        self.path, self._access = str(path), access or Nobody()

    @classmethod
    def ensure(cls, path: str | Path, access: Access | None = None) -> BareRepo:
        """Open it, or create it empty without templates or hooks; whole or not at all, whoever races or is killed."""
        if not (Path(path) / "HEAD").exists():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".new-", dir=Path(path).parent) as folder:
                argv = ["git", *_SAFE, "init", "--bare", "--quiet", "--template=", "--initial-branch=main"]
                _check(run([*argv, f"{folder}/git"], timeout_s=60, env=_environment({})))
                _move(f"{folder}/git", path)
        return cls(path, access)

    def run(
        self, *args: str, stdin: bytes = b"", env: Mapping[str, str] | None = None, timeout_s: float = 120,
        fds: Sequence[int] = (),
    ) -> Completed:  # fmt: skip
        """Run git here with every door closed; never raises on a non-zero exit."""
        argv = ["git", f"--git-dir={self.path}", *_SAFE, *args]
        return run(argv, timeout_s=timeout_s, stdin=stdin, env=_environment(env or {}), pass_fds=fds)

    def _there(self, source: str, *args: str, timeout_s: float) -> Completed:
        """Run a command that talks to another repository, let in as `access` says."""
        with self._access.granted(source) as grant:
            return self.run(*grant.flags, *args, env=grant.env, fds=grant.fds, timeout_s=timeout_s)

    def out(self, *args: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> bytes:
        """Standard output of a git command that must succeed; raises GitError."""
        return _check(self.run(*args, stdin=stdin, env=env)).stdout

    def fetch(self, source: str, refspecs: Sequence[str], timeout_s: float = 600) -> None:
        """Fetch objects and refs from a path or URL; nothing of the source is executed. Raises GitError."""
        flags = ("--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--quiet", "--no-recurse-submodules")
        there = _doors(source, "--upload-pack", _UPLOAD_PACK)
        _check(self._there(source, "fetch", *flags, *there, "--", as_source(source), *refspecs, timeout_s=timeout_s))

    def remote_tip(self, source: str, ref: str, timeout_s: float = 60) -> str:
        """Where a ref stands in another repository, '' when it isn't there. Raises GitError if that can't be read."""
        there = _doors(source, "--upload-pack", _UPLOAD_PACK)
        asked = ("ls-remote", "--refs", *there, "--", as_source(source), ref)
        done = _check(self._there(source, *asked, timeout_s=timeout_s))
        rows = (line.split("\t") for line in done.text().splitlines())
        return next((row[0] for row in rows if row[1:] == [ref]), "")

    def push(self, target: str, commit: str, ref: str, *, expect: str, timeout_s: float = 120) -> Completed:
        """Move a ref of another repository from `expect` to `commit`, or nothing; a local one's hooks don't run."""
        there = _doors(target, "--receive-pack", _RECEIVE_PACK)
        lease = f"--force-with-lease={ref}:{expect}"
        flags = ("--no-verify", "--no-signed", "--recurse-submodules=no", lease)
        return self._there(target, "push", *flags, *there, "--", as_source(target), f"{commit}:{ref}",
                           timeout_s=timeout_s)  # fmt: skip

    def committed_at_s(self, commit: str) -> int:
        """A commit's committer time in Unix seconds; raises GitError when there is no such commit."""
        return int(self.out("show", "--no-patch", "--format=%ct", "--end-of-options", f"{commit}^{{commit}}"))

    def resolve(self, name: str) -> str:
        """Full commit id of a revision, or '' when there is none."""
        if "\0" in name:
            return ""
        done = self.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        return done.text().strip() if done.ok else ""

    def tree_of(self, commit: str) -> str:
        """The id of a commit's tree."""
        return self.out("rev-parse", f"{commit}^{{tree}}").decode().strip()

    def entries(self, treeish: str) -> list[Entry]:
        """Every file of a tree, recursively. Raises GitError on a forged tree whose paths lead out of it."""
        listing = self.out("ls-tree", "-r", "-z", "--full-tree", treeish).split(b"\0")
        found = [_entry(line) for line in listing if line]
        forged = next((e.path for e in found if _FORBIDDEN.intersection(e.path.casefold().split("/"))), None)
        if forged is not None:
            raise GitError(f"the tree holds a forbidden path: {forged!r}")
        return found

    def blobs(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Contents of many blobs in one process."""
        if not ids:
            return {}
        data = self.out("cat-file", "--batch", stdin="".join(f"{i}\n" for i in ids).encode())
        found, at = {}, 0
        for blob in ids:
            end = data.index(b"\n", at)
            if data[at:end].endswith(b" missing"):
                raise GitError(f"object {blob} is missing")
            size = int(data[at:end].split()[2])
            found[blob] = data[end + 1 : end + 1 + size]
            at = end + 2 + size
        return found

    def read(self, treeish: str, path: str) -> bytes | None:
        """One file at a commit; None when it isn't there."""
        if "\0" in path:
            return None
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
        """The tree of `base` with these regular files written over or added (modes of existing files kept).

        Raises GitError for a path that leads out of the tree or into `.git`; git would drop it silently.
        """
        odd = next((path for path in files if _FORBIDDEN.intersection(path.casefold().split("/"))), None)
        if odd is not None:
            raise GitError(f"{odd!r} is no path of a tree")
        modes = {e.path: e.mode for e in self.entries(base)}
        rows = (f"{modes.get(p, 0o100644):o} {self.write_blob(d)}\t{p}\0" for p, d in files.items())
        with tempfile.TemporaryDirectory(prefix="nightshift-index-") as folder:
            env = {"GIT_INDEX_FILE": f"{folder}/index"}
            self.out("read-tree", base, env=env)
            self.out("update-index", "-z", "--add", "--index-info", stdin=_encode("".join(rows)), env=env)
            return self.out("write-tree", env=env).decode().strip()

    def commit(self, tree: str, parents: Sequence[str], message: str, *, at_s: int, who: str = _WHO) -> str:
        """Write a commit object. `at_s` (Unix seconds) makes it deterministic: same input, same id."""
        env = {"GIT_AUTHOR_DATE": f"@{at_s} +0000", "GIT_COMMITTER_DATE": f"@{at_s} +0000", "GIT_AUTHOR_NAME": who}
        flags = [flag for parent in parents for flag in ("-p", parent)]
        return self.out("commit-tree", tree, *flags, "-F", "-", stdin=_encode(message), env=env).decode().strip()

    def swap(self, ref: str, new: str, old: str) -> bool:
        """Compare-and-swap a ref; False when it no longer stands at `old` (ZERO = must not exist).

        Raises GitError when something else stood in the way: a lock left behind, a full disk, a ref of the
        same name as a folder.
        """
        done = self.run("update-ref", "--no-deref", ref, new, old)
        why = done.stderr.decode("utf-8", "replace")
        if not done.ok and not any(lost in why for lost in _LOST):
            raise GitError(_why(done))
        return done.ok

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether `older` is reachable from `newer`."""
        return self.run("merge-base", "--is-ancestor", older, newer).ok


def _move(made: str, path: str | Path) -> None:
    try:
        os.rename(made, path)
    except OSError as error:
        if not (Path(path) / "HEAD").exists():
            raise GitError(f"{path} is in the way of a new repository: {error}") from error


def local_path(source: str) -> Path | None:
    """The folder a source names, or None when it is a URL or an scp-like address."""
    if source.startswith("file://"):
        return Path(os.fsdecode(unquote_to_bytes(source.removeprefix("file://"))))
    return Path(source) if "://" not in source and Path(source).exists() else None


def as_source(source: str) -> str:
    """A path as a file URL (git then copies objects instead of linking them); anything else unchanged."""
    path = local_path(source)
    return source if path is None else f"file://{quote(os.fsencode(path.resolve()))}"


def _doors(source: str, flag: str, program: str) -> tuple[str, ...]:
    return () if local_path(source) is None else (f"{flag}={program}",)


def _entry(line: bytes) -> Entry:
    meta, _, path = line.partition(b"\t")
    mode, _, blob = meta.split()
    return Entry(mode=int(mode, 8), blob=blob.decode(), path=path.decode("utf-8", "surrogateescape"))


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _check(done: Completed) -> Completed:
    if not done.ok:
        raise GitError(_why(done))
    return done


def _why(done: Completed) -> str:
    """Git's own first complaint; its last line is often only advice."""
    lines = [line.strip() for line in done.stderr.decode("utf-8", "replace").splitlines()]
    told = (line for line in lines if line.startswith(("fatal:", "error:", "! [")))
    return done.why() if done.ended != "exited" else next(told, done.why())
