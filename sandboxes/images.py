"""What a sandbox sees as its root, so that tests run with nothing to pull.

The `host` image is an empty image (a few hundred bytes, imported from memory) plus read-only binds of the
host's programs and of ONE Python environment. Only what running needs is bound: never /etc as a whole, /home,
/root, /var or /run. What /etc holds is listed one by one in `_ETC`, and why.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import shutil
import stat
import sys
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nightshift.daemon.kit.run import run
from nightshift.daemon.ports import WORKDIR, EnvironmentBroke

HOST = "host"
SHIMS = "/opt/nightshift/bin"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where a named image's programs are when it does not say."""
_SYSTEM = ("/usr", "/bin", "/lib", "/lib32", "/lib64", "/libx32")
_MERGED = frozenset(_SYSTEM[1:])
_WHOLE = ("/", "/home", "/root", "/opt", "/var", "/tmp", "/run", "/srv", "/mnt", "/media")  # noqa: S108
_ETC = (
    "/etc/ld.so.cache",  # where the loader finds libraries outside its built-in directories
    "/etc/alternatives",  # awk and friends are links through here; links only
    "/etc/ssl/certs",  # public certificates: ssl contexts load them; the private half of /etc/ssl stays out
    "/etc/ssl/openssl.cnf",
    "/etc/mime.types",  # the standard library's `mimetypes` reads it
)
_FILES = {
    "etc/passwd": "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\nnobody:x:65534:65534::/nonexistent:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
}
_DIRS = ("dev", "etc", "proc", "sbin", "sys", "tmp", "var/tmp", WORKDIR.lstrip("/"))
_ASK = "import json,sys;print(json.dumps([sys.prefix,sys.base_prefix,sys.exec_prefix,sys.base_exec_prefix]))"
BASE_ENV: Mapping[str, str] = {
    "HOME": "/tmp",  # noqa: S108 - the sandbox's own tmpfs
    "TMPDIR": "/tmp",  # noqa: S108
    "USER": "sandbox",
    "LOGNAME": "sandbox",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
}


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """A Python as the host has it: the path it is called by and the prefixes it lives in (unresolved)."""

    executable: str
    prefixes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A root file system to be: `binds` are read-only (same path inside), the rest goes into the empty image. `mounts`
    (source, target, whether writable) are for bubblewrap alone."""

    binds: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, int, str], ...] = ()
    dirs: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    mounts: tuple[tuple[str, str, bool], ...] = ()

    def tag(self) -> str:
        """The image's name; layouts that differ in their own content have different names."""
        text = json.dumps([self.links, self.files, self.dirs])
        return f"nightshift-host:{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    def tar(self) -> bytes:
        """The image's only layer."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for name in self.dirs:
                archive.addfile(_entry(name, tarfile.DIRTYPE, 0o1777 if name.endswith("tmp") else 0o755))
            for name, mode, content in self.files:
                info = _entry(name, tarfile.REGTYPE, mode)
                info.size = len(content.encode())
                archive.addfile(info, io.BytesIO(content.encode()))
            for name, target in self.links:
                info = _entry(name.lstrip("/"), tarfile.SYMTYPE, 0o777)
                info.linkname = target
                archive.addfile(info)
        return buffer.getvalue()


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode = kind, mode
    return info


def interpreter(python: str = "") -> Interpreter:
    """The Python to run tests with: `python` (a path or a name on PATH), or the daemon's own when empty.

    Raises `EnvironmentBroke` when it does not exist or does not run. Asked once per path.
    """
    if not python:
        prefixes = (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix)
        return Interpreter(executable=sys.executable, prefixes=_unique(prefixes))
    return _asked(python)


@functools.lru_cache(maxsize=64)
def _asked(python: str) -> Interpreter:
    found = shutil.which(os.path.expanduser(python))
    if not found:
        raise EnvironmentBroke(f"there is no Python at {python}: give the path of an interpreter that exists")
    executable = os.path.abspath(found)
    answer = run([executable, "-I", "-c", _ASK], timeout_s=30, cwd="/", env={"LANG": "C.UTF-8"})
    try:
        prefixes = [str(each) for each in json.loads(answer.stdout)]
    except ValueError as error:
        raise EnvironmentBroke(f"{python} does not run as a Python interpreter: {answer.why()}") from error
    return Interpreter(executable=executable, prefixes=_unique(prefixes))


def host_layout(python: str = "") -> Layout:
    """The layout of the `host` image for one interpreter; raises `EnvironmentBroke` when it can't be bound."""
    asked = interpreter(python)
    merged = [path for path in _SYSTEM if os.path.islink(path) and path in _MERGED]
    binds = [path for path in _SYSTEM if os.path.isdir(path) and path not in merged]
    binds += [path for path in _ETC if os.path.exists(path)]
    links = {path: os.readlink(path) for path in merged}
    for prefix in asked.prefixes:
        _bind_prefix(prefix, binds, links)
    _link_chain(asked.executable, binds, links)
    shims = _shims(asked.executable)
    files = [(name, 0o644, text) for name, text in _FILES.items()]
    files += [(f"{SHIMS}/{name}".lstrip("/"), 0o755, text) for name, text in shims.items()]
    path = [SHIMS] * bool(shims) + [os.path.dirname(asked.executable), "/usr/local/bin", "/usr/bin", "/bin"]
    env = {**BASE_ENV, "PATH": ":".join(dict.fromkeys(path))}
    return Layout(binds=tuple(binds), links=tuple(sorted(links.items())), files=tuple(files),
                  dirs=(*_DIRS, *_targets(binds)), env=tuple(sorted(env.items())))  # fmt: skip


