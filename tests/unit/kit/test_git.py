"""Git on hostile content: nothing of theirs runs, odd names survive, forged trees are refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nightshift.daemon.kit.git import ZERO, BareRepo, GitError
from nightshift.daemon.kit.run import run


@pytest.fixture
def own(tmp_path: Path) -> BareRepo:
    return BareRepo.ensure(tmp_path / "own" / "x.git")


def _git(folder: Path, *args: str) -> str:
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    done = run(["git", "-C", str(folder), "-c", "user.name=D", "-c", "user.email=d@localhost", *args],
               timeout_s=60, env=env)  # fmt: skip
    assert done.ok, done.stderr
    return done.text().strip()


def _theirs(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    _git(folder, "init", "-q", "-b", "main", ".")
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    _git(folder, "add", "-A")
    _git(folder, "commit", "-q", "-m", "start")
    return folder


def _fetched(own: BareRepo, source: Path | str) -> str:
    own.fetch(str(source), ["+refs/heads/main:refs/heads/main"])
    return own.resolve("refs/heads/main")


def test_nothing_of_a_hostile_repository_runs(own: BareRepo, tmp_path: Path) -> None:
    trap = tmp_path / "ran"
    attributes = b"* filter=evil diff=evil merge=evil export-subst\n*.txt export-ignore\n"
    theirs = _theirs(tmp_path / "theirs", {"a.txt": b"one\n", ".gitattributes": attributes, ".lfsconfig": b"x"})
    script = tmp_path / "evil.sh"
    script.write_text(f"#!/bin/sh\necho $0 $@ >> {trap}\ncat\n")
    script.chmod(0o755)
    for key in ("core.fsmonitor", "filter.evil.clean", "filter.evil.smudge", "filter.evil.process", "diff.external",
                "diff.evil.textconv", "diff.evil.command", "merge.evil.driver", "uploadpack.packObjectsHook",
                "core.alternateRefsCommand", "core.sshCommand", "core.pager", "core.editor", "gpg.program",
                "credential.helper"):  # fmt: skip
        _git(theirs, "config", key, str(script))
    for name in ("post-checkout", "reference-transaction", "pre-receive", "post-update", "pre-push", "update"):
        (theirs / ".git/hooks" / name).parent.mkdir(exist_ok=True)
        (theirs / ".git/hooks" / name).write_text(f"#!/bin/sh\necho {name} >> {trap}\n")
        (theirs / ".git/hooks" / name).chmod(0o755)
    base = _fetched(own, theirs)
    tree = own.with_files(base, {"a.txt": b"two\n"})
    diff = own.diff(base, tree)
    assert own.apply(base, diff) == own.apply_3way(base, diff) == tree
    commit = own.commit(tree, [base], "x", at_s=1)
    assert own.push(str(theirs), commit, "refs/heads/other", expect="").ok
    assert own.remote_tip(str(theirs), "refs/heads/other") == commit
    assert b"one" in own.tar(base) and b"two" in own.tar(commit)
    assert not trap.exists(), trap.read_text()


@pytest.mark.parametrize(
    "source", ["ext::sh -c touch% {trap}", "ext::touch {trap}", "fd::7", "--upload-pack=touch {trap}", "git://x/y",
               "ssh://-oProxyCommand=touch${{IFS}}{trap}/x", "testgit::{trap}"]
)  # fmt: skip
def test_sources_that_would_run_something_are_refused(own: BareRepo, tmp_path: Path, source: str) -> None:
    trap = tmp_path / "ran"
    with pytest.raises(GitError):
        own.fetch(source.format(trap=trap), ["+refs/heads/main:refs/heads/main"])
    with pytest.raises(GitError):
        own.remote_tip(source.format(trap=trap), "refs/heads/main")
    assert not own.push(source.format(trap=trap), ZERO, "refs/heads/main", expect="").ok
    assert not trap.exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_repositories_of_other_users_can_be_read_and_pushed_to(own: BareRepo, tmp_path: Path) -> None:
    theirs = _theirs(tmp_path / "theirs", {"a.txt": b"one\n"})
    for path in (theirs, *theirs.rglob("*")):
        os.chown(path, 12345, 12345)
    base = _fetched(own, theirs)
    assert base and own.push(str(theirs), base, "refs/heads/copy", expect="").ok


@pytest.mark.parametrize("name", ["plain", "with space", "p%41ercent", "quo'te\"", "-dash", "näme", "$(id);x", "a\nb"])
def test_odd_folders_can_be_fetched(own: BareRepo, tmp_path: Path, name: str) -> None:
    assert _fetched(own, _theirs(tmp_path / "up" / name, {"a": b"1"}))


ODD = ["sp ace", "new\nline", 'quo"te', "tab\t", "back\\slash", "-dash", "näme", os.fsdecode(b"raw\xff\xfe"), ":(top)x",
       "deep/er/x", "*"]  # fmt: skip


def test_odd_paths_survive_everything(own: BareRepo, tmp_path: Path) -> None:
    base = _fetched(own, _theirs(tmp_path / "theirs", {name: name.encode("utf-8", "surrogateescape") for name in ODD}))
    assert sorted(e.path for e in own.entries(base)) == sorted(ODD)
    for name in ODD:
        assert own.read(base, name) == name.encode("utf-8", "surrogateescape")
    tree = own.with_files(base, dict.fromkeys(ODD, b"changed\n"))
    assert own.apply(base, own.diff(base, tree)) == tree
    changed = own.commit(tree, [base], "x", at_s=1)
    assert own.apply_3way(changed, own.diff(changed, base)) == own.tree_of(base)
    assert own.tar(base)


def test_reading_what_is_not_there(own: BareRepo, tmp_path: Path) -> None:
    base = _fetched(own, _theirs(tmp_path / "theirs", {"a/b": b"1"}))
    for path in ("", "a", "gone", "../x", "/etc/passwd", "a\0b", "./a/b"):
        assert own.read(base, path) is None
    for name in ("", "gone", "--all", "a\0b", "HEAD:a", ZERO, "main..main"):
        assert own.resolve(name) == ""
    with pytest.raises(GitError, match="missing"):
        own.blobs(["1" * 40])
    with pytest.raises(GitError):
        own.committed_at_s(ZERO)


@pytest.mark.parametrize("name", [b"..", b".git", b".GIT", b"."])
def test_forged_trees_are_refused(own: BareRepo, name: bytes) -> None:
    blob = bytes.fromhex(own.write_blob(b"x"))
    inner = own.out("hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=b"100644 x\0" + blob)
    outer = own.out("hash-object", "-t", "tree", "-w", "--literally", "--stdin",
                    stdin=b"40000 " + name + b"\0" + bytes.fromhex(inner.decode()))  # fmt: skip
    with pytest.raises(GitError, match="forbidden"):
        own.tar(outer.decode().strip())


@pytest.mark.parametrize("path", ["../out", "/tmp/abs", ".git/config", "a/../../x"])
def test_diffs_that_lead_out_are_refused(own: BareRepo, tmp_path: Path, path: str) -> None:
    base = _fetched(own, _theirs(tmp_path / "theirs", {"a": b"1\n"}))
    diff = f"diff --git a/{path} b/{path}\nnew file mode 100644\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n"
    for apply in (own.apply, own.apply_3way):
        with pytest.raises(GitError):
            apply(base, diff)


@pytest.mark.parametrize("path", ["../out", "/abs", ".git/config", "a/.GIT/x", "a//b", ""])
def test_files_that_lead_out_are_refused(own: BareRepo, path: str) -> None:
    empty = own.out("mktree").decode().strip()
    with pytest.raises(GitError, match="no path"):
        own.with_files(empty, {path: b"x"})


def test_three_way_keeps_later_work_and_refuses_conflicts(own: BareRepo, tmp_path: Path) -> None:
    lines = [f"{n}\n" for n in range(30)]
    base = _fetched(own, _theirs(tmp_path / "theirs", {"a": "".join(lines).encode()}))

    def edited(on: str, line: int, text: str) -> str:
        old = (own.read(on, "a") or b"").decode().splitlines(keepends=True)
        old[line] = text
        return own.commit(own.with_files(on, {"a": "".join(old).encode()}), [on], "x", at_s=1)

    first = edited(base, 3, "three\n")
    second = edited(first, 25, "later\n")
    undone = own.apply_3way(second, own.diff(first, base))
    assert b"later" in own.read(undone, "a") and b"three" not in own.read(undone, "a")
    with pytest.raises(GitError):
        own.apply_3way(edited(second, 3, "else\n"), own.diff(first, base))


def test_swap_tells_losing_from_breaking(own: BareRepo) -> None:
    a, b = own.write_blob(b"a"), own.write_blob(b"b")
    assert own.swap("refs/x/one", a, ZERO) and own.swap("refs/x/one", b, a)
    assert not own.swap("refs/x/one", b, a) and not own.swap("refs/x/one", a, ZERO)
    assert not own.swap("refs/x/none", b, a)
    with pytest.raises(GitError, match="cannot create"):
        own.swap("refs/x/one/below", a, ZERO)
    lock = Path(own.path) / "refs/x/one.lock"
    lock.touch()
    with pytest.raises(GitError, match=r"one\.lock"):
        own.swap("refs/x/one", a, b)


def test_same_commit_same_id_and_errors_say_why(own: BareRepo, tmp_path: Path) -> None:
    base = _fetched(own, _theirs(tmp_path / "theirs", {"a": b"1\n"}))
    tree = own.tree_of(base)
    assert own.commit(tree, [base], "m", at_s=5) == own.commit(tree, [base], "m", at_s=5)
    assert own.committed_at_s(own.commit(tree, [base], "m", at_s=5)) == 5
    with pytest.raises(GitError, match="couldn't find remote ref"):
        own.fetch(str(tmp_path / "theirs"), ["refs/heads/nope:refs/heads/nope"])
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(GitError, match="in the way"):
        BareRepo.ensure(tmp_path / "full")
    assert BareRepo.ensure(own.path).resolve("refs/heads/main") == base
