"""A "sandbox" that is only a folder of this machine: shows what containers cost. For the benchmarks' own code alone."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.model import Case
from nightshift.daemon.ports import WORKDIR, Finished

HOME = "/tmp/nightshift-search"


class BareSandbox:
    """The parts of port `Sandbox` that a search needs, without any wall around it."""

    def __init__(self, python: str = "python") -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="bare-", ignore_cleanup_errors=True)
        self.root, self._python, self._children = Path(self._folder.name), python, []
        for name in ("work", "home"):
            (self.root / name).mkdir()

    def _here(self, text: str) -> str:
        return text.replace(WORKDIR, f"{self.root}/work").replace(HOME, f"{self.root}/home")

    def put(self, tar: bytes, *, to: str = WORKDIR) -> None:
        with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
            archive.extractall(self._here(to), filter="tar")

    def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", env: Mapping[str, str] | None = None,
        cwd: str = WORKDIR, on_line: Callable[[bytes], None] | None = None, **_: object,
    ) -> Finished:  # fmt: skip
        began, lines = time.monotonic(), []
        words = [self._python if word == "python" else self._here(word) for word in argv]
        child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 cwd=self._here(cwd), env={**os.environ, **(env or {})}, start_new_session=True)  # fmt: skip
        self._children.append(child)
        errors: list[bytes] = []
        reader = threading.Thread(target=lambda: errors.append(child.stderr.read()), daemon=True)
        reader.start()
        child.stdin.write(self._here(stdin.decode()).encode())
        child.stdin.close()
        for line in child.stdout:
            lines.append(line) if on_line is None else on_line(line.rstrip(b"\n"))
        code = child.wait()
        reader.join(1.0)
        return Finished(argv=tuple(argv), code=code, stdout=b"".join(lines), stderr=b"".join(errors),
                        duration_s=time.monotonic() - began)  # fmt: skip

    def get(self, paths: Sequence[str]) -> Mapping[str, bytes]:
        return {p: Path(self._here(p)).read_bytes() for p in paths if Path(self._here(p)).is_file()}

    def close(self) -> None:
        for child in self._children:
            if child.poll() is None:
                os.killpg(child.pid, 9)
        self._folder.cleanup()

    def __enter__(self) -> BareSandbox:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class BareBench:
    """A workbench of folders."""

    def __init__(self, case: Case, python: str = "python") -> None:
        self.case, self._python = case, python

    def open(self, commit: str = "") -> BareSandbox:
        box = BareSandbox(self._python)
        repo = BareRepo(self.case.repo)
        box.put(repo.out("archive", "--format=tar", commit or self.case.base))
        for path, text in (self.case.reproduction.files if self.case.reproduction else {}).items():
            (box.root / "work" / path).write_text(text)
        return box
