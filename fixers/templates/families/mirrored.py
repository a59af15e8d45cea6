"""What is done on one side and forgotten on the other: left and right, low and high, rows and columns."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nightshift.fixers.templates import lines
from nightshift.fixers.templates.site import Site, around, local_names
from nightshift.fixers.templates.source import Edit, Function

_OPPOSITES = (
    "left right", "low high", "lower upper", "lo hi", "first last", "first second", "start end", "start stop",
    "begin end", "row column", "row col", "rows columns", "rows cols", "r c", "x y", "i j", "a b", "p q", "m n",
    "dx dy", "old new", "top bottom", "head tail", "min max", "minimum maximum", "before after", "previous next",
    "prev next", "source target", "src dst", "width height", "even odd", "small large",
    "smaller larger", "less more", "shorter longer", "wins losses", "debit credit", "front back", "open close",
    "inner outer", "lefts rights", "smallest largest", "lowest highest", "added removed", "one other",
    "mine theirs", "up down", "north south", "east west",
)  # fmt: skip
_OTHER: dict[str, list[str]] = {}
for _pair in _OPPOSITES:
    _one, _two = _pair.split()
    _OTHER.setdefault(_one, []).append(_two)
    _OTHER.setdefault(_two, []).append(_one)
_WORD = re.compile(r"(?<![\w.'\"])[A-Za-z_]\w*")
_SIMPLE = (ast.Assign, ast.AugAssign, ast.Expr)
_LONGEST = 90


def opposites(name: str) -> list[str]:
    """Names that would be the other side of a name: `left_top` gives `right_top`."""
    found: list[str] = []
    parts = name.split("_")
    for at, part in enumerate(parts):
        found += ["_".join([*parts[:at], other, *parts[at + 1 :]]) for other in _OTHER.get(part, [])]
    return found


def mirrored(text: str, known: set[str]) -> list[str]:
    """A text with all its names on the other side, as far as those exist; nothing where none does."""
    names = dict.fromkeys(_WORD.findall(text))
    choices = {n: [o for o in opposites(n) if o in known] for n in names}
    if not any(choices.values()):
        return []
    swap = {n: options[0] for n, options in choices.items() if options}
    return [_WORD.sub(lambda m: swap.get(m[0], m[0]), text)]


def edits(site: Site) -> Iterator[Edit]:
    """After a statement its mirror image; the mirrored body, or the other bound, as the missing else part."""
    node = site.node
    if not isinstance(node, ast.stmt) or isinstance(node, (*Function, ast.ClassDef)):
        return
    if site.source.function(node) is None or lines.is_docstring(node):
        return
    if isinstance(node, _SIMPLE) and "\n" not in site.text() and len(site.text()) <= _LONGEST:
        whole = site.source.segment(around(site))
        for text in mirrored(site.text(), set(local_names(site))):
            if text not in whole:
                yield from lines.after(site, node, text, "insert-borrowed", 0.5)
                yield from lines.swap_statement(site, node, text, "target", 0.25)
    if isinstance(node, ast.If) and not node.orelse and site.source.alone(node):
        yield from _otherwise(site, node)


def _otherwise(site: Site, node: ast.If) -> Iterator[Edit]:
    known = set(local_names(site))
    texts = [site.text(s) for s in node.body]
    if all(isinstance(s, _SIMPLE) and "\n" not in t for s, t in zip(node.body, texts, strict=True)):
        turned = [m for t in texts for m in (mirrored(t, known) or [t])[:1]]
        if turned != texts:
            yield from lines.after(
                site, node, "\n".join(["else:", *(f"\t{t}" for t in turned)]), "insert-borrowed", 0.6
            )
    last = node.body[-1]
    if isinstance(last, ast.Assign) and isinstance(last.targets[0], ast.Name):
        names = [n.id for n in ast.walk(last.value) if isinstance(n, ast.Name)]
        targets = [o for o in opposites(last.targets[0].id) if o in known] or [last.targets[0].id]
        for target in targets[:2]:
            for name in names[:2]:
                for value, weight in ((name, 0.5), (f"{name} - 1", 0.45), (f"{name} + 1", 0.3)):
                    code = f"else:\n\t{target} = {value}"
                    yield from lines.after(site, node, code, "insert-assignment", weight)
    elif isinstance(last, ast.AugAssign) and isinstance(last.target, ast.Name):
        value = site.text(last.value)
        for target in [o for o in opposites(last.target.id) if o in known]:
            yield from lines.after(site, node, f"else:\n\t{target} += {value}", "insert-assignment", 0.5)
            yield from lines.after(site, node, f"else:\n\t{target} -= {value}", "insert-assignment", 0.4)
