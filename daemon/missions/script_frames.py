"""From what JavaScript engines and bundlers print to places in the repository: bundlers' own addresses, `eval`, the
header of a syntax error, and built files that a source map, or their name, leads back from.

Frames come as the log readers leave them; what they could not split into path and line is in the function's name.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from posixpath import dirname, normpath
from urllib.parse import unquote

from nightshift.daemon.model import Frame, Signal

Read = Callable[[str], bytes | None]
"""A file of the tree by its path; None when it is not there or too big."""

_BUNDLED = re.compile(
    r"^(?:async )?(?P<function>.*?) ?\(?(?P<url>(?:webpack|turbopack|rsc|vite)[\w-]*:/{1,3}\S+?):(?P<line>\d+):\d+\)?$"
)
_EVALUATED = re.compile(r"\(eval at (?P<function>[^\s(]+) \((?P<path>[^()]+?):(?P<line>\d+):\d+\)")
_HEADER = re.compile(r"^(?P<path>(?:file://)?/[^\s:]+|[A-Za-z]:[^\s:]+):(?P<line>\d+)\s*$", re.M)
_INLINE = re.compile(rb"//[#@] sourceMappingURL=(?:data:application/json[^,]*;base64,([A-Za-z0-9+/=]+)|(\S+))\s*\Z")
_BUILT = re.compile(r"(?:^|/)(?:dist|build|out|lib|\.next/server)/(?P<rest>.+)\.(?P<kind>[cm]?)js$")
_DIGITS = {sign: at for at, sign in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")}
_MAP_BYTES = 8 << 20
_MANY = 20


def told(signal: Signal) -> tuple[Frame, ...]:
    """The signal's frames, those of bundlers and of `eval` with the path they name, a syntax error's place last."""
    frames = [_told(frame) for frame in signal.frames]
    if signal.exception.rpartition(".")[2] == "SyntaxError" and (found := _HEADER.search(signal.sample)):
        path = found["path"].removeprefix("file://")
        if frames and path.endswith((".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx")):
            frames.append(Frame(path=path, line=int(found["line"]), function=""))
    return tuple(frames)


def _told(frame: Frame) -> Frame:
    if frame.path.startswith("file://"):
        return replace(frame, path=unquote(frame.path.removeprefix("file://")))
    if frame.path:
        return frame
    if found := _BUNDLED.match(frame.function):
        path = re.sub(r"^[\w-]+:/+", "", found["url"]).partition("?")[0]
        path = re.sub(r"^(?:[^./][^/]*/)?(?:\([\w-]+\)/)?\./", "", path)
        return replace(frame, path=path, line=int(found["line"]), function=found["function"].strip("( "))
    if found := _EVALUATED.search(frame.function):
        return replace(frame, path=found["path"], line=int(found["line"]), function=found["function"])
    return frame


def original(frame: Frame, tree: Sequence[str], read: Read) -> Frame | None:
    """The place in the sources that a built file's frame comes from; None when nothing of the tree says.

    `frame.path` is a path of the tree, or one of production that is not in it.
    """
    if not re.search(r"\.[cm]?js$", frame.path):
        return None
    if frame.path in tree:
        mapped = _mapping(frame.path, read)
        place = mapped.place(frame.line) if mapped else None
        if place and place[0] in tree:
            return replace(frame, path=place[0], line=place[1])
        return None
    return _by_name(frame, tree, read)


def _by_name(frame: Frame, tree: Sequence[str], read: Read) -> Frame | None:
    """`dist/a/cart.js` is what `src/a/cart.ts` was built to; the line is where the function is written there."""
    found = _BUILT.search(frame.path)
    if not found:
        return None
    known = set(tree)
    for folder in ("src/", "lib/", "app/", ""):
        for end in (f".{found['kind']}ts", ".tsx", f".{found['kind']}js", ".jsx"):
            if (path := f"{folder}{found['rest']}{end}") in known:
                return replace(frame, path=path, line=_line_of(frame.function, read(path)) or frame.line)
    return None


def _line_of(function: str, text: bytes | None) -> int:
    name = re.escape(function.removeprefix("async ").removeprefix("new ").rpartition(".")[2])
    if not re.fullmatch(r"[\w$]+", name) or text is None:
        return 0
    written = re.compile(
        rf"(?:function\s*\*?|class|const|let|var)\s+{name}\b|^\s*(?:[\w]+\s+)*[#]?{name}\s*(?:<[^>]*>)?\(", re.M
    )
    place = written.search(text.decode("utf-8", "replace"))
    return text[: len(place.string[: place.start()].encode())].count(b"\n") + 1 if place else 0


@dataclass(frozen=True, kw_only=True)
class _Mapping:
    """A source map by generated lines (from 0): (source, original line from 0) of every segment."""

    sources: tuple[str, ...]
    lines: tuple[tuple[tuple[int, int], ...], ...]

    def place(self, line: int) -> tuple[str, int] | None:
        """Source and line (from 1) of a generated line; None when one line holds half a program."""
        segments = self.lines[line - 1] if 0 < line <= len(self.lines) else ()
        if not segments or max(n for _, n in segments) - min(n for _, n in segments) > _MANY:
            return None
        source, original_line = segments[0]
        return (self.sources[source], original_line + 1) if 0 <= source < len(self.sources) else None


def _mapping(path: str, read: Read) -> _Mapping | None:
    """The source map of a built file of the tree: in the file beside it, or in it. Source maps, ECMA-426."""
    data = read(path) or b""
    link = _INLINE.search(data[-_MAP_BYTES:])
    raw: bytes | None
    if link and link[1]:
        raw = base64.b64decode(link[1] + b"=" * (-len(link[1]) % 4))
    else:
        name = link[2].decode("utf-8", "replace") if link else f"{path.rpartition('/')[2]}.map"
        raw = read(normpath(f"{dirname(path)}/{name}".lstrip("/")))
    try:
        found = json.loads(raw or b"null")
        return _decoded(found, dirname(path)) if isinstance(found, dict) else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _decoded(found: dict[str, object], folder: str) -> _Mapping:
    root = str(found.get("sourceRoot") or "")
    names = found["sources"]
    if not isinstance(names, list):
        raise TypeError("a source map's sources are a list")
    sources = tuple(_source(str(name), root, folder) for name in names)
    lines, source, line = [], 0, 0
    for row in str(found["mappings"]).split(";"):
        segments = []
        for piece in filter(None, row.split(",")):
            numbers = _numbers(piece)
            if len(numbers) >= 4:
                source, line = source + numbers[1], line + numbers[2]
                segments.append((source, line))
        lines.append(tuple(segments))
    return _Mapping(sources=sources, lines=tuple(lines))


def _source(name: str, root: str, folder: str) -> str:
    if re.match(r"[\w-]+:/", name):
        return re.sub(r"^(?:[^./][^/]*/)?\./", "", re.sub(r"^[\w-]+:/+", "", name))
    return normpath(f"{folder}/{root}/{name}" if folder else f"{root or '.'}/{name}").lstrip("/")


def _numbers(piece: str) -> list[int]:
    """Base64 VLQ: five bits a sign, lowest first, the sixth says that more follow, the lowest of all is the sign."""
    found, value, shift = [], 0, 0
    for sign in piece:
        digit = _DIGITS[sign]
        value |= (digit & 31) << shift
        shift += 5
        if not digit & 32:
            found.append(-(value >> 1) if value & 1 else value >> 1)
            value = shift = 0
    return found
