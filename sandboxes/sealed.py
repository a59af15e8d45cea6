"""What every sandbox does the same way, whatever seals it: files go in and out through commands."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence

from nightshift.daemon.ports import WORKDIR, EnvironmentBroke, Finished, SandboxSpec
from nightshift.sandboxes import archive

GET_BYTES = 64 << 20
KILLED = 137
_PACK_S = 60.0
_UNPACK_S = 120.0


class Sealed(abc.ABC):
    """A sandbox over one verb, `_exec`. Once `_dead`, every command ends `killed` without being run."""

    def __init__(self, spec: SandboxSpec) -> None:
        self._spec, self._dead = spec, False

    @property
    def spec(self) -> SandboxSpec:
        """What it is made of, and its limits."""
        return self._spec

    @abc.abstractmethod
    def _exec(
        self, argv: Sequence[str], *, timeout_s: float, stdin: bytes, env: Mapping[str, str], cwd: str,
        on_line: Callable[[bytes], None] | None, cap: int,
    ) -> Finished: ...  # fmt: skip

    @abc.abstractmethod
    def close(self) -> None:
        """Remove everything. Never raises; may be called again."""

    def put(self, tar: bytes, *, to: str = WORKDIR) -> None:
        """Unpack a tar inside; raises `EnvironmentBroke` when it does not fit or its paths are refused."""
        done = self.run(archive.unpack_argv(to), timeout_s=_UNPACK_S, stdin=tar, cwd="/")
        if done.code != 0 or done.ended != "exited":
            why = done.stderr.decode("utf-8", "replace").strip()[-300:] or f"{done.ended} with {done.code}"
            raise EnvironmentBroke(f"the tree could not be unpacked in the sandbox ({len(tar)} bytes): {why}")

    def get(self, paths: Sequence[str]) -> Mapping[str, bytes]:
        """Regular files by absolute path; missing ones, links, pipes and what exceeds 64 MiB in all are absent."""
        if not paths or self._dead:
            return {}
        done = self._exec(archive.pack_argv(paths), timeout_s=_PACK_S, stdin=b"", env={}, cwd="/", on_line=None,
                          cap=GET_BYTES)  # fmt: skip
        return archive.read_members(done.stdout, paths)

    def run(
        self, argv: Sequence[str], *, timeout_s: float, stdin: bytes = b"", env: Mapping[str, str] | None = None,
        cwd: str = WORKDIR, on_line: Callable[[bytes], None] | None = None,
    ) -> Finished:  # fmt: skip
        """Run a command; see the port."""
        if self._dead:
            return Finished(argv=tuple(argv), code=KILLED, stdout=b"", stderr=b"", duration_s=0.0, ended="killed")
        return self._exec(argv, timeout_s=timeout_s, stdin=stdin, env=env or {}, cwd=cwd, on_line=on_line,
                          cap=self._spec.output_bytes)  # fmt: skip

    def __exit__(self, *exc: object) -> None:
        self.close()
