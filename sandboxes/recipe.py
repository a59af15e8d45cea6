"""The bubblewrap command line of a sandbox: what is unshared, bound, limited and dropped, and in which order.

Order is safety here. As root, the programs that set limits and change the uid still hold three capabilities, so they
are named by absolute path and run with an environment of ours; the caller's variables (PATH, LD_PRELOAD) are set by
the last of them, when the uid is dropped already.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from nightshift.daemon.ports import WORKDIR, EnvironmentBroke, SandboxSpec
from nightshift.sandboxes import images, profile

_NAMESPACES = ("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try")
_ROOT_CAPS = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP")


def program(name: str) -> str:
    """The absolute path of a program of the host; raises `EnvironmentBroke` when there is none."""
    path = shutil.which(name, path="/usr/bin:/bin:/usr/local/bin")
    if not path:
        what = "bubblewrap" if name == "bwrap" else "util-linux coreutils"
        raise EnvironmentBroke(f"{name} is not installed: apt-get install {what}")
    return path


def command_line(
    home: Path, layout: images.Layout, spec: SandboxSpec, uid: int, *, argv: Sequence[str], env: Mapping[str, str],
    cwd: str, seccomp: int, status: int,
) -> list[str]:  # fmt: skip
    """The whole command. `home` holds the private directories, `seccomp` and `status` are inherited descriptors."""
    as_root = os.getuid() == 0
    user = [] if as_root else ["--unshare-user", "--uid", str(uid), "--gid", str(uid)]
    caps = ["--cap-drop", "ALL", *(word for cap in _ROOT_CAPS * as_root for word in ("--cap-add", cap))]
    return [
        program("bwrap"), *user, *_NAMESPACES, "--die-with-parent", "--new-session", *caps, "--hostname", "sandbox",
        *_mounts(home, layout), "--clearenv", "--seccomp", str(seccomp), "--json-status-fd", str(status),
        "--chdir", "/", "--", *_limits(spec), *(_drop(uid) if as_root else ()),
        program("env"), "-i", "-C", cwd, *(f"{name}={value}" for name, value in (dict(layout.env) | dict(env)).items()),
        *argv,
    ]  # fmt: skip


def furnish(home: Path, layout: images.Layout, uid: int) -> None:
    """Make the private directories and the few files the root needs. Raises OSError."""
    for name, mode in (("work", 0o700), ("tmp", 0o1777)):
        (home / name).mkdir()
        (home / name).chmod(mode)
        if os.getuid() == 0:
            os.chown(home / name, uid, uid)
    for name, mode, text in layout.files:
        path = home / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)


def _limits(spec: SandboxSpec) -> list[str]:
    """Private writable memory is limited to the spec; address space, which threads reserve freely, to 4 times."""
    words = [f"--{name}={value}" for name, value in profile.limits(spec).items() if name != "nproc"]
    memory = spec.memory_mb << 20
    return [program("prlimit"), *words, f"--nproc={spec.pids}", f"--data={memory}", f"--as={4 * memory}", "--"]


def _drop(uid: int) -> list[str]:
    return [program("setpriv"), "--reuid", str(uid), "--regid", str(uid), "--clear-groups", "--no-new-privs",
            "--bounding-set=-all", "--inh-caps=-all", "--"]  # fmt: skip


def _mounts(home: Path, layout: images.Layout) -> list[str]:
    words = ["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--size", str(profile.SHM_BYTES),
             "--tmpfs", "/dev/shm"]  # fmt: skip  # noqa: S108
    for path in profile.MASKED:
        if path.startswith("/proc/") and os.path.exists(path):
            words += ["--tmpfs", path] if os.path.isdir(path) else ["--ro-bind", "/dev/null", path]
    words += ["--bind", str(home / "tmp"), "/tmp", "--bind", str(home / "work"), WORKDIR]  # noqa: S108
    names = [f"/{name}" for name, _, _ in layout.files]
    targets = [target for _, target, _ in layout.mounts]
    for path in _parents([*layout.binds, *names, *targets, *(name for name, _ in layout.links)]):
        words += ["--perms", "0755", "--dir", path]
    for path in layout.binds:
        words += ["--ro-bind", path, path]
    for name in names:
        words += ["--ro-bind", f"{home}/root{name}", name]
    for source, target, writable in layout.mounts:
        words += ["--bind" if writable else "--ro-bind", source, target]
    for name, target in layout.links:
        words += ["--symlink", target, name]
    return [*words, "--remount-ro", "/dev", "--remount-ro", "/"]


def _parents(paths: Sequence[str]) -> list[str]:
    """Every directory above the paths, outermost first: bubblewrap would make them for their owner only."""
    above = {str(folder) for path in paths for folder in PurePosixPath(path).parents}
    return sorted(above - {"/", "/tmp", WORKDIR})  # noqa: S108
