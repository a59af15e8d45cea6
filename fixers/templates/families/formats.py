"""How values are written out: missing or wrong format specifications in f-strings and % templates."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nightshift.fixers.templates.site import Site
from nightshift.fixers.templates.source import Edit

_SPECS = (
    ("02", 0.5),
    (".2f", 0.45),
    (".1f", 0.35),
    (",", 0.25),
    ("03", 0.2),
    (".0f", 0.25),
    ("04", 0.2),
    ("02x", 0.15),
)
_PERCENT = re.compile(r"%(0?\d*)([dsf])")
_BRACES = re.compile(r"\{(\w*)\}")


def edits(site: Site) -> Iterator[Edit]:
    """Other specifications: those of the same file first."""
    node = site.node
    if isinstance(node, ast.FormattedValue) and site.source.exact(node.value):
        yield from _value(site, node)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and not isinstance(site.parent, ast.JoinedStr):
        yield from _template(site, node.value)


def _value(site: Site, node: ast.FormattedValue) -> Iterator[Edit]:
    at = site.source.span(node.value)[1]
    text = site.source.text
    close = text.find("}", at)
    if close < 0:
        return
    old = text[at:close].strip()
    if not old:
        for spec, weight in _likely(site):
            yield site.edit(at, at, f":{spec}", "format", weight, f"write `{site.text(node.value)}` as `{spec}`")
        yield site.edit(at, at, "!r", "format", 0.2, f"write the repr of `{site.text(node.value)}`")
    elif old.startswith(":") and "{" not in old:
        for spec, weight in [*_varied(old[1:]), *_likely(site), ("", 0.3)]:
            if spec != old[1:]:
                new = f":{spec}" if spec else ""
                note = f"write `{site.text(node.value)}` as `{spec or 'it is'}`"
                yield site.edit(at, close, new, "format", weight, note)
    elif old.startswith("!"):
        yield site.edit(at, close, "", "format", 0.4, f"write `{site.text(node.value)}` as it is")


def _likely(site: Site) -> list[tuple[str, float]]:
    """Specifications of this file's other f-strings, then common ones."""
    key = ("specs", site.source.path)
    if key not in site.cache:
        found: dict[str, float] = {}
        for node in ast.walk(site.source.tree):
            spec = node.format_spec if isinstance(node, ast.FormattedValue) else None
            if isinstance(spec, ast.JoinedStr) and len(spec.values) == 1 and isinstance(spec.values[0], ast.Constant):
                found.setdefault(str(spec.values[0].value), 0.75)
        for text, weight in _SPECS:
            found.setdefault(text, weight)
        site.cache[key] = list(found.items())[:12]
    likely: list[tuple[str, float]] = site.cache[key]  # type: ignore[assignment]
    return likely


def _varied(spec: str) -> Iterator[tuple[str, float]]:
    """A specification with a number one off, the other alignment, with or without zeros."""
    for found in re.finditer(r"\d+", spec):
        for step in (1, -1):
            number = int(found[0]) + step
            if number >= 0:
                zeros = "0" if found[0].startswith("0") and len(found[0]) > 1 else ""
                yield spec[: found.start()] + zeros + str(number) + spec[found.end() :], 0.6
    for old, new in ((">", "<"), ("<", ">"), ("d", "f"), ("f", "d"), ("x", "X"), (",", "_")):
        if old in spec:
            yield spec.replace(old, new, 1), 0.45
    if spec and spec[0].isdigit():
        yield spec.removeprefix("0") if spec[0] == "0" else "0" + spec, 0.55


def _template(site: Site, value: str) -> Iterator[Edit]:
    """`"%d:%d" % …` and `"{}:{}".format(…)`: one place at a time padded or rounded."""
    formats = isinstance(site.parent, ast.BinOp) and isinstance(site.parent.op, ast.Mod) and site.place == "left"
    if formats:
        for found in list(_PERCENT.finditer(value))[:6]:
            for new in ("%02d", "%.2f", "%.1f", "%d", "%s"):
                if new != found[0]:
                    yield from site.replace(repr(value[: found.start()] + new + value[found.end() :]), "format", 0.4)
    elif isinstance(site.parent, ast.Attribute) and site.parent.attr == "format":
        for found in list(_BRACES.finditer(value))[:6]:
            for spec, weight in _likely(site)[:4]:
                new = value[: found.start()] + f"{{{found[1]}:{spec}}}" + value[found.end() :]
                yield from site.replace(repr(new), "format", weight)
