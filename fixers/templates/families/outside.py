"""Crashes whose cause is around the code: iterators that end, files that are (not) there, sets changed while read."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nightshift.fixers.templates.site import Clue, Site
from nightshift.fixers.templates.source import Edit
from nightshift.fixers.templates.ways_around import guard

_MAKING = {"makedirs": "exist_ok=True", "mkdir": "exist_ok=True"}
_READING = ("open", "listdir", "scandir", "read_text", "read_bytes", "remove", "unlink", "stat", "getsize")


def exhausted(site: Site, _: Clue) -> Iterator[Edit]:
    """`next(x)` with a default, where nothing may be left."""
    node = site.node
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "next" and len(node.args) == 1:
        argument = node.args[0]
        text = site.text(argument)
        text = text if not isinstance(argument, ast.GeneratorExp) or text.startswith("(") else f"({text})"
        for value in ("None", "0", "''", "[]"):
            yield from site.replace(f"next({text}, {value})", "guard", 1.1 if value == "None" else 0.8)


def changed_meanwhile(site: Site, clue: Clue) -> Iterator[Edit]:
    """A copy to walk over, where the loop changes what it walks over."""
    if "changed" in clue.message and isinstance(site.node, (ast.For, ast.comprehension)):
        yield from site.replace(f"list({site.text(site.node.iter)})", "guard", 1.3, node=site.node.iter)


def no_file(site: Site, _: Clue) -> Iterator[Edit]:
    """Files that are missing, folders that are there already or not yet."""
    node = site.node
    if not isinstance(node, ast.Call):
        return
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    inner = [site.text(a) for a in node.args] + [f"{k.arg}={site.text(k.value)}" for k in node.keywords if k.arg]
    present = {k.arg for k in node.keywords}
    if name in _MAKING and "exist_ok" not in present:
        yield from site.replace(f"{site.text(node.func)}({', '.join([*inner, 'exist_ok=True'])})", "guard", 1.2)
    if name == "mkdir" and isinstance(node.func, ast.Attribute) and "parents" not in present:
        both = [*inner, "parents=True"] + (["exist_ok=True"] if "exist_ok" not in present else [])
        yield from site.replace(f"{site.text(node.func)}({', '.join(both)})", "guard", 1.1)
    if name == "unlink" and "missing_ok" not in present and isinstance(node.func, ast.Attribute):
        yield from site.replace(f"{site.text(node.func)}({', '.join([*inner, 'missing_ok=True'])})", "guard", 1.2)
    if name in _READING:
        yield from _unless_there(site, node, name)


def _unless_there(site: Site, node: ast.Call, name: str) -> Iterator[Edit]:
    if isinstance(node.func, ast.Attribute) and name in ("open", "read_text", "read_bytes", "unlink", "stat"):
        yield from guard(site, f"not {site.text(node.func.value)}.exists()", 1.0)
    elif node.args and any(isinstance(n, ast.Import) and n.names[0].name == "os" for n in site.source.tree.body):
        yield from guard(site, f"not os.path.exists({site.text(node.args[0])})", 1.0)
