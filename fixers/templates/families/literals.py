"""Wrong literals: numbers one off, flags the wrong way round, the wrong string."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator

from nightshift.fixers.templates.site import Site
from nightshift.fixers.templates.source import Edit

TEMPLATE = "constant"
_SWAPS = {
    " ": ("", ", ", "\n", "_", "-"), ",": (", ", ";", " "), ", ": (",", " "), "": (" ", ",", ", ", "\n"),
    "_": ("-", " "), "-": ("_", " "), "\n": (" ", ""), "/": (".", ""), ".": (",", "/"), "0": ("", " ", "1"),
}  # fmt: skip


_KIN_NUMBERS = {
    1000: (1024,), 1024: (1000,), 60: (3600, 24, 1000), 24: (60, 12), 3600: (60, 86400), 365: (366,), 366: (365,),
    30: (31,), 31: (30,), 12: (24, 10), 7: (5,), 10: (16, 2, 12), 16: (10,), 8: (10,), 100: (1000, 1), 255: (256,),
    256: (255,), 86400: (3600,), 128: (127,), 127: (128,), 90: (360,), 180: (360,), 360: (180,),
}  # fmt: skip
_ROUND, _NEAR_BOUNDS = 20, (31, 63, 64, 99, 127, 255, 256, 364, 365, 400)
_ENCODINGS = ("utf-8", "latin-1", "utf-8-sig", "ascii", "cp1252", "utf-16")
_MODES = {"r": ("rb", "w"), "w": ("a", "wb"), "a": ("w",), "rb": ("r",), "wb": ("w", "ab"), "x": ("w",)}


def edits(site: Site) -> Iterator[Edit]:
    """Other literals of the same kind, nearest first."""
    node = site.node
    if not isinstance(node, ast.Constant) or _is_docstring(site):
        return
    value = node.value
    if isinstance(value, bool):
        yield from site.replace(str(not value), TEMPLATE, 0.9)
        yield from site.replace("None", TEMPLATE, 0.25)
        if isinstance(site.parent, ast.Assign) and isinstance(site.parent.targets[0], (ast.Name, ast.Attribute)):
            yield from site.replace(f"not {site.text(site.parent.targets[0])}", "condition-negate", 0.5)
    elif isinstance(value, int):
        yield from _integers(site, value)
    elif isinstance(value, float):
        yield from _floats(site, value)
    elif isinstance(value, (str, bytes)):
        yield from _strings(site, value)
    elif value is None:
        for text, weight in (("0", 0.4), ("[]", 0.4), ("''", 0.35), ("False", 0.35), ("{}", 0.3), ("True", 0.25)):
            yield from site.replace(text, TEMPLATE, weight)


def _is_docstring(site: Site) -> bool:
    return isinstance(site.parent, (ast.Expr, ast.JoinedStr, ast.FormattedValue))


def _integers(site: Site, value: int) -> Iterator[Edit]:
    from_end = _from_end(site)
    near = {value + 1: 0.5 if from_end else 1.0, value - 1: 1.0}
    if abs(value) > _ROUND and value not in _NEAR_BOUNDS:  # a large number is rarely wrong by one
        near = {value + 1: 0.6, value - 1: 0.6}
    elif value == 0 and _for_equality(site):
        near = {1: 0.8, -1: 0.55}
    elif value == 1 and isinstance(site.parent, ast.BinOp) and isinstance(site.parent.op, (ast.Add, ast.Sub)):
        near = {2: 0.75, 0: 0.5}
    likely = ((0, 0.7), (1, 0.7), (-1, 0.5), (2, 0.45), (-value, 0.4), (value * 10, 0.25), (value // 10, 0.2),
              (value * 2, 0.25), (value // 2, 0.25), (value + 2, 0.25), (value - 2, 0.25))  # fmt: skip
    for other, weight in likely:
        near.setdefault(other, weight)
    for other in _KIN_NUMBERS.get(value, ()):
        near.setdefault(other, 0.6)
    for other in _numbers_nearby(site):
        near.setdefault(other, 0.45)
    for other, weight in near.items():
        if other != value and not _idle(site, other):
            yield from site.replace(str(other), TEMPLATE, weight * (0.7 if abs(value) > 1 and other == -value else 1))
    for text, weight in (("None", 0.2), ("''", 0.15), ("[]", 0.15), ("float('inf')", 0.2), ("float('-inf')", 0.2)):
        if value in (0, 1, -1):
            yield from site.replace(text, TEMPLATE, weight)
    if value in (0, 1):
        yield from site.replace(str(bool(value)), TEMPLATE, 0.15)
    if abs(value) > 1:
        yield from site.replace(f"{value}.0", TEMPLATE, 0.1)


def _for_equality(site: Site) -> bool:
    return isinstance(site.parent, ast.Compare) and isinstance(site.parent.ops[0], (ast.Eq, ast.NotEq))


def _from_end(site: Site) -> bool:
    """The 1 of `x[-1]`: the last but one is rarely meant."""
    parent = site.parent
    negative = isinstance(parent, ast.UnaryOp) and isinstance(parent.op, ast.USub)
    return negative and isinstance(site.source.parents.get(parent), ast.Subscript) if parent else False


def _idle(site: Site, value: int) -> bool:
    """`e - 0`, `e * 1`: dropping the operand says it better."""
    if not isinstance(site.parent, (ast.BinOp, ast.AugAssign)) or site.place not in ("right", "value"):
        return False
    operator = site.parent.op
    return (value == 0 and isinstance(operator, (ast.Add, ast.Sub))) or (
        value == 1 and isinstance(operator, (ast.Mult, ast.Div, ast.FloorDiv, ast.Pow))
    )


def _numbers_nearby(site: Site) -> list[int]:
    key = ("numbers", site.source.path)
    if key not in site.cache:
        found = [n.value for n in ast.walk(site.source.tree) if isinstance(n, ast.Constant) and type(n.value) is int]
        site.cache[key] = list(dict.fromkeys(n for n in found if abs(n) > 1))[:12]
    numbers: list[int] = site.cache[key]  # type: ignore[assignment]
    return numbers


def _floats(site: Site, value: float) -> Iterator[Edit]:
    options = ((value * 10, 0.4), (value / 10, 0.4), (value * 100, 0.4), (value / 100, 0.4), (-value, 0.4),
               (1 - value, 0.5), (value + 1, 0.4), (value - 1, 0.4), (value * 2, 0.4), (value / 2, 0.4),
               (0.0, 0.4), (1.0, 0.4), (0.5, 0.3))  # fmt: skip
    for other, weight in options:
        if other != value:
            yield from site.replace(repr(round(other, 12)), TEMPLATE, weight)


def _strings(site: Site, value: str | bytes) -> Iterator[Edit]:
    seen = {value}
    prefix = "b" if isinstance(value, bytes) else ""
    for other, weight in _variants(value):
        if other not in seen:
            seen.add(other)
            yield from site.replace(repr(other), TEMPLATE, weight)
    for rank, other in enumerate(_nearest(site, value)):
        if other not in seen:
            seen.add(other)
            yield from site.replace(repr(other), TEMPLATE, 0.9 / (1 + 0.3 * rank))
    for rank, other in enumerate(_strings_nearby(site)):
        if other not in seen and bool(prefix) == isinstance(other, bytes):
            seen.add(other)
            yield from site.replace(repr(other), TEMPLATE, 0.4 / (1 + 0.1 * rank))


def _variants(value: str | bytes) -> Iterator[tuple[str | bytes, float]]:
    if isinstance(value, bytes):
        yield b"", 0.2
        return
    yield "", 0.35 if len(value) <= 2 else 0.2
    for other, weight in ((value.strip(), 0.5), (value.lower(), 0.35), (value.upper(), 0.35), (value + " ", 0.25),
                          (" " + value, 0.25), (value.rstrip("s"), 0.2), (value + "s", 0.2), (value[:-1], 0.2),
                          (value[1:], 0.2), (value.capitalize(), 0.2)):  # fmt: skip
        if len(value) <= 40:
            yield other, weight
    for other in (*_SWAPS.get(value, ()), *_MODES.get(value, ())):
        yield other, 0.4
    if value.lower().replace("_", "-") in (*_ENCODINGS, "utf8", "latin1", "iso-8859-1", "us-ascii"):
        for rank, other in enumerate(e for e in _ENCODINGS if e != value):
            yield other, 0.7 / (1 + 0.3 * rank)
    for old, new in (("%m", "%M"), ("%M", "%m"), ("%d", "%m"), ("%m", "%d"), ("%H", "%I"), ("%I", "%H"), ("%y", "%Y"),
                     ("%Y", "%y"), ("+", "*"), ("*", "+"), ("\\d", "\\w"), ("\\w", "\\d"), ("a-z", "a-zA-Z"),
                     (".*", ".*?"), (".+", ".+?")):  # fmt: skip
        if old in value:
            yield value.replace(old, new, 1), 0.35
    if len(value) > 1 and ("%d" in value and "%m" in value):
        yield value.replace("%d", "\0").replace("%m", "%d").replace("\0", "%m"), 0.5


def _nearest(site: Site, value: str | bytes) -> list[str]:
    """Words of the file and of the failing tests that this one may be a misspelling of."""
    if not isinstance(value, str) or not 4 <= len(value) <= 40:
        return []
    pool = [w for w in (*_strings_nearby(site), *site.words) if isinstance(w, str) and w != value]
    return difflib.get_close_matches(value, list(dict.fromkeys(pool)), n=3, cutoff=0.8)


def _strings_nearby(site: Site) -> list[str | bytes]:
    key = ("strings", site.source.path)
    if key not in site.cache:
        found = [n.value for n in ast.walk(site.source.tree)
                 if isinstance(n, ast.Constant) and isinstance(n.value, (str, bytes)) and len(n.value) <= 40
                 and not isinstance(site.source.parents.get(n), ast.Expr)]  # fmt: skip
        site.cache[key] = list(dict.fromkeys(found))[:16]
    strings: list[str | bytes] = site.cache[key]  # type: ignore[assignment]
    return strings
