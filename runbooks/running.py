"""One run under way: its record, what its steps left to later ones, and the way back.

A step's entry in the record holds the evidence looked at before its first attempt, then its result. What has a
result is not done again; what has only evidence was cut off, and its action is told so.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError

from nightshift.daemon.kit.redact import redact
from nightshift.daemon.model import dump, load
from nightshift.daemon.ports import EnvironmentBroke, Refused

from .action import Action, Output
from .all_actions import action_named
from .book import UNDO, Runbook, Step
from .condition import met
from .context import Context
from .errors import ActionFailed, Waiting
from .records import Entries, RunRecord
from .results import OnStep, RunResult, StepResult
from .template import TemplateError, fill, holes

log = logging.getLogger(__name__)
HEAD, STOP, ANSWER = "#run", "#stop", "#answer/"
_OUTPUT_CHARS = 8192
_VALUES_CHARS = 65_536


class Paused(Exception):
    """As many steps were done as were asked for."""


@dataclass(frozen=True, kw_only=True)
class _Unit:
    """One thing to do: a step, or one turn of a `foreach`. `entry` names it in the record."""

    phase: str
    step: Step
    entry: str
    values: Mapping[str, Any]


@dataclass(kw_only=True)
class Running:
    """A run of one book with bound parameters."""

    book: Runbook
    params: Mapping[str, Any]
    key: str
    context: Context
    record: RunRecord
    dry_run: bool
    entries: Entries = field(init=False)
    values: dict[str, Any] = field(init=False)
    results: list[StepResult] = field(default_factory=list)
    _on_step: OnStep = field(default=lambda _: None)
    _left: int | None = None

    def __post_init__(self) -> None:
        self.values = {"run.key": self.key, "run.book": self.book.name}
        self.values |= {f"params.{name}": value for name, value in self.params.items()}
        self.entries = self.record.load(self.key)
        self._claim()

    def _claim(self) -> None:
        """One key, one book, one set of parameters."""
        told = json.dumps([self.book.model_dump(mode="json"), dict(self.params)], sort_keys=True)
        head = {"book": self.book.name, "digest": hashlib.sha256(told.encode()).hexdigest()}
        kept = self.entries.get(HEAD)
        if kept is None:
            self.record.save(self.key, HEAD, head)
        elif kept != head:
            raise Refused(f"the key {self.key} belongs to another run of {kept.get('book')}")

    def listen(self, on_step: OnStep, most: int | None) -> None:
        """Who hears of each step, and how many new ones may be done."""
        self._on_step, self._left = on_step, most

    def stopped(self) -> str:
        """Why it was stopped; '' when it was not."""
        return str(self.entries.get(STOP, {}).get("reason", ""))

    def result(self, status: str, reason: str = "", **more: Any) -> RunResult:
        """What came of it so far."""
        steps = tuple(self.results)
        return RunResult(key=self.key, book=self.book.name, status=status, reason=reason, steps=steps, **more)

    # ------------------------------------------------------------ forward

    def phase(self, phase: str) -> str:
        """Do a phase; why it failed, '' when it did not. Raises Paused, Waiting, EnvironmentBroke."""
        for step in getattr(self.book, phase) or ():
            result = self._kept(f"{phase}/{step.name}") or self._fresh(phase, step)
            self._add(result)
            if result.status == "failed":
                return f"{step.name}: {result.reason}"
        return ""

    def restore(self) -> None:
        """Take in what earlier runs of the key did, as far as this one has not come to it."""
        known = {(result.phase, result.name) for result in self.results}
        for phase in ("steps", "verify"):
            for step in getattr(self.book, phase):
                kept = self._kept(f"{phase}/{step.name}")
                if kept and (phase, step.name) not in known:
                    self._add(kept)
                elif not kept:
                    self.values.setdefault(f"steps.{step.name}.output", "")
                    self.values.setdefault(f"steps.{step.name}.status", "not done")

    def _add(self, result: StepResult) -> None:
        self.results.append(result)
        self.values[f"steps.{result.name}.output"] = result.output
        self.values[f"steps.{result.name}.status"] = result.status
        self.values |= {f"steps.{result.name}.{name}": value for name, value in result.values.items()}
        self._on_step(result)

    def _kept(self, entry: str) -> StepResult | None:
        kept = self.entries.get(entry, {})
        return load(StepResult, kept["result"] | {"resumed": True}) if "result" in kept else None

    def _fresh(self, phase: str, step: Step) -> StepResult:
        if self._left is not None:
            if self._left <= 0:
                raise Paused
            self._left -= 1
        if step.foreach is None:
            return self._once(_Unit(phase=phase, step=step, entry=f"{phase}/{step.name}", values=self.values))
        return self._for_each(phase, step)

    def _for_each(self, phase: str, step: Step) -> StepResult:
        started = self.context.clock.monotonic()
        try:
            items = _items(fill(step.foreach, self.values), step.at_most)
        except TemplateError as error:
            planned = self.dry_run and any(name.startswith("steps.") for name in holes(step.foreach))
            status = ("planned", "once for each of what only earlier steps know", "") if planned else (
                "failed", "", str(error))  # fmt: skip
            return self._written(phase, step, f"{phase}/{step.name}", Output(text=status[1]), status[0], status[2], 0.0)
        done: list[StepResult] = []
        for at, item in enumerate(items):
            values = ChainMap({"each.value": item, "each.index": at}, self.values)
            entry = f"{phase}/{step.name}[{at}]"
            done.append(self._kept(entry) or self._once(_Unit(phase=phase, step=step, entry=entry, values=values)))
            if done[-1].status == "failed":
                break
        return self._gathered(phase, step, done, self.context.clock.monotonic() - started)

    def _gathered(self, phase: str, step: Step, done: Sequence[StepResult], took_s: float) -> StepResult:
        """The turns of a `foreach` as one step."""
        failed = next((at for at, turn in enumerate(done) if turn.status == "failed"), None)
        statuses = {turn.status for turn in done}
        status = next((s for s in ("failed", "planned", "done") if s in statuses), "skipped")
        reason = "" if failed is None else f"turn {failed + 1}: {done[failed].reason}"
        text = "\n".join(turn.output for turn in done if turn.output)
        reason = reason or ("there was nothing to do it for" if not done else "")
        return self._written(phase, step, f"{phase}/{step.name}", Output(text=text), status, reason, took_s)

    def _once(self, unit: _Unit) -> StepResult:
        started = self.context.clock.monotonic()
        status, output, reason = self._attempt(unit)
        took_s = self.context.clock.monotonic() - started
        return self._written(unit.phase, unit.step, unit.entry, output, status, reason, took_s)

    def _written(
        self, phase: str, step: Step, entry: str, output: Output, status: str, reason: str, took_s: float
    ) -> StepResult:
        result = StepResult(
            phase=phase, name=step.name, action=step.action, status=status, output=output.text[:_OUTPUT_CHARS],
            reason=redact(reason), duration_s=round(took_s, 3), values=dict(output.values),
        )  # fmt: skip
        if not self.dry_run:
            self._save(entry, self.entries.get(entry, {}) | {"result": dump(result)})
        return result

    def _attempt(self, unit: _Unit) -> tuple[str, Output, str]:
        """Status, output and reason."""
        try:
            if not met(unit.step.when, unit.values):
                return "skipped", Output(text=""), "its condition does not hold"
            if unit.step.action == UNDO:
                return "done", Output(text=self._undo_step(str(unit.step.arguments.get("step", "")))), ""
            action = action_named(unit.step.action)
            arguments = action.accepts.model_validate(fill(unit.step.arguments, unit.values))
            if self.dry_run:
                return "planned", Output(text=action.describe(arguments, self.context)), ""
            return "done", self._do(unit, action, arguments), ""
        except (ActionFailed, Refused, TemplateError) as error:
            if self.dry_run and isinstance(error, TemplateError) and _later(unit.step):
                return "planned", Output(text=f"{unit.step.action}, if what earlier steps say allows it"), ""
            return "failed", Output(text=""), str(error)
        except ValidationError as error:
            if self.dry_run and _later(unit.step):
                return "planned", Output(text=f"{unit.step.action} with what only earlier steps know"), ""
            return "failed", Output(text=""), _first(error)
        except (EnvironmentBroke, Waiting, Paused):
            raise
        except Exception as error:  # an action's defect must not keep what was done from being taken back
            log.exception("%s: %s broke", self.key, unit.step.action)
            return "failed", Output(text=""), f"internal error: {type(error).__name__}: {error}"

    def _do(self, unit: _Unit, action: Action, arguments: BaseModel) -> Output:
        self._check()
        step, kept = unit.step, self.entries.get(unit.entry, {})
        begun = "evidence" in kept
        if not begun:
            evidence = action.before(arguments, self.context, timeout_s=step.timeout_s)
            self._save(unit.entry, {"evidence": dict(evidence)})
        for attempt in range(1, step.attempts + 1):
            try:
                given = action.run(
                    arguments, self.context, key=f"{self.key}/{unit.entry}",
                    evidence=self.entries[unit.entry]["evidence"], repeated=begun, timeout_s=step.timeout_s,
                )  # fmt: skip
                return _fitting(given if isinstance(given, Output) else Output(text=given))
            except ActionFailed:
                if attempt == step.attempts:
                    raise
                self.context.clock.sleep(step.wait_s)
        raise AssertionError("the last attempt returns or raises")

    def _check(self) -> None:
        if reason := self.context.forbidden():
            raise Refused(reason)

    def _save(self, name: str, entry: Mapping[str, Any]) -> None:
        self.record.save(self.key, name, entry)
        self.entries[name] = dict(entry)

    # ------------------------------------------------------------ back

    def undoable(self) -> list[str]:
        """The steps that were begun and have an undo, the last one first."""
        begun = [s for s in self.book.steps if self._units_of(s) and action_named(s.action).can_undo]
        return [step.name for step in reversed(begun)]

    def undo_all(self) -> str:
        """Take back every step that was begun; what could not be, '' when all was."""
        problems = []
        for name in self.undoable():
            entry = f"rollback/undo-{name}"
            result = self._kept(entry) or self._undone(name, entry)
            self._add(result)
            if result.status == "failed":
                problems.append(f"undo of {name}: {result.reason}")
        return "; ".join(problems)

    def _undone(self, name: str, entry: str) -> StepResult:
        started = self.context.clock.monotonic()
        step = Step(name=f"undo-{name}", action=UNDO)
        try:
            status, text, reason = "done", self._undo_step(name), ""
        except (ActionFailed, Refused, TemplateError) as error:
            status, text, reason = "failed", "", str(error)
        except (EnvironmentBroke, Waiting):
            raise
        except Exception as error:  # the other steps are still to be taken back
            log.exception("%s: the undo of %s broke", self.key, name)
            status, text, reason = "failed", "", f"internal error: {type(error).__name__}: {error}"
        took_s = self.context.clock.monotonic() - started
        return self._written("rollback", step, entry, Output(text=text), status, reason, took_s)

    def _undo_step(self, name: str) -> str:
        """Take back one step, in all its turns. Raises ActionFailed, Refused, TemplateError, EnvironmentBroke."""
        step = next((s for s in self.book.steps if s.name == name), None)
        if step is None:
            raise ActionFailed(f"there is no step '{name}'")
        if self.dry_run:
            return f"undo {name}"
        self._check()
        action = action_named(step.action)
        said = []
        for unit in reversed(self._units_of(step)):
            arguments = action.accepts.model_validate(fill(step.arguments, unit.values))
            evidence = self.entries[unit.entry]["evidence"]
            said.append(action.undo(arguments, self.context, key=f"{self.key}/{unit.entry}", evidence=evidence,
                                    timeout_s=step.timeout_s))  # fmt: skip
        return "\n".join(said) or f"{name} was not begun"

    def _units_of(self, step: Step) -> list[_Unit]:
        """What was begun of a step."""
        alone = f"steps/{step.name}"
        if "evidence" in self.entries.get(alone, {}):
            return [_Unit(phase="steps", step=step, entry=alone, values=self.values)]
        turns = [name for name in self.entries if re.fullmatch(rf"{re.escape(alone)}\[\d+\]", name)]
        begun = sorted(int(n[len(alone) + 1 : -1]) for n in turns if "evidence" in self.entries[n])
        if not begun:
            return []
        items = _items(fill(step.foreach, self.values), step.at_most)
        made = [ChainMap({"each.value": items[at], "each.index": at}, self.values) for at in begun]
        return [
            _Unit(phase="steps", step=step, entry=f"{alone}[{at}]", values=values)
            for at, values in zip(begun, made, strict=True)
        ]


def _items(value: Any, most: int) -> list[Any]:
    if isinstance(value, str):
        value = [part.strip() for part in re.split(r"[,\n]", value) if part.strip()]
    if not isinstance(value, (list, tuple)):
        raise TemplateError(f"`foreach` needs a list, not {type(value).__name__}")
    if len(value) > most:
        raise TemplateError(f"`foreach` has {len(value)} turns, at_most is {most}: nothing was done")
    return list(value)


def _later(step: Step) -> bool:
    """Whether it reads what only an earlier step gives."""
    told = [holes(step.arguments), holes(step.when if isinstance(step.when, str) else ""), holes(step.foreach)]
    return any(name.startswith(("steps.", "each.")) for names in told for name in names)


def _fitting(output: Output) -> Output:
    """Values that are too large to be kept are not kept at all; half of them would mislead."""
    if len(json.dumps(dict(output.values))) <= _VALUES_CHARS:
        return output
    raise ActionFailed(f"it gave more than {_VALUES_CHARS} characters of values; ask for less")


def _first(error: ValidationError) -> str:
    row = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"argument {'.'.join(map(str, row['loc']))}: {row['msg']}"