def _bind_prefix(prefix: str, binds: list[str], links: dict[str, str]) -> None:
    real = os.path.realpath(prefix)
    for path in (prefix, real):
        if _under(path, (WORKDIR, "/proc", "/sys", "/dev", "/etc")) or path in _WHOLE:
            raise EnvironmentBroke(f"the Python environment {path} can't be bound into a sandbox: move it elsewhere")
    if not _under(real, binds):
        _check_readable(real)
        binds.append(real)
    if not _under(prefix, binds):
        _link(prefix, real, binds, links)


def _check_readable(path: str) -> None:
    mode = os.stat(path).st_mode
    if not (mode & stat.S_IROTH and mode & stat.S_IXOTH):
        raise EnvironmentBroke(f"{path} is not readable for the sandbox's user: chmod -R o+rX {path}")


def _link_chain(executable: str, binds: list[str], links: dict[str, str]) -> None:
    """Every hop from the interpreter's name to its file must exist inside, directories that are links included."""
    path = executable
    for _ in range(40):
        if not _under(path, binds):
            real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
            _link(path, os.readlink(path) if os.path.islink(path) else real, binds, links)
        if not os.path.islink(path):
            return
        path = os.path.normpath(os.path.join(os.path.realpath(os.path.dirname(path)), os.readlink(path)))


def _link(path: str, target: str, binds: list[str], links: dict[str, str]) -> None:
    if path == target:
        _check_readable(target)
        binds.append(target)
    elif path not in links and not any(_under(path, (link,)) for link in links):
        links[path] = target


def _shims(executable: str) -> dict[str, str]:
    """Scripts for the names that are missing beside the interpreter, or that are another Python there."""
    text = f'#!/bin/sh\nexec {executable} "$@"\n'
    real, folder = os.path.realpath(executable), os.path.dirname(executable)
    wrong = (name for name in ("python", "python3") if os.path.realpath(os.path.join(folder, name)) != real)
    return dict.fromkeys(wrong, text)


def _targets(binds: Iterable[str]) -> tuple[str, ...]:
    """Mount points, made in the image so that they need not be made at every start. Files make themselves."""
    return tuple(path.lstrip("/") for path in binds if os.path.isdir(path) and not _under(path, ("/tmp",)))  # noqa: S108


def _under(path: str, roots: Iterable[str]) -> bool:
    return any(path == root or path.startswith(root.rstrip("/") + "/") for root in roots)


def _unique(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(os.path.normpath(path) for path in paths))
