"""Poetry's own dependency tables as PEP 508 lines (its caret and tilde ranges are nobody else's)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from nightshift.sandboxes.project.tree import table

_VERSION = re.compile(r"^(\d+(?:\.\d+)*)([\w.+-]*)$")


def required(said: dict[str, Any]) -> list[str]:
    """What the program needs; optional dependencies are left to the extras."""
    return list(_lines(table(said, "dependencies")))


def groups(said: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """Every group, the old `dev-dependencies` as ``dev``."""
    made = {name: tuple(_lines(table(said, "group", name, "dependencies"))) for name in table(said, "group")}
    if old := table(said, "dev-dependencies"):
        made.setdefault("dev", tuple(_lines(old)))
    return made


def extras(said: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """Extras, which name optional dependencies."""
    lines = {line.partition(" ")[0].partition("[")[0]: line for line in _lines(table(said, "dependencies"), True)}
    return {extra: tuple(lines.get(name, name) for name in names if isinstance(name, str))
            for extra, names in table(said, "extras").items() if isinstance(names, list)}  # fmt: skip


def roots(tool: dict[str, Any]) -> list[str]:
    """Folders that packages are taken from."""
    packages = table(tool, "poetry").get("packages")
    found = [each.get("from") for each in packages if isinstance(each, dict)] if isinstance(packages, list) else []
    return [folder for folder in found if isinstance(folder, str)]


def _lines(dependencies: dict[str, Any], optional: bool = False) -> Iterator[str]:
    for name, said in dependencies.items():
        each = said[0] if isinstance(said, list) and said else said
        details = {"version": each} if isinstance(each, str) else each
        if name == "python" or not isinstance(details, dict) or {"git", "path", "url", "file"}.intersection(details):
            continue
        if details.get("optional") and not optional:
            continue
        inner = ",".join(extra for extra in details.get("extras", []) if isinstance(extra, str))
        marker = f" ; {details['markers']}" if isinstance(details.get("markers"), str) else ""
        yield f"{name}{f'[{inner}]' if inner else ''} {range_of(str(details.get('version', '*')))}".strip() + marker


def range_of(text: str) -> str:
    """A version specifier (PEP 440) for a range as Poetry writes it; '' for any version and for alternatives."""
    if "|" in text or text.strip() in ("", "*"):
        return ""
    return ",".join(filter(None, (_one(part.strip()) for part in text.split(","))))


def _one(part: str) -> str:
    sign = part[0] if part[:1] in "^~" and not part.startswith("~=") else ""
    version = part[len(sign) :].strip()
    found = _VERSION.match(version)
    if not found:
        return part if part[:1] in "<>=!~" else f"=={part}"
    if not sign:
        return f"=={version}"
    numbers = [int(number) for number in found[1].split(".")]
    at = min(1, len(numbers) - 1) if sign == "~" else next((n for n, x in enumerate(numbers) if x), len(numbers) - 1)
    above = ".".join(map(str, [*numbers[:at], numbers[at] + 1]))
    return f">={version},<{above}"
