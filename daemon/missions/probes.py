"""Asking a deployed service whether it works: its page, its probe command, or the very request that crashed it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import SplitResult, urlsplit

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.run import run
from nightshift.daemon.model import Service
from nightshift.daemon.ports import Note, Refused

Probe = Callable[[], bool | None]
"""True: works. False: broken. None: can't be told (yet)."""

HTTP_TIMEOUT_S = 5.0
COMMAND_TIMEOUT_S = 30.0
_PATH_CHARS = 4000


def replay(service: Service, labels: Mapping[str, str]) -> str:
    """The URL that repeats the GET request a signal's labels record (`request_method`, `request_path`), or ''.

    The labels come from logs, so the address must lie on the service's own origin: raises Refused otherwise.
    Only GET is repeated, with no body, cookies or credentials.
    """
    path = labels.get("request_path", "")
    if labels.get("request_method", "").upper() != "GET" or not path or not service.url:
        return ""
    own, asked = urlsplit(service.url), _split(path)
    if asked.scheme or asked.netloc:
        if (asked.scheme, asked.netloc) != (own.scheme, own.netloc):
            raise Refused("the recorded request went to another host, so it is not repeated")
        path = path.removeprefix(f"{own.scheme}://{own.netloc}") or "/"
    if not path.startswith("/") or path.startswith("//") or len(path) > _PATH_CHARS or not path.isprintable():
        raise Refused("the recorded request has no plain path, so it is not repeated")
    if "\\" in path or " " in path:
        raise Refused("the recorded path is not a valid one, so it is not repeated")
    return f"{own.scheme}://{own.netloc}{path.partition('#')[0]}"


def make_probe(service: Service, labels: Mapping[str, str], clock: Clock, note: Note) -> Probe | None:
    """What to ask of a service after a deploy; None when there is nothing to ask.

    A page of its own (`url` with a path) must answer 2xx or 3xx; a bare origin, and a repeated request, anything
    under 500 (a bad request may rightly be told so). A refused connection means "not yet" during the first half
    of the watch window, and broken after it.
    """
    probes: list[Probe] = []
    url = service.url
    try:
        url = replay(service, labels) or url
    except Refused as refused:
        note(f"probe: {refused}")
    if url:
        patient_until = clock.monotonic() + service.watch_window_s / 2
        limit = 400 if url == service.url and urlsplit(url).path.strip("/") else 500
        probes.append(lambda: _answers(url, limit, patient=clock.monotonic() < patient_until))
    if service.probe:
        probes.append(lambda: _succeeds(service, note))
    return (lambda: _all(probe() for probe in probes)) if probes else None


def _answers(url: str, limit: int, *, patient: bool) -> bool | None:
    """Whether a GET is answered with a status under `limit`. The body is never read."""
    import httpx

    try:
        with (
            httpx.Client(timeout=HTTP_TIMEOUT_S, follow_redirects=False, trust_env=False) as client,
            client.stream("GET", url, headers={"user-agent": "nightshift-probe"}) as response,
        ):
            return response.status_code < limit
    except (httpx.ConnectError, httpx.ConnectTimeout):
        return None if patient else False
    except (httpx.HTTPError, httpx.InvalidURL):
        return False


def _succeeds(service: Service, note: Note) -> bool | None:
    """Whether the probe command exits with 0 in time; None when it can't be started."""
    env = {**os.environ, "NIGHTSHIFT_SERVICE": service.name, "NIGHTSHIFT_URL": service.url}
    try:
        return run(service.probe, timeout_s=COMMAND_TIMEOUT_S, env=env, max_output=1 << 20).ok
    except OSError as error:
        note(f"the probe command can't be started: {error}")
        return None


def _all(results: Iterable[bool | None]) -> bool | None:
    seen = list(results)
    return False if False in seen else None if None in seen else True


def _split(path: str) -> SplitResult:
    try:
        return urlsplit(path)
    except ValueError as error:
        raise Refused(f"the recorded request is no address: {error}") from error
