"""What can contradict a patch without a new test: production's own input, docstring examples, return annotations, the
same failure on inputs of the same kinds, and that an answer depends on what is asked.

Each oracle is silent where base already disagrees with it: stale documentation must not block every repair.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from nightshift.daemon.kit.git import BareRepo
from nightshift.sandboxes.critic.clusters import usable
from nightshift.sandboxes.critic.documents import Document
from nightshift.sandboxes.critic.examine import Examination
from nightshift.sandboxes.critic.functions import Function, parsed
from nightshift.sandboxes.critic.inputs import DRAWN, PRODUCTION
from nightshift.sandboxes.critic.lessons import call_lesson, example_lesson
from nightshift.sandboxes.critic.session import Answer, Answers

_SIMPLE = {
    "int": {"int", "bool"}, "float": {"float", "int", "bool"}, "str": {"str"}, "bool": {"bool", "bool_"},
    "bytes": {"bytes"}, "list": {"list"}, "dict": {"dict", "OrderedDict", "defaultdict", "Counter"},
    "tuple": {"tuple"}, "set": {"set"}, "frozenset": {"frozenset"}, "List": {"list"}, "Dict": {"dict"},
    "Tuple": {"tuple"}, "Set": {"set"},
}  # fmt: skip
MANY, FEW, SOME, TELLING = 30, 10, 3, 6
BLUNDERS = frozenset({"TypeError", "AttributeError", "NameError", "UnboundLocalError", "RecursionError", "endless"})
"""Failures that say nothing of the arguments' values, where their types are as recorded."""


@dataclass(frozen=True, kw_only=True)
class Refutation:
    """Why a version is wrong, and the lesson in it ('' = none can be written)."""

    why: str
    lesson: str = ""


def refutations(found: Examination) -> dict[int, Refutation]:
    """The first thing that contradicts each version, by its place in the field; absent = nothing does."""
    refuted: dict[int, Refutation] = {}
    for version in range(len(found.answers)):
        for oracle in (production, documented, annotated, unhealed, deaf):
            if said := next(oracle(found, version), None):
                refuted[version] = said
                break
    return refuted


def production(found: Examination, version: int) -> Iterator[Refutation]:
    """A call that production recorded still raises what it raised there."""
    case, answers = found.field.case, found.answers[version]
    kind = case.diagnosis.exception.rpartition(".")[2]
    if not kind or _on_purpose(found):
        return
    for number, each in enumerate(found.inputs):
        before, after = found.base.calls.get(number), answers.calls.get(number)
        if each.source != PRODUCTION or before is None or after is None:
            continue
        if before.what == after.what == "raised" and before.text == after.text == kind:
            yield Refutation(
                why=f"with the values that production recorded, {each.shown()} still raises {kind}",
                lesson=call_lesson(each, f"repeats a call that raised {kind}, with the values recorded then"),
            )


def _on_purpose(found: Examination) -> bool:
    """Whether the crash is a `raise` or `assert` of the program's own: then to go on raising may be right."""
    case = found.field.case
    frame = case.diagnosis.frames[-1] if case.diagnosis.frames else None
    module = parsed(BareRepo(case.repo).read(case.base, frame.path)) if frame else None
    if frame is None or module is None:
        return False
    kinds = (ast.Raise, ast.Assert)
    return any(isinstance(n, kinds) and n.lineno <= frame.line <= (n.end_lineno or 0) for n in ast.walk(module))


def documented(found: Examination, version: int) -> Iterator[Refutation]:
    """A docstring example held before and does not any more; or one of the changed function holds with another patch
    and not with this one."""
    for number, document in enumerate(found.documents):
        base = _held(found.base, number)
        again = _held(found.again, number)
        mine = _held(found.answers[version], number)
        others = [_held(each, number) for each in found.answers]
        for at in range(len(document.examples())):
            if _at(mine, at) is not False or _same_number(found.answers[version], document, number, at):
                continue
            if _at(base, at) and _at(again, at):
                yield _example(found, document, version, number, at, "held before and fails now")
            elif document.changed and any(_at(other, at) for other in others):
                yield _example(found, document, version, number, at, "still fails; with another patch it holds")


def _same_number(answers: Answers, document: Document, number: int, at: int) -> bool:
    """Whether what an example gave equals what it wants all the same (0 and 0.0), though it is written otherwise."""
    held, gave = answers.examples[number]
    failed = sum(not each for each in held[:at])
    if failed >= len(gave):
        return False
    try:
        return bool(ast.literal_eval(gave[failed]) == ast.literal_eval(document.examples()[at].want.strip()))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return False


def _held(answers: Answers, number: int) -> tuple[bool, ...] | None:
    return answers.examples[number][0] if number in answers.examples else None


