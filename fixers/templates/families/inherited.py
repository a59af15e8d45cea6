"""A method that takes the place of its base's and forgets to call it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nightshift.fixers.templates import lines
from nightshift.fixers.templates.site import Site
from nightshift.fixers.templates.source import Edit, Function

TEMPLATE = "insert-super"


def edits(site: Site) -> Iterator[Edit]:
    """`super().m(…)` at the top of an overriding method, or after its last statement where that does not jump."""
    node, method = site.node, site.parent
    owner = site.source.parents.get(method) if isinstance(method, Function) else None
    if not isinstance(node, ast.stmt) or not isinstance(method, Function) or not isinstance(owner, ast.ClassDef):
        return
    body = [s for s in method.body if not lines.is_docstring(s)]
    if node not in (*body[:1], *body[-1:]) or not owner.bases or method.decorator_list:
        return
    if any(isinstance(n, ast.Name) and n.id == "super" for n in ast.walk(method)):
        return
    over = _overridden(site, owner, method.name)
    if over is None and (method.name != "__init__" or _known_bases(site, owner)):
        return
    weight = 0.9 if method.name == "__init__" else 0.3
    for rank, given in enumerate(_arguments(method, over)):
        code, fade = f"super().{method.name}({given})", 1 + 0.3 * rank
        if node is body[0]:
            yield from lines.before(site, node, code, TEMPLATE, weight / fade)
        if node is body[-1] and not isinstance(node, (ast.Return, ast.Raise)):
            yield from lines.after(site, node, code, TEMPLATE, 0.6 * weight / fade)


def _classes(site: Site) -> dict[str, ast.ClassDef]:
    if "classes" not in site.cache:
        site.cache["classes"] = {n.name: n for n in ast.walk(site.source.tree) if isinstance(n, ast.ClassDef)}
    found: dict[str, ast.ClassDef] = site.cache["classes"]  # type: ignore[assignment]
    return found


def _known_bases(site: Site, owner: ast.ClassDef) -> bool:
    """Whether every base is a class of this file: then it is known what they define."""
    return all(getattr(b, "id", "") in _classes(site) for b in owner.bases)


def _overridden(
    site: Site, owner: ast.ClassDef, name: str, depth: int = 0
) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The method of a base in this file that one of the class takes the place of."""
    for base in owner.bases if depth < 5 else []:
        above = _classes(site).get(getattr(base, "id", ""))
        if above is None or above is owner:
            continue
        found = next((s for s in above.body if isinstance(s, Function) and s.name == name), None)
        found = found or _overridden(site, above, name, depth + 1)
        if found is not None:
            return found
    return None


def _arguments(
    method: ast.FunctionDef | ast.AsyncFunctionDef, over: ast.FunctionDef | ast.AsyncFunctionDef | None
) -> list[str]:
    """What may be handed on: what both know by name; for a base elsewhere nothing, or everything."""
    mine = [a.arg for a in method.args.args[1:]]
    if over is None:
        return list(dict.fromkeys(["", ", ".join(mine)]))
    theirs = [a.arg for a in over.args.args[1:]]
    required = theirs[: len(theirs) - len(over.args.defaults)]
    shared = [n for n in theirs if n in mine]
    if all(n in mine for n in required):
        return [", ".join(n if theirs.index(n) == at else f"{n}={n}" for at, n in enumerate(shared))]
    return [", ".join(mine[: len(required)])] if len(mine) >= len(required) else []
