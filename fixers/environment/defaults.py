"""Where a repository itself says what a variable is: examples, manifests, defaults in code and in its README."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

_EXAMPLE = re.compile(r"(?:.*/)?(?:\.env\.\w+|env\.\w+|\w+\.env|[\w.-]*env(?:ironment)?[\w.-]*example[\w.-]*)")
_SECRET = re.compile(r"SECRET|TOKEN|PASSW|PRIVATE|CREDENTIAL|API_?KEY|ACCESS_?KEY|DSN|_KEY$", re.IGNORECASE)
_EMPTY = re.compile(r"|<.*>|\.\.\.|x{3,}|change.?me.*|your[-_ ].*|todo|replace.*|\$.*|\{\{.*", re.IGNORECASE)
_VALUE = r"[ \t]*(?:\"([^\"\n]*)\"|'([^'\n]*)'|([^\s#\"']+))"


@dataclass(frozen=True, kw_only=True)
class Default:
    """A value and the place that says it, as ``path:line``; the code's own defaults weigh most."""

    value: str
    where: str
    weight: float


def is_secret(name: str) -> bool:
    """Whether a variable is one whose value has no business in a repository."""
    return _SECRET.search(name) is not None


def defaults(name: str, files: Mapping[str, str]) -> list[Default]:
    """What the files say, weightiest first, each value once; placeholders and references are no values."""
    found: dict[str, Default] = {}
    for default in sorted(_all(name, files), key=lambda d: -d.weight):
        if not _EMPTY.fullmatch(default.value.strip()):
            found.setdefault(default.value, default)
    return list(found.values())


def _all(name: str, files: Mapping[str, str]) -> Iterator[Default]:
    for path, text in files.items():
        if name in text:
            for value, at, weight in _in_file(name, path, text):
                yield Default(value=value, where=f"{path}:{text.count(chr(10), 0, at) + 1}", weight=weight)


def _in_file(name: str, path: str, text: str) -> Iterator[tuple[str, int, float]]:
    suffix, base = PurePosixPath(path).suffix.lower(), PurePosixPath(path).name
    word = re.escape(name)
    if suffix == ".py":
        yield from _in_python(name, text)
    elif suffix in (".js", ".ts", ".mjs", ".cjs"):
        yield from _matches(rf"process\.env\.{word}\s*(?:\|\||\?\?){_VALUE}", text, 1.0)
    elif _EXAMPLE.fullmatch(path):
        yield from _matches(rf"(?m)^(?:export )?{word}={_VALUE}", text, 0.9)
    elif suffix in (".yaml", ".yml"):
        yield from _matches(rf"(?m)^[ \t]*(?:- )?{word}:{_VALUE}", text, 0.7)
        yield from _matches(rf"(?m)^[ \t]*- [\"']?{word}={_VALUE}", text, 0.7)
        yield from _matches(rf"name:[ \t]*[\"']?{word}[\"']?\s*\n[ \t]*value:{_VALUE}", text, 0.7)
    elif suffix in (".md", ".rst", ".txt") and base.lower().startswith("readme"):
        yield from _matches(rf"{word}\b[^\n]*?\bdefaults?\b(?: to| is)?[:= ]*[`\"']()()([^`\"'\n]+)", text, 0.5)
        yield from _matches(rf"(?m)(?:^|`|export ){word}={_VALUE}", text.replace("`", " "), 0.5)
    elif base.startswith("Dockerfile"):
        yield from _matches(rf"(?m)^ENV[ \t]+{word}[= ]{_VALUE}", text, 0.7)
    if suffix in (".sh", ".yaml", ".yml"):
        yield from _matches(rf"\$\{{{word}:?[-=]()()([^}}\n]*)\}}", text, 0.8)
        yield from _matches(rf"(?m)^[ \t]*export {word}={_VALUE}", text, 0.6)


def _matches(pattern: str, text: str, weight: float) -> Iterator[tuple[str, int, float]]:
    for found in re.finditer(pattern, text):
        yield next((group for group in found.groups() if group), ""), found.start(), weight


def _in_python(name: str, text: str) -> Iterator[tuple[str, int, float]]:
    """`get(name, default)`, `getenv(name, default)`, `setdefault(name, default)` with a written-out default."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and len(node.args) == 2 and _called(node) in ("get", "getenv", "setdefault"):
            key, value = node.args
            if isinstance(key, ast.Constant) and key.value == name and _is_plain(value):
                at = sum(len(line) + 1 for line in text.split("\n")[: node.lineno - 1])
                yield str(ast.literal_eval(value)), at, 1.0


def _is_plain(node: ast.expr) -> bool:
    """Whether it is a text or a number."""
    value = node.value if isinstance(node, ast.Constant) else None
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
