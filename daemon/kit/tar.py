"""Tar archives in memory: how trees travel into sandboxes. Nothing is ever extracted on the host."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping


def tar_of(files: Mapping[str, bytes | str], *, mode: int = 0o644) -> bytes:
    """A tar of regular files, parents included, owned by nobody in particular (uid 0, time 0)."""
    return tar_of_entries((name, mode, _bytes(data)) for name, data in files.items())


def tar_of_entries(entries: Iterable[tuple[str, int, bytes]]) -> bytes:
    """A tar of (path, git or permission mode, content); mode 0o120000 makes a symlink whose target is content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, mode, data in entries:
            info = tarfile.TarInfo(name)
            if mode & 0o170000 == 0o120000:
                info.type, info.linkname = tarfile.SYMTYPE, data.decode("utf-8", "surrogateescape")
                archive.addfile(info)
                continue
            info.size, info.mode = len(data), 0o755 if mode & 0o111 else 0o644
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def _bytes(data: bytes | str) -> bytes:
    return data.encode() if isinstance(data, str) else data
