"""What an answer means, and how long is waited."""

from __future__ import annotations

import pytest

from nightshift.daemon.forges.patience import SECONDARY_S, Declined, Patience, Unsure, judged
from nightshift.daemon.kit.clock import ManualClock
from nightshift.daemon.ports import EnvironmentBroke, NotYet

NOW_MS = 1_700_000_000_000


@pytest.mark.parametrize(
    ("status", "headers", "text", "wait_s"),
    [
        (429, {"Retry-After": "12"}, "", 12.0),
        (403, {"retry-after": "9"}, "You have exceeded a secondary rate limit", 9.0),
        (403, {}, "You have triggered an abuse detection mechanism", SECONDARY_S),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1700000030"}, "", 30.0),
        (429, {"ratelimit-remaining": "0", "ratelimit-reset": "1699999999"}, "", 1.0),
        (429, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "soon"}, "", SECONDARY_S),
        (429, {"Retry-After": "Tue, 14 Nov 2023 22:13:50 GMT"}, "", 30.0),
    ],
)
def test_limits(status: int, headers: dict[str, str], text: str, wait_s: float) -> None:
    with pytest.raises(Unsure) as told:
        judged(status, headers, text, NOW_MS)
    assert (told.value.limited, told.value.wait_s) == (True, wait_s)


def test_failures_are_unsure_and_refusals_are_not() -> None:
    for status in (500, 502, 503, 504, 408):
        with pytest.raises(Unsure) as told:
            judged(status, {}, "oops", NOW_MS)
        assert not told.value.limited
    for status in (400, 401, 403, 404, 405, 409, 410, 422):
        with pytest.raises(Declined) as no:
            judged(status, {"x-ratelimit-remaining": "10"}, "Forbidden", NOW_MS)
        assert no.value.status == status
    judged(204, {}, "", NOW_MS)


def test_secrets_in_an_answer_are_not_passed_on() -> None:
    with pytest.raises(Declined) as no:
        judged(400, {}, "bad token ghp_" + "A" * 36, NOW_MS)
    assert "ghp_" not in str(no.value)


def test_a_write_is_looked_up_before_it_is_done_again() -> None:
    done: list[str] = []

    def act() -> str:
        done.append("act")
        raise Unsure("lost")

    found = Patience(ManualClock(), 60, "x").write(act, lambda: "there" if len(done) > 1 else None)
    assert (found, done) == ("there", ["act", "act"])


def test_a_limited_write_needs_no_look() -> None:
    answers = iter([Unsure("slow", wait_s=3, limited=True), "made"])

    def act() -> str:
        answer = next(answers)
        if isinstance(answer, Unsure):
            raise answer
        return answer

    def look() -> str | None:
        raise AssertionError("it was turned away unread")

    clock = ManualClock()
    start = clock.monotonic()
    assert Patience(clock, 60, "x").write(act, look) == "made"
    assert clock.monotonic() - start == 3


def test_patience_ends() -> None:
    clock = ManualClock()

    def never() -> None:
        raise Unsure("down")

    def limited() -> None:
        raise Unsure("limited", wait_s=61, limited=True)

    start = clock.monotonic()
    with pytest.raises(EnvironmentBroke, match="x: down") as broke:
        Patience(clock, 60, "x").read(never)
    assert not isinstance(broke.value, NotYet) and 0 < clock.monotonic() - start <= 60
    with pytest.raises(NotYet, match="61 s"):
        Patience(clock, 60, "x").read(limited)
    with pytest.raises(EnvironmentBroke, match="not yet"):
        Patience(clock, 5, "x").until(lambda: None, "not yet")
