"""What base does, found out while patches are still judged: nearly every field changes what its first patch changes."""

from __future__ import annotations

import logging
import threading
from collections import deque
from concurrent.futures import Future

from nightshift.daemon.kit.git import GitError
from nightshift.daemon.ports import EnvironmentBroke
from nightshift.sandboxes.critic.examine import Examination, Field, examine, ground_of
from nightshift.sandboxes.critic.session import NoAnswer
from nightshift.sandboxes.lab import Lab

log = logging.getLogger(__name__)
_KEPT = 4


class Grounds:
    """Examinations of grounds, each made once; the last few are remembered. Thread-safe."""

    def __init__(self, lab: Lab) -> None:
        self._lab, self._lock = lab, threading.Lock()
        self._begun: deque[tuple[Field, Future[Examination | None]]] = deque(maxlen=_KEPT)

    def begin(self, field: Field) -> None:
        """Examine the ground of a field in the background, once."""
        ground, future = ground_of(field), Future[Examination | None]()
        with self._lock:
            if self._find(ground):
                return
            self._begun.append((ground, future))
        threading.Thread(target=self._examine, args=(ground, future), name="critic", daemon=True).start()

    def known(self, field: Field) -> Examination | None:
        """The examination of the field's ground, waited for; None where none was begun or it came to nothing."""
        with self._lock:
            found = self._find(ground_of(field))
        return found.result() if found else None

    def _find(self, ground: Field) -> Future[Examination | None] | None:
        return next((future for known, future in self._begun if known == ground), None)

    def _examine(self, ground: Field, future: Future[Examination | None]) -> None:
        found = None
        try:
            found = examine(ground, self._lab, self._lab.timeout_s)
        except (EnvironmentBroke, NoAnswer, GitError, OSError):
            log.info("the ground of a comparison could not be examined ahead")
        except Exception:  # a thread's edge: the comparison itself finds out and says so
            log.exception("examining a ground ahead failed")
        finally:
            future.set_result(found)
