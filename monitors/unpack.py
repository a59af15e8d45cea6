"""Bodies as callers compress them, unpacked up to a limit: a few bytes that unpack to gigabytes are refused."""

from __future__ import annotations

import zlib

_ZSTD_WINDOW_BYTES = 8 << 20


def unpack(body: bytes, encoding: str, limit: int) -> bytes:
    """A body without its Content-Encoding (gzip, deflate, br, zstd, identity).

    Raises ValueError for an unknown encoding, for bytes that are not what they say and for more than `limit` bytes.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        found = body
    elif name in ("gzip", "x-gzip", "deflate"):
        found = _zlib(body, limit)
    elif name == "br":
        found = _brotli(body, limit)
    elif name == "zstd":
        found = _zstd(body, limit)
    else:
        raise ValueError(f"content-encoding {name[:20]!r}; gzip, deflate, br, zstd and identity are understood")
    if len(found) > limit:
        raise ValueError(f"more than {limit} bytes unpacked")
    return found


def _zlib(body: bytes, limit: int) -> bytes:
    """gzip, zlib, and the headerless deflate some clients send under the same name."""
    for window in (47, -15):
        stream = zlib.decompressobj(window)
        try:
            found = stream.decompress(body, limit + 1)
        except zlib.error:
            continue
        if stream.eof or len(found) > limit:
            return found
        raise ValueError("the compressed body ends early")
    raise ValueError("the body is not compressed as its content-encoding says")


def _brotli(body: bytes, limit: int) -> bytes:
    import brotli

    stream, found = brotli.Decompressor(), bytearray()
    try:
        found += stream.process(body, output_buffer_limit=limit + 1)
        while not stream.is_finished() and len(found) <= limit:
            piece = stream.process(b"", output_buffer_limit=limit + 1)
            if not piece:
                raise ValueError("the compressed body ends early")
            found += piece
    except brotli.error:
        raise ValueError("the body is not compressed as its content-encoding says") from None
    return bytes(found)


def _zstd(body: bytes, limit: int) -> bytes:
    import zstandard

    try:
        with zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES).stream_reader(body) as stream:
            found = b""
            while len(found) <= limit and (piece := stream.read(limit + 1 - len(found))):
                found += piece
    except zstandard.ZstdError:
        raise ValueError("the body is not compressed as its content-encoding says") from None
    return found
