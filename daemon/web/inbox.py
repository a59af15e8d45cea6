"""Group commit: calls that come while a transaction runs share the next one. A call is answered when its signals are
durable, so an acknowledged event is a stored one, and thousands a second need only some dozens of commits."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from nightshift.daemon.model import Signal
from nightshift.daemon.ports import EnvironmentBroke
from nightshift.daemon.store.database import STORE_ERRORS, VALUE_ERRORS

BATCH = 500
WAITING = 20_000
Waiting = tuple[Sequence[Signal], "asyncio.Future[None]"]


class Full(EnvironmentBroke):
    """More waits than may; nothing was taken."""


class Inbox:
    """Used on one event loop. `take` stores signals in one transaction, in a thread; `waiting` counts signals."""

    def __init__(self, take: Callable[[Sequence[Signal]], object], *, batch: int = BATCH, limit: int = WAITING) -> None:
        self._take, self._batch, self._limit = take, batch, limit
        self._queue: deque[Waiting] = deque()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="inbox")
        self._task: asyncio.Task[None] | None = None
        self.waiting = 0

    async def store(self, signals: Sequence[Signal]) -> None:
        """Returns when they are durable. Raises Full, ValueError (no store can hold this), or what the store raised."""
        if self.waiting and self.waiting + len(signals) > self._limit:
            raise Full("too many events wait to be stored")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((signals, done))
        self.waiting += len(signals)
        if self._task is None:
            self._task = asyncio.create_task(self._drain())
        await done

    async def _drain(self) -> None:
        try:
            while self._queue:
                await self._commit(self._next())
        finally:
            self._task = None

    def _next(self) -> list[Waiting]:
        """Whole calls, at least one, up to a batch of signals."""
        taken: list[Waiting] = []
        count = 0
        while self._queue and (not taken or count + len(self._queue[0][0]) <= self._batch):
            taken.append(self._queue.popleft())
            count += len(taken[-1][0])
        self.waiting -= count
        return taken

    async def _commit(self, calls: list[Waiting]) -> None:
        try:
            await self._write([signal for signals, _ in calls for signal in signals])
        except Exception as error:  # noqa: BLE001 - whatever it is, the callers are told
            if len(calls) > 1 and _poisoned(error):
                for call in calls:  # one of them is, the others shall not suffer
                    await self._commit([call])
                return
            unfit = isinstance(error, (*VALUE_ERRORS, OverflowError))
            _tell(calls, ValueError("a value is too large or too odd to be stored") if unfit else error)
        else:
            _tell(calls, None)

    async def _write(self, signals: Sequence[Signal]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._writer, self._take, signals)


def _poisoned(error: Exception) -> bool:
    """Whether what is to be stored is at fault, and not the store."""
    return isinstance(error, VALUE_ERRORS) or not isinstance(error, (*STORE_ERRORS, EnvironmentBroke))


def _tell(calls: list[Waiting], error: Exception | None) -> None:
    for _, done in calls:
        if done.done():  # the caller has hung up
            continue
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)
