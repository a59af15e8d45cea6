"""Patches that answered every input alike form a cluster; inputs that tell clusters apart are shown to people."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from nightshift.sandboxes.critic.examine import Examination
from nightshift.sandboxes.critic.inputs import DRAWN
from nightshift.sandboxes.critic.session import Answer

WITNESSES = 3


def usable(found: Examination) -> list[int]:
    """Inputs that base could be asked and answered the same way twice, in either order and under another hash seed;
    those it had no time for (it hangs) as well, where some version answers them."""
    return [n for n in range(len(found.inputs)) if _usable(found, n)]


def _usable(found: Examination, number: int) -> bool:
    first, second = found.base.calls.get(number), found.again.calls.get(number)
    if first is None:
        given = [answers.calls[number] for answers in found.answers if number in answers.calls]
        return any(answer.what == "returned" for answer in given)
    return first.what != "unbuilt" and (second is None or second == first)


def clusters(found: Examination) -> tuple[int, ...]:
    """The cluster of each version, numbered from 1 in the order of the versions; 0 where nothing can be compared."""
    asked = usable(found)
    known: list[list[dict[int, Answer]]] = []
    numbers = []
    for answers in found.answers:
        given = {n: answers.calls[n] for n in asked if n in answers.calls}
        if not given:
            numbers.append(0)
            continue
        # Compared one with another on what both were heard on: a version that hangs leaves the others distinct.
        at = next((at for at, some in enumerate(known) if all(_alike(one, given) for one in some)), len(known))
        known += [[]] * (at == len(known))
        known[at] = [*known[at], given]
        numbers.append(at + 1)
    return tuple(numbers)


def _alike(one: Mapping[int, Answer], other: Mapping[int, Answer]) -> bool:
    both = one.keys() & other.keys()
    return bool(both) and all(one[n] == other[n] for n in both)


def apart(found: Examination, one: int, other: int) -> list[int]:
    """Inputs on which two versions answer differently, the recorded ones first, then the shortest."""
    first, second = found.answers[one].calls, found.answers[other].calls
    split = [n for n in usable(found) if n in first and n in second and first[n] != second[n]]
    return sorted(split, key=lambda n: (found.inputs[n].source == DRAWN, len(found.inputs[n].shown()), n))


def witnesses(found: Examination, numbers: Sequence[int], left: Collection[int]) -> tuple[str, ...]:
    """Lines for people: inputs that tell the clusters of the versions in `left` apart, with what each answers."""
    ahead: dict[int, int] = {}
    for version in sorted(left):
        if numbers[version]:
            ahead.setdefault(numbers[version], version)
    if len(ahead) < 2:
        return ()
    first, *others = ahead.values()
    lines: dict[int, str] = {}
    for other in others:
        split = [n for n in apart(found, first, other) if n not in lines]
        if split and len(lines) < WITNESSES:
            lines[split[0]] = _line(found, split[0], ahead)
    return tuple(lines.values())


def _line(found: Examination, number: int, ahead: dict[int, int]) -> str:
    by: dict[str, list[str]] = {}
    for cluster, version in ahead.items():
        answer = found.answers[version].calls.get(number)
        if answer is not None:
            by.setdefault(answer.shown(), []).append(f"{cluster}")
    said = "; ".join(f"{text} (cluster {', '.join(who)})" for text, who in list(by.items())[:5])
    return f"on {found.inputs[number].shown()}: {said}"
