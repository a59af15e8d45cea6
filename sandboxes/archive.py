"""How files get in and out of any sandbox: tar over a command's pipes, never the engine's copy calls.

Those are refused on a read-only root and don't see tmpfs. What comes out is hostile: it is parsed here, in
memory, by a reader that knows regular files only and always moves forward (the standard library's has had endless
loops and escapes), and nothing is ever written to the host.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

UNPACK = 'mkdir -p -- "$1" && exec tar -xmf - -C "$1" --no-same-owner'
PACK = (
    'n=$#; while [ "$n" -gt 0 ]; do if [ -f "$1" ] && [ ! -L "$1" ]; then set -- "$@" "$1"; fi; '
    'shift; n=$((n-1)); done; [ "$#" -gt 0 ] || exit 0; exec tar -cf - --hard-dereference -- "$@"'
)
_BLOCK = 512


def unpack_argv(to: str) -> list[str]:
    """The command that unpacks a tar from its standard input into `to`."""
    return ["sh", "-c", UNPACK, "unpack", to]


def pack_argv(paths: Collection[str]) -> list[str]:
    """The command that writes a tar of those of `paths` that are regular files (no links, pipes, directories)."""
    return ["sh", "-c", PACK, "pack", *paths]


def read_members(tar: bytes, wanted: Collection[str]) -> Mapping[str, bytes]:
    """Contents of the wanted regular files, by the absolute path asked for. Anything else is skipped.

    Reads the old, ustar and GNU forms (POSIX.1-1988 header, octal or base-256 sizes, ``L`` long names). Stops at
    the first thing that makes no sense: a cut-off or forged archive yields what was whole before it.
    """
    names = {path.lstrip("/"): path for path in wanted}
    found: dict[str, bytes] = {}
    at, long_name = 0, b""
    while len(header := tar[at : at + _BLOCK]) == _BLOCK and header[0]:
        size = _number(header[124:136])
        start = at + _BLOCK
        if size is None or start + size > len(tar):
            break
        kind, body = header[156:157], tar[start : start + size]
        name = (long_name or _name(header)).decode("utf-8", "surrogateescape").lstrip("/")
        if kind in (b"0", b"\0") and name in names:
            found.setdefault(names[name], body)
        long_name = body.rstrip(b"\0") if kind == b"L" else b""
        at = start + -(-size // _BLOCK) * _BLOCK
    return found


def _name(header: bytes) -> bytes:
    name, prefix = header[:100].split(b"\0", 1)[0], header[345:500].split(b"\0", 1)[0]
    return prefix + b"/" + name if header[257:263] == b"ustar\0" and prefix else name


def _number(field: bytes) -> int | None:
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b"\0 ")
    return int(digits, 8) if digits and all(byte in b"01234567" for byte in digits) else None
