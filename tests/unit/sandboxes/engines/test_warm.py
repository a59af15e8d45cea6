"""The pool of waiting sandboxes: taken once, bounded, aged out, nothing left."""

from __future__ import annotations

import threading

import pytest

from nightshift.daemon.kit.clock import ManualClock
from nightshift.daemon.ports import EnvironmentBroke, SandboxSpec
from nightshift.sandboxes.warm import WARM_S, WarmPool

A, B = SandboxSpec(memory_mb=64), SandboxSpec(memory_mb=128)


class Box:
    """A sandbox that only knows whether it was closed."""

    def __init__(self, spec: SandboxSpec) -> None:
        self.spec, self.closed = spec, False

    def close(self) -> None:
        self.closed = True


class Maker:
    """Makes boxes, and remembers them; `broken` makes it fail, `gate` holds it up."""

    def __init__(self) -> None:
        self.made: list[Box] = []
        self.broken = False
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, spec: SandboxSpec) -> Box:
        self.gate.wait(20)
        if self.broken:
            raise EnvironmentBroke("no engine")
        self.made.append(Box(spec))
        return self.made[-1]


@pytest.fixture
def maker() -> Maker:
    return Maker()


def _pool(maker: Maker, clock: ManualClock, most: int = 8) -> WarmPool:
    return WarmPool(maker, clock, most)  # type: ignore[arg-type]


def _settled(pool: WarmPool) -> None:
    for filler in pool._fillers:
        filler.join(20)


def test_each_is_taken_once_and_only_for_its_own_spec(maker: Maker) -> None:
    pool = _pool(maker, ManualClock())
    pool.fill(A, 2)
    pool.fill(A, 2)
    _settled(pool)
    assert len(maker.made) == 2
    assert pool.take(B) is None
    taken = [pool.take(A), pool.take(A)]
    assert {id(box) for box in taken} == {id(box) for box in maker.made}
    assert pool.take(A) is None
    pool.close()
    assert not any(box.closed for box in maker.made)


def test_what_waited_too_long_is_thrown_away(maker: Maker) -> None:
    clock = ManualClock()
    pool = _pool(maker, clock)
    pool.fill(A, 1)
    _settled(pool)
    clock.advance(WARM_S + 1)
    assert pool.take(A) is None
    assert maker.made[0].closed


def test_only_so_many_wait_the_oldest_go(maker: Maker) -> None:
    pool = _pool(maker, ManualClock(), most=3)
    for spec in (A, B):
        pool.fill(spec, 9)
        _settled(pool)
    waiting = [box for box in maker.made if not box.closed]
    assert [box.spec for box in waiting] == [B, B, B]
    pool.close()
    assert all(box.closed for box in maker.made)


def test_a_failure_is_left_to_whoever_opens(maker: Maker) -> None:
    pool = _pool(maker, ManualClock())
    maker.broken = True
    pool.fill(A, 2)
    _settled(pool)
    maker.broken = False
    pool.fill(A, 1)
    _settled(pool)
    assert pool.take(A) is not None


def test_what_is_being_made_at_the_end_is_closed_too(maker: Maker) -> None:
    pool = _pool(maker, ManualClock())
    maker.gate.clear()
    pool.fill(A, 2)
    closing = threading.Thread(target=pool.close)
    closing.start()
    maker.gate.set()
    closing.join(20)
    pool.fill(A, 2)
    assert not pool._fillers or not any(each.is_alive() for each in pool._fillers)
    assert all(box.closed for box in maker.made)
    assert pool.take(A) is None
