"""What each test of a `node --test` run did, read from its TAP: failing tests have names and lost ones are missed.

The report is written by node's own runner, which puts `# ` before whatever the tests print; it is still the word of a
process that ran the patch, so it may only make a green check red, never a red one green: the exit code rules.
Other runners (jest, vitest, mocha) are judged by their exit code alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from nightshift.daemon.model import TestStatus
from nightshift.daemon.ports import WORKDIR

_RUN = re.compile(r"(?<![\w./-])node(?P<flags>(?: --[\w-]+(?:=\S+)?)*) --test(?![\w-])")
_POINT = re.compile(r"^(?P<indent> *)(?P<not>not )?ok \d+(?: - (?P<name>.*?))?(?P<mark> # (?:SKIP|TODO)\b.*)?$")
_VALUE = re.compile(r"^ *(?P<key>error|name|code|failureType|type): (?P<text>.*)$")
_LEVEL = 4
_MOST = 20_000


@dataclass
class Point:
    """One test as TAP tells of it. `frames` are in-tree (path, line, function), innermost last."""

    names: tuple[str, ...]
    status: TestStatus
    leaf: bool
    values: dict[str, str] = field(default_factory=dict)
    frames: list[tuple[str, int, str]] = field(default_factory=list)
    text: list[str] = field(default_factory=list)


def reporting(command: str) -> str:
    """The command with node's reporter set to TAP, where it runs `node --test` and chooses none itself."""
    if "--test-reporter" in command:
        return command
    return _RUN.sub(lambda found: f"{found[0]} --test-reporter=tap", command)


def read(output: str) -> dict[str, Point] | None:
    """Every test by its names joined with ` > `; None where there is no report of all tests, or one that is cut."""
    if "TAP version 13\n" not in output or not re.search(r"^# fail \d+$", output, re.M):
        return None
    points = _points(output.partition("TAP version 13\n")[2].splitlines())
    if points is None or any(point.leaf and point.names[-1].startswith("/") for point in points):
        return None  # a file that could not be loaded hides its tests
    found: dict[str, Point] = {}
    for point in points:
        if point.leaf or point.values.get("failureType", "subtestsFailed") != "subtestsFailed":
            name, again = " > ".join(point.names), 1
            while (key := name if again == 1 else f"{name} #{again}") in found:
                again += 1
            found[key] = point
    return found


def _points(lines: list[str]) -> list[Point] | None:
    """Points in order, inner ones first; the names of outer ones are known once they end."""
    found: list[Point] = []
    open_: dict[int, list[Point]] = {}
    block: Point | None = None
    inside = False
    for line in lines:
        if block is not None and line.strip() == "---" and not inside:
            inside = True
        elif inside and line.strip() == "..." and block is not None:
            inside, block = False, None
        elif inside and block is not None:
            _detail(block, line)
        elif point := _POINT.match(line):
            level = len(point["indent"]) // _LEVEL
            under = open_.pop(level + 1, [])
            for one in under:
                one.names = (point["name"] or "?", *one.names)
            block = Point(names=(point["name"] or "?",), status=_status(point), leaf=not under)
            found.append(block)
            open_.setdefault(level, []).extend([*under, block])
            if len(found) > _MOST:
                return None
    return None if inside or any(level > 0 for level, some in open_.items() if some) else found


def _status(point: re.Match[str]) -> TestStatus:
    if point["mark"]:
        return TestStatus.SKIPPED
    return TestStatus.FAILED if point["not"] else TestStatus.PASSED


def _detail(point: Point, line: str) -> None:
    point.text.append(line.strip())
    if value := _VALUE.match(line):
        point.values.setdefault(value["key"], value["text"].strip("'\""))
    elif frame := _frame(line):
        point.frames.insert(0, frame)


def _frame(line: str) -> tuple[str, int, str] | None:
    """(path, line, function) of an in-tree frame, ``at run (file:///work/a.js:3:7)``. The text is the tree's own: no
    pattern that could take long on it."""
    head, *numbers = line.strip().removesuffix(")").rsplit(":", 2)
    where = re.split(r"[\s()]", head)[-1]
    path = where.removeprefix("file://")
    told = len(numbers) == 2 and all(re.fullmatch(r"[0-9]{1,9}", number) for number in numbers)
    if not told or not path.startswith(f"{WORKDIR}/"):
        return None
    function = re.sub(r"^(?:at\b\s*)?(?:async\b\s*)?", "", head.removesuffix(where).rstrip(" ("))
    return path.removeprefix(f"{WORKDIR}/"), int(numbers[0]), function
