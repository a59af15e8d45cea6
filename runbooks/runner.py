"""Runs a book step by step under a key. Every step is written down before and after it happens, so that a run which
was killed goes on where it stopped, and a run that is asked for again answers from the record."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError

from nightshift.daemon.kit.redact import redact
from nightshift.daemon.model import dump, load
from nightshift.daemon.ports import Refused

from .action import Action
from .all_actions import action_named
from .book import Runbook, Step
from .context import Context
from .errors import ActionFailed
from .parameters import bind
from .records import MemoryRecord, RunRecord
from .template import TemplateError, fill, holes, truth

_OUTPUT_CHARS = 8192
_HEAD = "#run"


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """What came of a step. `status`: done | skipped | failed | planned (a dry run). `output` is what later steps
    can read, at most 8192 characters; `resumed` says it was taken from the record of an earlier run."""

    phase: str
    name: str
    action: str
    status: str
    output: str = ""
    reason: str = ""
    duration_s: float = 0.0
    resumed: bool = False


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What came of a run. `status`: done | failed (nothing to roll back with) | rolled_back | rollback_failed |
    planned (a dry run)."""

    key: str
    book: str
    status: str
    reason: str = ""
    steps: tuple[StepResult, ...] = ()

    @property
    def ok(self) -> bool:
        """Every step and verification was done, or planned."""
        return self.status in ("done", "planned")


OnStep = Callable[[StepResult], None]


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
    ) -> RunResult:
        """Run a book to its end. The same key with the same book and parameters goes on, or answers from the record.

        Raises BookError (parameters), Refused (the key is running, or belongs to another book or parameters),
        EnvironmentBroke (the world failed; call again with the same key to go on).
        """
        bound = bind(book, params or {})
        record = MemoryRecord() if dry_run else self._record
        with record.hold(key):
            return _Run(book, bound, key, self._context, record, dry_run, on_step or _nobody).to_its_end()


def _nobody(result: StepResult) -> None:
    """Listens to nothing."""


@dataclass(kw_only=True)
class _Progress:
    """What the steps so far leave to the next ones."""

    values: dict[str, Any]
    results: list[StepResult] = field(default_factory=list)

    def add(self, result: StepResult) -> None:
        self.results.append(result)
        self.values[f"steps.{result.name}.output"] = result.output
        self.values[f"steps.{result.name}.status"] = result.status


class _Run:
    def __init__(
        self,
        book: Runbook,
        params: Mapping[str, Any],
        key: str,
        context: Context,
        record: RunRecord,
        dry_run: bool,
        on_step: OnStep,
    ) -> None:
        self.book, self.key, self.context, self.record = book, key, context, record
        self.dry_run, self.on_step = dry_run, on_step
        values = {"run.key": key, "run.book": book.name} | {f"params.{n}": v for n, v in params.items()}
        self.progress = _Progress(values=values)
        self.entries = record.load(key)
        self._claim(params)

    def _claim(self, params: Mapping[str, Any]) -> None:
        """One key, one book, one set of parameters."""
        told = json.dumps([self.book.model_dump(mode="json"), dict(params)], sort_keys=True)
        head = {"book": self.book.name, "digest": hashlib.sha256(told.encode()).hexdigest()}
        kept = self.entries.get(_HEAD)
        if kept is None:
            self.record.save(self.key, _HEAD, head)
        elif kept != head:
            raise Refused(f"the key {self.key} belongs to another run of {kept.get('book')}")

    def to_its_end(self) -> RunResult:
        reason = self._phase("steps") or self._phase("verify")
        if not reason:
            return self._result("planned" if self.dry_run else "done")
        if self.dry_run or not self.book.rollback:
            return self._result("failed", reason)
        undone = self._phase("rollback")
        return self._result("rollback_failed" if undone else "rolled_back", f"{reason}; {undone}" if undone else reason)

    def _result(self, status: str, reason: str = "") -> RunResult:
        steps = tuple(self.progress.results)
        return RunResult(key=self.key, book=self.book.name, status=status, reason=reason, steps=steps)

    def _phase(self, phase: str) -> str:
        """Why the phase failed, '' when it did not."""
        for step in getattr(self.book, phase):
            result = self._kept(phase, step) or self._fresh(phase, step)
            self.progress.add(result)
            self.on_step(result)
            if result.status == "failed":
                return f"{step.name}: {result.reason}"
        return ""

    def _kept(self, phase: str, step: Step) -> StepResult | None:
        entry = self.entries.get(f"{phase}/{step.name}", {})
        return load(StepResult, entry["result"] | {"resumed": True}) if "result" in entry else None

    def _fresh(self, phase: str, step: Step) -> StepResult:
        started = self.context.clock.monotonic()
        status, output, reason = self._attempt(phase, step)
        result = StepResult(
            phase=phase, name=step.name, action=step.action, status=status, output=output[:_OUTPUT_CHARS],
            reason=redact(reason), duration_s=round(self.context.clock.monotonic() - started, 3),
        )  # fmt: skip
        if not self.dry_run:
            entry = self.entries.get(f"{phase}/{step.name}", {})
            self._save(f"{phase}/{step.name}", entry | {"result": dump(result)})
        return result

    def _attempt(self, phase: str, step: Step) -> tuple[str, str, str]:
        """Status, output and reason."""
        try:
            if not truth(fill(step.when, self.progress.values)):
                return "skipped", "", "its condition does not hold"
            action = action_named(step.action)
            arguments = action.accepts.model_validate(fill(step.arguments, self.progress.values))
            if self.dry_run:
                return "planned", action.describe(arguments, self.context), ""
            return "done", self._do(phase, step, action, arguments), ""
        except (ActionFailed, Refused, TemplateError) as error:
            return "failed", "", str(error)
        except ValidationError as error:
            if self.dry_run and any(name.startswith("steps.") for name in holes(step.arguments)):
                return "planned", "arguments that only earlier steps know", ""
            return "failed", "", _first(error)

    def _do(self, phase: str, step: Step, action: Action, arguments: BaseModel) -> str:
        name, key = f"{phase}/{step.name}", f"{self.key}/{phase}/{step.name}"
        begun = "evidence" in self.entries.get(name, {})
        if not begun:
            evidence = action.before(arguments, self.context, timeout_s=step.timeout_s)
            self._save(name, {"evidence": dict(evidence)})
        kept = self.entries[name]["evidence"]
        for attempt in range(1, step.attempts + 1):
            try:
                return action.run(
                    arguments, self.context, key=key, evidence=kept, repeated=begun, timeout_s=step.timeout_s
                )
            except ActionFailed:
                if attempt == step.attempts:
                    raise
                self.context.clock.sleep(step.wait_s)
        raise AssertionError("the last attempt returns or raises")

    def _save(self, name: str, entry: Mapping[str, Any]) -> None:
        self.record.save(self.key, name, entry)
        self.entries[name] = dict(entry)


def _first(error: ValidationError) -> str:
    row = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"argument {'.'.join(map(str, row['loc']))}: {row['msg']}"
