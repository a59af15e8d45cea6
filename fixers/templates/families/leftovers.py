"""What a loop leaves behind: the last group not handed over, the step that only some of the paths make."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nightshift.fixers.templates import lines
from nightshift.fixers.templates.site import Site, own_nodes
from nightshift.fixers.templates.source import Edit, Function, first_line

_LONGEST = 90
_HANDING = ("append", "add", "extend", "insert", "put", "write", "push", "send", "update", "appendleft")


def edits(site: Site) -> Iterator[Edit]:
    """After a loop, what the loop does when a group is full; at the top or end of a block, a statement of it."""
    node = site.node
    if isinstance(node, (ast.For, ast.AsyncFor, ast.While)) and site.source.function(node) is not None:
        yield from _flush(site, node)
    elif isinstance(node, ast.stmt) and not isinstance(node, (*Function, ast.ClassDef, ast.Import, ast.ImportFrom)):
        yield from _hoist(site, node)
        if isinstance(node, ast.If) and not node.orelse and site.source.loop(node) is not None:
            yield from _otherwise(site, node)


def _otherwise(site: Site, node: ast.If) -> Iterator[Edit]:
    """`else: streak = 0` where the condition counts: what is counted starts again when it does not hold."""
    function = site.source.function(node)
    counted = [n.target.id for n in node.body if isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name)]
    counted += [
        n.value.func.value.id for n in node.body
        if isinstance(n, ast.Expr) and isinstance(n.value, ast.Call) and isinstance(n.value.func, ast.Attribute)
        and isinstance(n.value.func.value, ast.Name)
    ]  # fmt: skip
    for name in dict.fromkeys(counted):
        values = [v for s in own_nodes(function) if (v := _set_to(s, name)) is not None] if function else []
        first = site.text(values[0]) if values else ""
        if first and "\n" not in first:
            for code, weight in ((f"{name} = {first}", 0.32), ("break", 0.2)):
                yield from lines.after(site, node, f"else:\n\t{code}", "insert-assignment", weight)


def _set_to(node: ast.AST, name: str) -> ast.expr | None:
    """What a statement sets a name to, in chains (`a = b = 0`) and pairs (`a, b = 0, 1`) as well."""
    for target in node.targets if isinstance(node, ast.Assign) else []:
        value = node.value  # type: ignore[attr-defined]
        if isinstance(target, ast.Name) and target.id == name:
            return value  # type: ignore[no-any-return]
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            pairs = zip(target.elts, value.elts, strict=False)
            return next((v for t, v in pairs if getattr(t, "id", "") == name), None)
    return None


def _flush(site: Site, loop: ast.For | ast.AsyncFor | ast.While) -> Iterator[Edit]:
    targets = (
        {n.id for n in ast.walk(loop.target) if isinstance(n, ast.Name)} if not isinstance(loop, ast.While) else set()
    )
    for statement in ast.walk(loop):
        given = _handed(statement)
        if given is None or "\n" in (text := site.text(statement)) or len(text) > _LONGEST:
            continue
        names = [n.id for n in ast.walk(given) if isinstance(n, ast.Name)]
        kept = [n for n in dict.fromkeys(names) if n not in targets and _assigned(loop, n)]
        if not kept:
            continue
        own = _own_condition(site, statement, loop, targets)
        whole = _with_its_neighbours(site, statement, text, targets)
        for code in dict.fromkeys([whole, text]):
            yield from _once_more(site, loop, code, own, kept[:2])


def _once_more(
    site: Site, loop: ast.For | ast.AsyncFor | ast.While, code: str, own: str, kept: list[str]
) -> Iterator[Edit]:
    """Code behind the loop: under the condition it has in the loop, where there is something to hand over, always."""
    indented = code.replace("\n", "\n\t")
    if own:
        yield from lines.after(site, loop, f"if {own}:\n\t{indented}", "insert-collect", 0.65)
    for name in kept:
        yield from lines.after(site, loop, f"if {name}:\n\t{indented}", "insert-collect", 0.55)
        if _starts_unset(site, loop, name) and own != f"{name} is not None":
            yield from lines.after(site, loop, f"if {name} is not None:\n\t{indented}", "insert-collect", 0.6)
    yield from lines.after(site, loop, code, "insert-collect", 0.45)


def _with_its_neighbours(site: Site, statement: ast.AST, text: str, targets: set[str]) -> str:
    """A statement with those right below it that hand over what is kept, too: two lists grow together."""
    block = lines.block_of(site, statement) if isinstance(statement, ast.stmt) else []
    found = [text]
    for other in block[block.index(statement) + 1 :] if statement in block else []:
        code, given = site.text(other), _handed(other)
        if given is None or "\n" in code or len(code) > _LONGEST:
            break
        if any(isinstance(n, ast.Name) and n.id in targets for n in ast.walk(given)):
            break
        found.append(code)
    return "\n".join(found)


def _own_condition(site: Site, statement: ast.AST, loop: ast.AST, targets: set[str]) -> str:
    """The innermost condition the statement stands under in the loop, where it makes sense behind the loop."""
    child, parent = statement, site.source.parents.get(statement)
    while parent is not None and parent is not loop:
        if isinstance(parent, ast.If):
            names = {n.id for n in ast.walk(parent.test) if isinstance(n, ast.Name)}
            text = site.text(parent.test)
            return text if child in parent.body and names and not names & targets and "\n" not in text else ""
        child, parent = parent, site.source.parents.get(parent)
    return ""


def _starts_unset(site: Site, loop: ast.stmt, name: str) -> bool:
    """Whether a name is `None` before the loop."""
    function = site.source.function(loop)
    return function is not None and any(
        isinstance(n, ast.Assign) and isinstance(n.value, ast.Constant) and n.value.value is None
        and n.lineno < loop.lineno and any(getattr(t, "id", "") == name for t in n.targets)
        for n in own_nodes(function)
    )  # fmt: skip


def _handed(node: ast.AST) -> ast.AST | None:
    """What a simple statement hands over: the arguments of `x.append(…)`, the value of `x += …` or of a yield."""
    if isinstance(node, ast.AugAssign):
        return node.value
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
        return node
    value = node.value if isinstance(node, ast.Expr) else None
    if isinstance(value, (ast.Yield, ast.YieldFrom)):
        return value
    handing = isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr in _HANDING
    return ast.Tuple(elts=list(value.args)) if handing and isinstance(value, ast.Call) and value.args else None


def _assigned(loop: ast.AST, name: str) -> bool:
    """Whether the loop gives a name a value or changes its object: it carries over to the next round."""
    return any(
        (isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Store))
        or (isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == name)
        for n in ast.walk(loop)
    )


def _hoist(site: Site, node: ast.stmt) -> Iterator[Edit]:
    """A statement moved to the top of its block (a check that came too late), or to its end."""
    block = [s for s in lines.block_of(site, node) if not lines.is_docstring(s)]
    if node not in block or len(block) < 3 or not all(site.source.alone(s) for s in block):
        return
    at = block.index(node)
    own = "".join(lines.raw_lines(site, node))
    start = site.source.starts[first_line(node) - 1]
    if at >= 2 and isinstance(node, (ast.If, ast.Assign, ast.Expr, ast.AugAssign)):
        for rank, to in enumerate([0, *range(at - 2, 0, -1)][:4]):
            top = site.source.starts[first_line(block[to]) - 1]
            text = own + site.source.text[top:start]
            weight = (0.4 if isinstance(node, ast.If) else 0.25) / (1 + 0.2 * rank)
            yield site.edit(top, start + len(own), text, "statement-move", weight, "move the statement further up")
    last = block[-1]
    ends = isinstance(last, (ast.Return, ast.Raise, ast.Continue, ast.Break))
    if at <= len(block) - (4 if ends else 3) and isinstance(node, (ast.Assign, ast.Expr, ast.AugAssign)):
        stop = block[-2] if ends else last
        end = site.source.starts[first_line(stop) - 1] + len("".join(lines.raw_lines(site, stop)))
        text = site.source.text[start + len(own) : end] + own
        if end <= len(site.source.text):
            yield site.edit(start, end, text, "statement-move", 0.2, "move the statement to the end of its block")
