"""Waits grow, stay under the cap, and differ between nodes."""

from random import Random

from nightshift.daemon.kit.backoff import Backoff


def test_waits_double_up_to_the_cap():
    backoff = Backoff(first_s=1, most_s=60, random=Random(7))
    waits = [backoff.next_s() for _ in range(12)]
    wholes = [min(60, 2.0**n) for n in range(12)]
    assert all(whole / 2 <= wait <= whole for wait, whole in zip(waits, wholes, strict=True))


def test_reset_starts_over():
    backoff = Backoff(first_s=1, most_s=60, random=Random(7))
    for _ in range(5):
        backoff.next_s()
    backoff.reset()
    assert backoff.tries == 0 and backoff.next_s() <= 1


def test_two_nodes_do_not_wait_in_step():
    one, other = (Backoff(random=Random(seed)) for seed in (1, 2))
    assert [one.next_s() for _ in range(5)] != [other.next_s() for _ in range(5)]


def test_a_week_of_tries_does_not_overflow():
    backoff = Backoff(first_s=1, most_s=60)
    assert all(backoff.next_s() <= 60 for _ in range(20_000))
