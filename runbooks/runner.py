"""Runs a book step by step under a key. Every step is written down before and after it happens, so that a run which
was killed goes on where it stopped, and a run that is asked for again answers from the record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nightshift.daemon.ports import Refused

from .book import Runbook
from .context import Answer, Context
from .errors import ActionFailed, Waiting, nearest
from .parameters import bind
from .records import MemoryRecord, RunRecord
from .results import OVER, OnStep, RunResult, StepResult
from .running import ANSWER, STOP, Paused, Running

MAX_DEPTH = 4
"""How deep books may run books."""


class Runner:
    """Runs books in a context. Thread-safe: one key runs once at a time."""

    def __init__(self, context: Context, record: RunRecord | None = None) -> None:
        self._context = context
        self._record = record or MemoryRecord()

    def run(
        self,
        book: Runbook,
        params: Mapping[str, Any] | None = None,
        *,
        key: str,
        dry_run: bool = False,
        on_step: OnStep | None = None,
        most: int | None = None,
    ) -> RunResult:
        """Run a book to its end, or to a question for a person, or through `most` steps that were not done before.
        The same key with the same book and parameters goes on, or answers from the record.

        Raises BookError (parameters), Refused (the key is running, or belongs to another book or parameters),
        EnvironmentBroke (the world failed; call again with the same key to go on).
        """
        bound = bind(book, params or {})
        record = MemoryRecord() if dry_run else self._record
        with record.hold(key):
            running = self._running(book, bound, key, record, dry_run)
            running.listen(on_step or _nobody, most)
            return _to_its_end(running)

    def answer(self, key: str, step: str, answer: Answer) -> None:
        """Write down what a person said to the step (`RunResult.asks`) of a run that waits; run it again then."""
        self._record.save(key, f"{ANSWER}{step}", dict(answer))

    def stop(self, key: str, reason: str) -> None:
        """No further step; what was done is taken back when the run is run again."""
        self._record.save(key, STOP, {"reason": reason})

    def _running(self, book: Runbook, bound: Mapping[str, Any], key: str, record: RunRecord, dry_run: bool) -> Running:
        def answered(step: str) -> Answer | None:
            return record.load(key).get(f"{ANSWER}{step}")

        path = (*self._context.path, book.name)
        answers = self._context.answers if self._context.path else answered
        context = replace(self._context, path=path, answers=answers)
        context = replace(context, nested=_Nested(context, record, dry_run))
        return Running(book=book, params=bound, key=key, context=context, record=record, dry_run=dry_run)


def _nobody(result: StepResult) -> None:
    """Listens to nothing."""


def _to_its_end(running: Running) -> RunResult:
    try:
        reason = running.stopped() or running.phase("steps") or running.phase("verify")
        if not reason:
            return running.result("planned" if running.dry_run else "done")
        if running.dry_run:
            return running.result("failed", reason)
        return rolled_back(running, reason)
    except Paused:
        return running.result("running")
    except Waiting as waiting:
        return running.result("waiting", question=waiting.question, asks=waiting.step, within_s=waiting.within_s)


def rolled_back(running: Running, reason: str) -> RunResult:
    """The way back: the book's own, or the undoing of every step that was begun."""
    running.restore()
    if running.book.rollback == () or not (running.book.rollback or running.undoable()):
        return running.result("failed", reason)
    undone = running.phase("rollback") if running.book.rollback else running.undo_all()
    return running.result("rollback_failed" if undone else "rolled_back", f"{reason}; {undone}" if undone else reason)


class _Nested:
    """Runs books for the `runbook` action, in the context of the step that asks, in the same record."""

    def __init__(self, context: Context, record: RunRecord, dry_run: bool) -> None:
        self._context, self._record, self._dry_run = context, record, dry_run

    def run(self, book: str, params: Mapping[str, Any], key: str) -> str:
        """See Nested."""
        chosen = self._book(book)
        result = Runner(self._context, self._record).run(chosen, params, key=key)
        if result.status == "waiting":
            raise Waiting(result.question, step=result.asks, within_s=result.within_s)
        if not result.ok:
            raise ActionFailed(f"{book} {result.status}: {result.reason}")
        return result.status

    def undo(self, book: str, params: Mapping[str, Any], key: str) -> str:
        """See Nested."""
        runner = Runner(self._context, self._record)
        if runner._record.load(key).get(STOP) is None:
            runner.stop(key, "the run that this was a part of is rolled back")
        result = runner.run(self._book(book), params, key=key)
        if result.status not in OVER or result.status == "rollback_failed":
            raise ActionFailed(f"{book} {result.status}: {result.reason or result.question}")
        return result.status

    def _book(self, name: str) -> Runbook:
        path, books = self._context.path, self._context.books()
        if name in path:
            raise Refused(f"runbooks run each other in a circle: {' → '.join((*path, name))}")
        if len(path) > MAX_DEPTH:
            raise Refused(f"runbooks run each other more than {MAX_DEPTH} deep: {' → '.join(path)}")
        if name not in books:
            raise ActionFailed(f"there is no runbook '{name}'{nearest(name, books)}")
        chosen: Runbook = books[name]
        if not self._context.person and chosen.autonomy != "act":
            raise Refused(f"{name} has the autonomy {chosen.autonomy}, and no person started or approved this run")
        return chosen


__all__ = ["OnStep", "RunResult", "Runner", "StepResult"]
