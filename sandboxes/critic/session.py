"""One sandbox for one critique: records the tests' calls on base, then has every version answer the same inputs.

What comes back was written by code under test: it is bounded, parsed as JSON, and believed only as that version's own
answer. The line that carries it is marked with a nonce only our supervisor knows.
"""

from __future__ import annotations

import base64
import json
import secrets
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nightshift.daemon.kit.checks import PytestCall
from nightshift.daemon.ports import Sandbox
from nightshift.sandboxes.critic.inputs import Input
from nightshift.sandboxes.critic.inside import source

CALL_S, VERSION_S, QUIET_S, RECORD_S, SPARE_S = 0.25, 8.0, 3.0, 20.0, 10.0
_UNPACKED, _ROWS, _LINE = 64 << 20, 20_000, 1 << 20
_PYTEST = ("-p", "no:cacheprovider", "--continue-on-collection-errors", "--maxfail=0", "--tb=no")


class NoAnswer(Exception):
    """The sandbox ended without our supervisor's answer; the message says how."""


@dataclass(frozen=True, kw_only=True)
class Recording:
    """What the tests call on base: `calls` as told from inside, `reached` the (path, line) of what tests call
    themselves on the way to a changed function, `paths` what they put on the import path, relative to the tree."""

    calls: tuple[Mapping[str, Any], ...] = ()
    reached: frozenset[tuple[str, int]] = frozenset()
    paths: tuple[str, ...] = (".",)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one call gave. `what`: returned | raised | endless | unbuilt. `kind` is the name of the returned type; it
    does not count when answers are compared: 0 and 0.0 are the same to most callers."""

    what: str
    text: str
    kind: str = field(default="", compare=False)

    def shown(self) -> str:
        """For people."""
        if self.what == "returned":
            return self.text if len(self.text) <= 120 else f"{self.text[:120]}…"
        return {"raised": f"raises {self.text}", "endless": "does not end"}.get(self.what, f"fails ({self.text})")


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What one version answered, by the input's number; `examples` by docstring: which of its examples held, and what
    the others gave."""

    calls: Mapping[int, Answer] = field(default_factory=dict)
    examples: Mapping[int, tuple[tuple[bool, ...], tuple[str, ...]]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Question:
    """What every version is asked: inputs, and docstrings as (module, text)."""

    inputs: Sequence[Input]
    documents: Sequence[tuple[str, str]]
    paths: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Session:
    """A sandbox and the tree of base as a tar. `interpreter` and `env` are the check's."""

    box: Sandbox
    tree: bytes
    interpreter: tuple[str, ...]
    env: Mapping[str, str]
    timeout_s: float

    def record(self, call: PytestCall, changed: Collection[tuple[str, int]], tests: Collection[str]) -> Recording:
        """Run the check once, watched. Raises EnvironmentBroke, NoAnswer."""
        orders = {"args": [*call.args, *_PYTEST], "module": call.module, "changed": sorted(changed),
                  "tests": sorted(tests)}  # fmt: skip
        most_s = min(RECORD_S, self.timeout_s)
        job = self._job(["values", "record"], orders, {}, restarts=0, quiet_s=most_s, most_s=most_s)
        rows = [row for row in self._carried_out([job])[0] if isinstance(row, dict)]
        paths = next((row["paths"] for row in rows if row.get("k") == "paths" and _texts(row.get("paths"))), ["."])
        reached = {(str(r.get("path")), r["line"]) for r in rows if r.get("k") == "reached" and _is_int(r.get("line"))}
        calls = tuple(r for r in rows if r.get("k") == "call" and _is_int(r.get("line")))
        return Recording(calls=calls, reached=frozenset(reached), paths=tuple(paths))

    def answers(
        self, overlays: Sequence[Mapping[str, bytes | None]], question: Question,
        known: tuple[Answers, Answers] | None = None,
    ) -> list[Answers]:  # fmt: skip
        """The answers of base, of base again (inputs in opposite order, another hash seed), and of each version; those
        of base may be `known`. Raises EnvironmentBroke, NoAnswer."""
        rows: list[dict[str, Any]] = [{"module": module, "text": text} for module, text in question.documents]
        rows += [each.row() for each in question.inputs]
        orders = {"inputs": rows, "paths": list(question.paths), "limit_s": CALL_S, "after": 0, "backwards": False}
        boot = ["values", "canon", "answer"]
        again = self._job(boot, {**orders, "backwards": True}, {}, restarts=0, seed="7")
        jobs = [] if known else [self._job(boot, orders, {}), again]
        told = self._carried_out([*jobs, *(self._job(boot, orders, overlay) for overlay in overlays)])
        heard = [_answers(lines, len(question.documents), len(rows)) for lines in told]
        base, second, *rest = (*known, *heard) if known else heard
        return [base, second, *(_whole(e, lines, base) for e, lines in zip(rest, told[len(jobs) :], strict=True))]

    def _job(
        self, boot: Sequence[str], orders: Mapping[str, Any], overlay: Mapping[str, bytes | None], *,
        restarts: int = 5, quiet_s: float = QUIET_S, most_s: float = VERSION_S, seed: str = "0",
    ) -> dict[str, Any]:  # fmt: skip
        packed = {p: None if d is None else base64.b64encode(d).decode() for p, d in overlay.items()}
        env = {**self.env, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": seed}
        return {
            "boot": [source(name) for name in boot], "session": orders, "overlay": packed, "env": env, "fresh": True,
            "interpreter": list(self.interpreter), "restarts": restarts, "quiet_s": quiet_s, "timeout_s": most_s,
        }  # fmt: skip

    def _carried_out(self, jobs: list[dict[str, Any]]) -> list[list[Any]]:
        nonce = secrets.token_hex(16)
        orders = {"nonce": nonce, "tree": base64.b64encode(self.tree).decode(), "jobs": jobs,
                  "timeout_s": self.timeout_s}  # fmt: skip
        argv = [*self.interpreter[:1], "-I", "-S", "-B", "-c", source("supervise")]
        done = self.box.run(argv, timeout_s=self.timeout_s + SPARE_S, stdin=json.dumps(orders).encode() + b"\n")
        _, found, packed = done.stdout.rpartition(f"\n{nonce} ".encode())
        if not found:
            tail = (done.stdout + done.stderr)[-300:].decode("utf-8", "replace").strip()
            raise NoAnswer(f"the comparison ended without an answer ({done.ended}, {done.code}): {tail}")
        try:
            told = json.loads(zlib.decompressobj().decompress(base64.b64decode(packed.strip()), _UNPACKED))
        except (ValueError, zlib.error) as error:
            raise NoAnswer(f"the comparison's answer can't be read: {error}") from error
        return [[_parsed(line) for line in lines[:_ROWS]] for lines in told]


def _parsed(line: str) -> Any:
    if len(line) > _LINE:
        return None
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _plain(text: str, most: int) -> str:
    """Text from inside, for people: nothing in it can't be printed or stored."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:most])


def _whole(answers: Answers, lines: Sequence[Any], base: Answers) -> Answers:
    """What a version left out before it said that this is all counts as an answer of its own."""
    if [-1] not in lines:
        return answers
    return replace(answers, calls={**{n: Answer(what="silent", text="") for n in base.calls}, **answers.calls})


def _answers(lines: Sequence[Any], documents: int, most: int) -> Answers:
    calls: dict[int, Answer] = {}
    examples: dict[int, tuple[tuple[bool, ...], tuple[str, ...]]] = {}
    for row in lines:
        if not isinstance(row, list) or len(row) != 4 or not _is_int(row[0]) or not _texts(row[1:]):
            continue
        number = row[0]
        if documents <= number < most:
            calls.setdefault(number - documents, Answer(what=row[1], text=_plain(row[2], 4000), kind=row[3][:100]))
        elif 0 <= number < documents and row[1] == "endless":
            examples.setdefault(number, ((), ("no end",)))
        elif 0 <= number < documents and row[1] == "document":
            held, gave = _parsed(row[2]), _parsed(row[3])
            if isinstance(held, list) and _texts(gave):
                examples.setdefault(
                    number, (tuple(bool(h) for h in held), tuple(_plain(each, 200) for each in gave[:20]))
                )
    return Answers(calls=calls, examples=examples)
