"""Calling a forge that limits, fails, hangs and forgets: what is tried again, how long, what is looked up first.

The total time of a verb is bounded: what is left over is the mission's to wait for, durably.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import TypeVar

from nightshift.daemon.kit.backoff import Backoff
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.redact import redact
from nightshift.daemon.ports import EnvironmentBroke, NotYet

T = TypeVar("T")
SECONDARY_S = 60.0
"""GitHub's advice when it names no time: at least one minute."""
_TEXT = 300


class Unsure(Exception):
    """No answer that counts. `limited`: it was turned away unread, so nothing happened; else anything may have."""

    def __init__(self, why: str, *, wait_s: float | None = None, limited: bool = False) -> None:
        super().__init__(why)
        self.wait_s, self.limited = wait_s, limited


class Declined(Exception):
    """A definite no: the status, and the forge's words."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status, self.text = status, text


def judged(status: int, headers: Mapping[str, str], text: str, now_ms: int) -> None:
    """Return when an answer is a success. Raises Unsure (try again), Declined (don't)."""
    if 200 <= status < 300:
        return
    said = redact(text[:2000])[:_TEXT]
    low = {name.lower(): value for name, value in headers.items()}
    if status == 429 or (status == 403 and _limits(low, said)):
        raise Unsure(f"rate limited ({status}): {said}", wait_s=_wait_s(low, now_ms), limited=True)
    if status >= 500 or status == 408:
        raise Unsure(f"answered {status}: {said}", wait_s=_retry_after_s(low, now_ms))
    raise Declined(status, said)


def _limits(headers: Mapping[str, str], text: str) -> bool:
    told = "retry-after" in headers or headers.get("x-ratelimit-remaining") == "0"
    return told or "rate limit" in text.lower() or "abuse detection" in text.lower()


def _wait_s(headers: Mapping[str, str], now_ms: int) -> float:
    after_s = _retry_after_s(headers, now_ms)
    if after_s is not None:
        return after_s
    used_up = headers.get("x-ratelimit-remaining", headers.get("ratelimit-remaining")) == "0"
    reset = headers.get("x-ratelimit-reset") or headers.get("ratelimit-reset") or ""
    if used_up and reset.isdigit():
        return max(1.0, int(reset) - now_ms / 1000)
    return SECONDARY_S


def _retry_after_s(headers: Mapping[str, str], now_ms: int) -> float | None:
    """RFC 9110, 10.2.3: seconds, or a date."""
    value = headers.get("retry-after", "").strip()
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now_ms / 1000)
    except (TypeError, ValueError, OverflowError):
        return None


class Patience:
    """The tries of one verb, `limit_s` seconds in all."""

    def __init__(self, clock: Clock, limit_s: float, what: str) -> None:
        self._clock, self._what = clock, what
        self._deadline = clock.monotonic() + limit_s
        self._backoff = Backoff(first_s=0.5, most_s=15.0)

    def read(self, act: Callable[[], T]) -> T:
        """Something that may be done any number of times. Raises NotYet, EnvironmentBroke, Declined."""
        while True:
            try:
                return act()
            except Unsure as unsure:
                self._wait(unsure)

    def write(self, act: Callable[[], T], look: Callable[[], T | None]) -> T:
        """Something that must not be done twice: after an unclear answer `look` says whether it happened."""
        while True:
            try:
                return act()
            except Unsure as unsure:
                self._wait(unsure)
                found = None if unsure.limited else self.read(look)
                if found is not None:
                    return found

    def until(self, look: Callable[[], T | None], what: str) -> T:
        """Look until there is something: what was written shows up late. Raises EnvironmentBroke."""
        while True:
            found = self.read(look)
            if found is not None:
                return found
            self._wait(Unsure(what))

    def _wait(self, unsure: Unsure) -> None:
        wait_s = self._backoff.next_s() if unsure.wait_s is None else unsure.wait_s
        if self._clock.monotonic() + wait_s > self._deadline:
            why = f"{self._what}: {unsure}"
            raise NotYet(f"{why}; asks to wait {wait_s:.0f} s") if unsure.limited else EnvironmentBroke(why)
        self._clock.sleep(wait_s)
