"""Answers of a bounded size in a bounded time: requests' own time-out starts anew with every byte that drips in."""

from __future__ import annotations

import time
from typing import Any

import requests

MAX_BYTES = 32 << 20
"""Of one answer, unpacked; a hundred thousand series in a vector are about this much."""


class TooLong(requests.RequestException):
    """More than is read."""


class _Session(requests.Session):
    def send(self, request: requests.PreparedRequest, **how: Any) -> requests.Response:
        limit_s = how.get("timeout")
        deadline_s = time.monotonic() + (limit_s if isinstance(limit_s, int | float) else float("inf"))
        answer = super().send(request, **{**how, "stream": True})
        try:
            body = _read(answer, deadline_s)
        finally:
            answer.close()
        # What `Response.content` is when it has been read; there is no public way to read less than everything.
        answer._content, answer._content_consumed = body, True  # type: ignore[attr-defined]
        return answer


def _read(answer: requests.Response, deadline_s: float) -> bytes:
    body = bytearray()
    # `iter_content` would wait until a whole piece is there; `read1` returns what there is.
    while piece := _piece(answer):
        body += piece
        if len(body) > MAX_BYTES:
            raise TooLong(f"the answer has more than {MAX_BYTES >> 20} MiB: sum, or choose by labels")
        if time.monotonic() > deadline_s:
            raise requests.Timeout("the answer did not end in time")
    return bytes(body)


def _piece(answer: requests.Response) -> bytes:
    from urllib3.exceptions import HTTPError

    try:
        piece: bytes = answer.raw.read1(1 << 16, decode_content=True)
    except (HTTPError, OSError) as error:
        raise requests.ConnectionError(f"the answer broke off: {error}") from None
    return piece


def bounded_session() -> requests.Session:
    """A session whose answers end."""
    session = _Session()
    session.max_redirects = 3
    session.headers["Accept-Encoding"] = "gzip"  # never one that unpacks a thousandfold and more
    return session
