"""Work that is begun before it is asked for, because it nearly always will be: the verdict on a creator's first draft
while it looks for others, the critique while the tester still judges. Whoever asks gets the same answer either way;
what nobody asks for is dropped. Nothing here is remembered across a kill.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.model import Case, Patch

T = TypeVar("T")


class Ahead:
    """Work under way, by owner (a mission) and key."""

    def __init__(self) -> None:
        self._begun: dict[tuple[str, str], tuple[Future[Any], threading.Thread]] = {}
        self._lock = threading.Lock()

    def begin(self, owner: str, key: str, work: Callable[[], object]) -> None:
        """Begin it in a thread of its own, once."""
        future: Future[Any] = Future()
        thread = threading.Thread(target=_done, args=(future, work), name="ahead", daemon=True)
        with self._lock:
            if (owner, key) in self._begun:
                return
            self._begun[owner, key] = (future, thread)
        thread.start()

    def take(self, owner: str, key: str, work: Callable[[], T]) -> T:
        """What was begun under the key, waited for; else done now. Raises what the work raises."""
        with self._lock:
            found = self._begun.pop((owner, key), None)
        if found is None:
            return work()
        result: T = found[0].result()
        return result

    def drop(self, owner: str, rest_s: float = 0.0) -> None:
        """Forget what an owner did not ask for; wait up to `rest_s` for it to end."""
        with self._lock:
            left = [self._begun.pop(name) for name in list(self._begun) if name[0] == owner]
        ends = time.monotonic() + rest_s
        for _, thread in left:
            thread.join(max(0.0, ends - time.monotonic()))


def _done(future: Future[Any], work: Callable[[], object]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001 - a thread's edge: whoever asks gets it
        future.set_exception(error)


def key_of(verb: str, case: Case, patches: Sequence[Patch]) -> str:
    """What makes two requests the same: the base, what is red on it, and the patches in their order."""
    files = case.reproduction.files if case.reproduction else {}
    return stable_id(verb, case.base, *files, *(text for p in patches for text in (p.id, p.diff)))