def _at(held: tuple[bool, ...] | None, at: int) -> bool | None:
    """Whether an example held; None when the docstring was not tried. What was not reached did not hold."""
    if held is None:
        return None
    return held[at] if at < len(held) else False


def _example(found: Examination, document: Document, version: int, number: int, at: int, how: str) -> Refutation:
    examples = document.examples()
    held, gave = found.answers[version].examples[number]
    failed = sum(not each for each in held[:at])
    got = gave[failed] if failed < len(gave) else "no answer"
    shown = " ".join(examples[at].source.split())[:160]
    module = parsed(BareRepo(found.field.case.repo).read(found.field.case.base, document.path))
    lesson = example_lesson(found.modules[document.path], module, document.owner, examples, at) if module else ""
    where = f"`{document.owner}`" if document.owner else document.path
    want = " ".join(examples[at].want.split())[:80]
    return Refutation(why=f"an example in the docstring of {where} {how}: {shown} gives {got[:80]} instead of {want}",
                      lesson=lesson)  # fmt: skip


def annotated(found: Examination, version: int) -> Iterator[Refutation]:
    """A changed function returns what its annotation rules out, which base never did."""
    for function in found.field.changed:
        allowed = _allowed(function)
        if not allowed:
            continue
        asked = [n for n in usable(found) if found.inputs[n].name == function.name]
        base = found.base.calls
        before = [base[n].kind for n in asked if n in base and base[n].what == "returned"]
        if not before or not set(before) <= allowed:
            continue
        for number in asked:
            answer = found.answers[version].calls.get(number)
            if answer and answer.what == "returned" and answer.kind not in allowed and answer.kind == "NoneType":
                said = f"{found.inputs[number].shown()} returns None, annotated is {min(allowed)}"
                yield Refutation(why=said)


def _allowed(function: Function) -> set[str]:
    """Type names a plain annotation allows; nothing where it is more than plain."""
    said = function.node.returns
    if isinstance(said, ast.Subscript):
        said = said.value
    name = said.id if isinstance(said, ast.Name) else said.attr if isinstance(said, ast.Attribute) else ""
    if isinstance(function.node, ast.AsyncFunctionDef):
        return set()
    return _SIMPLE.get(name, set())


def unhealed(found: Examination, version: int) -> Iterator[Refutation]:
    """The call that fails on base works now; calls with arguments of the same kinds still fail in the same way, which
    for these ways of failing is never what a caller wants. Or what ended on base does not end any more."""
    base, mine = found.base.calls, found.answers[version].calls
    asked = [n for n in usable(found) if n in base and n in mine]
    hanging = [n for n in asked if base[n].what == "returned" and mine[n].what == "endless"]
    if len(hanging) >= SOME:
        yield Refutation(why=f"{found.inputs[hanging[0]].shown()} does not end any more, like {len(hanging)} inputs")
    recorded = [n for n in asked if found.inputs[n].source != DRAWN and mine[n].what == "returned"]
    for way in sorted({_failure(base[n]) for n in recorded} & BLUNDERS):
        failing = [n for n in asked if found.inputs[n].source == DRAWN and _failure(base[n]) == way]
        still = [n for n in failing if _failure(mine[n]) == way]
        if len(still) >= SOME and len(still) * 10 >= len(failing):
            shortest = min(still, key=lambda n: (len(found.inputs[n].shown()), n))
            shown = f"{found.inputs[shortest].shown()} {mine[shortest].shown()}"
            yield Refutation(why=f"only some calls are healed: {shown}, as {len(still)} of {len(failing)} such inputs")


def _failure(answer: Answer) -> str:
    return {"raised": answer.text.partition(";")[0], "endless": "endless"}.get(answer.what, "")


def deaf(found: Examination, version: int) -> Iterator[Refutation]:
    """Whatever it is asked it answers the same, where base or another patch gives many different answers."""
    for name in sorted({found.inputs[n].name for n in usable(found)} - {""}):
        asked = [n for n in usable(found) if found.inputs[n].name == name and found.inputs[n].source == DRAWN]
        mine = [found.answers[version].calls.get(n) for n in asked]
        given = {a for a in mine if a is not None}
        if len(asked) < MANY or len(given) != 1 or not all(a and a.what == "returned" for a in mine):
            continue
        if len(next(iter(given)).text) < TELLING:  # 0, False or [] may well be right everywhere
            continue
        rivals = [found.base, *found.answers]
        if any(
            len({r.calls[n] for n in asked if n in r.calls and r.calls[n].what == "returned"}) >= FEW for r in rivals
        ):
            answer = next(iter(given))
            yield Refutation(why=f"{name} answers {answer.shown()} whatever it is asked, on {len(asked)} inputs")
