"""Which recorded requests may be repeated: only plain paths of the service's own origin."""

from __future__ import annotations

import pytest

from nightshift.daemon.missions.probes import replay
from nightshift.daemon.model import Service
from nightshift.daemon.ports import Refused

SERVICE = Service(name="shop", repo="", url="http://127.0.0.1:8080/health")


def _labels(path: str, method: str = "GET") -> dict[str, str]:
    return {"request_method": method, "request_path": path}


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("/a?b=c%20d", "http://127.0.0.1:8080/a?b=c%20d"),
        ("/a#frag", "http://127.0.0.1:8080/a"),
        ("http://127.0.0.1:8080/a", "http://127.0.0.1:8080/a"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/"),
        ("/@evil.example/", "http://127.0.0.1:8080/@evil.example/"),
    ],
)
def test_own_paths(path: str, url: str) -> None:
    assert replay(SERVICE, _labels(path)) == url


@pytest.mark.parametrize(
    "path",
    ["http://evil.example/", "https://127.0.0.1:8080/a", "//evil.example/a", "a", "/a\r\nHost: x", "/\\evil", "/a b",
     "http://127.0.0.1:8080@evil.example/", "http://[bad/", "file:///etc/passwd", "/" + "a" * 5000, "/\u202e"],
)  # fmt: skip
def test_refused(path: str) -> None:
    with pytest.raises(Refused):
        replay(SERVICE, _labels(path))


def test_nothing_to_repeat() -> None:
    assert replay(SERVICE, _labels("/a", "POST")) == replay(SERVICE, {}) == ""
    assert replay(Service(name="s", repo=""), _labels("/a")) == ""
