"""Statements missing, misplaced or too many: collectors, returns, guards before a step, swapped or dedented blocks."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nightshift.fixers.templates import lines
from nightshift.fixers.templates.families.conditions import ingredients
from nightshift.fixers.templates.site import Site, local_names, own_nodes
from nightshift.fixers.templates.source import Edit, Function
from nightshift.fixers.templates.ways_around import worth_returning

_SIMPLE = (
    ast.Assign,
    ast.AugAssign,
    ast.Expr,
    ast.Return,
    ast.Raise,
    ast.Continue,
    ast.Break,
    ast.AnnAssign,
    ast.Delete,
    ast.Pass,
)
_PLAIN = 4
_COLLECTING = (
    ("{}.append({})", 0.4),
    ("{}.add({})", 0.28),
    ("{} += {}", 0.18),
    ("{}.extend({})", 0.17),
    ("{} = {}", 0.2),
)


def edits(site: Site) -> Iterator[Edit]:
    """Everything that adds, removes, moves or changes whole statements."""
    node = site.node
    if not isinstance(node, ast.stmt) or isinstance(node, (*Function, ast.ClassDef, ast.Import, ast.ImportFrom)):
        return
    if site.source.function(node) is None or lines.is_docstring(node):
        return
    yield from _change(site, node)
    yield from _collect(site, node)
    yield from _insert(site, node)
    yield from _move(site, node)
    yield from _remove(site, node)
    if isinstance(node, ast.If):
        yield from _branches(site, node)
    if isinstance(node, (ast.For, ast.While)):
        yield from _loops(site, node)


def _change(site: Site, node: ast.stmt) -> Iterator[Edit]:
    if isinstance(node, ast.Expr) and not isinstance(node.value, (ast.Yield, ast.Await, ast.YieldFrom)):
        text = site.text(node.value)
        yield from lines.swap_statement(site, node, f"return {text}", "insert-return", 0.55)
        yield from lines.swap_statement(site, node, f"yield {text}", "insert-collect", 0.3)
        yield from lines.swap_statement(site, node, f"yield from {text}", "insert-collect", 0.45)
        yield from lines.swap_statement(site, node, f"await {text}", "await", 0.2)
        if isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
            target = site.text(node.value.func.value)
            yield from lines.swap_statement(site, node, f"{target} = {text}", "insert-assignment", 0.5)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Yield) and node.value.value is not None:
        yield from lines.swap_statement(site, node, f"yield from {site.text(node.value.value)}", "insert-collect", 0.6)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.YieldFrom):
        yield from lines.swap_statement(site, node, f"yield {site.text(node.value.value)}", "insert-collect", 0.5)
    elif isinstance(node, ast.Assign) and len(node.targets) == 1:
        target, value = site.text(node.targets[0]), site.text(node.value)
        for symbol, weight in (("+=", 0.55), ("-=", 0.25), ("*=", 0.3), ("|=", 0.2)):
            yield from lines.swap_statement(site, node, f"{target} {symbol} {value}", "insert-collect", weight)
        yield from lines.swap_statement(site, node, f"return {value}", "insert-return", 0.25)
        if isinstance(node.targets[0], ast.Subscript):
            yield from _gather(site, node, node.targets[0])
            code = f"{site.text(node.targets[0].value)}.setdefault({site.text(node.targets[0].slice)}, {value})"
            yield from lines.swap_statement(site, node, code, "insert-collect", 0.3)
    elif isinstance(node, ast.Continue):
        yield from lines.swap_statement(site, node, "break", "statement", 0.6)
    elif isinstance(node, ast.Break):
        yield from lines.swap_statement(site, node, "continue", "statement", 0.6)
    elif isinstance(node, ast.Return):
        yield from _returns(site, node)


def _gather(site: Site, node: ast.Assign, target: ast.Subscript) -> Iterator[Edit]:
    """`d[k] = [v]` where every value of `k` was to be kept or counted."""
    base, key, value = site.text(target.value), site.text(target.slice), site.text(node.value)
    codes = [(f"{base}.setdefault({key}, []).append({value})", 0.3)]
    if isinstance(node.value, (ast.List, ast.Set)) and len(node.value.elts) == 1:
        method, empty = ("append", "[]") if isinstance(node.value, ast.List) else ("add", "set()")
        codes = [(f"{base}.setdefault({key}, {empty}).{method}({site.text(node.value.elts[0])})", 0.6)]
    elif isinstance(node.value, ast.Constant):
        codes = [(f"{base}[{key}] = {base}.get({key}, 0) + {value}", 0.5)]
    for code, weight in codes:
        yield from lines.swap_statement(site, node, code, "insert-collect", weight)


def _returns(site: Site, node: ast.Return) -> Iterator[Edit]:
    if site.source.loop(node):
        yield from lines.swap_statement(site, node, "continue", "statement", 0.35)
        yield from lines.swap_statement(site, node, "break", "statement", 0.35)
    if node.value is None:
        for value in ("None", "[]", "0", "False", "True", "''"):
            yield from lines.swap_statement(site, node, f"return {value}", "return-value", 0.2)
        return
    for rank, name in enumerate(n for n in local_names(site) if n not in ("self", "cls")):
        if rank < 8:
            yield from site.replace(name, "return-value", 0.3 / (1 + 0.1 * rank), node=node.value)
    for value in ("[]", "0", "None", "False", "True", "''", "-1", "1", "{}", "set()"):
        yield from site.replace(value, "return-value", 0.2, node=node.value)
    if isinstance(node.value, ast.Constant) and isinstance(node.value.value, bool):
        yield from _flags(site, node.value)
    if not isinstance(node.value, (ast.Name, ast.Constant, ast.Tuple)):
        yield from site.replace(f"not {site.text(node.value)}", "condition-negate", 0.45, node=node.value)
    elif isinstance(node.value, ast.Name):
        yield from site.replace(f"not {site.text(node.value)}", "condition-negate", 0.3, node=node.value)
    yield from lines.swap_statement(site, node, f"yield {site.text(node.value)}", "insert-collect", 0.15)


def _flags(site: Site, value: ast.Constant) -> Iterator[Edit]:
    """`return True` where it depends."""
    for rank, name in enumerate(n for n in local_names(site) if n not in ("self", "cls")):
        if rank < 8:
            yield from site.replace(f"not {name}", "return-value", 0.55 / (1 + 0.05 * rank), node=value)
            yield from site.replace(f"bool({name})", "return-value", 0.3 / (1 + 0.05 * rank), node=value)
    for rank, condition in enumerate(ingredients(site)[:16]):
        yield from site.replace(condition, "return-value", 0.3 / (1 + 0.05 * rank), node=value)


def _collectors(site: Site) -> list[str]:
    """Names of the function that collect: assigned an empty container or returned."""
    function = site.source.function(site.node)
    key = ("collectors", function)
    if key not in site.cache:
        found: dict[str, None] = {}
        for node in own_nodes(function) if function else ():
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                value = node.value
                empty = isinstance(value, (ast.List, ast.Set, ast.Dict)) or (
                    isinstance(value, ast.Call) and not value.args
                )
                if empty:
                    found.setdefault(node.targets[0].id)
            elif isinstance(node, ast.Return) and isinstance(node.value, ast.Name):
                found.setdefault(node.value.id)
        site.cache[key] = list(found)
    names: list[str] = site.cache[key]  # type: ignore[assignment]
    return names


def _collect(site: Site, node: ast.stmt) -> Iterator[Edit]:
    if not isinstance(node, (*_SIMPLE, ast.For, ast.While, ast.If)):
        return
    names = [n for n in local_names(site) if n not in ("self", "cls")]
    ends = isinstance(node, (ast.Return, ast.Raise, ast.Continue, ast.Break))
    put = lines.before if ends else lines.after
    for collector in _collectors(site)[:3]:
        for rank, name in enumerate(n for n in reversed(names) if n != collector):
            if rank >= 5:
                break
            fade = 1 / (1 + 0.15 * rank)
            for pattern, weight in _COLLECTING:
                yield from put(site, node, pattern.format(collector, name), "insert-collect", weight * fade)
    if not ends:
        yield from _steps(site, node, names)


def _first_values(site: Site, names: list[str]) -> list[tuple[str, str]]:
    """Names and the simple value each is first given in the function."""
    function = site.source.function(site.node)
    found: dict[str, str] = {}
    for node in own_nodes(function) if function else ():
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in names:
            text = site.text(node.value)
            if len(text) <= 20 and not any(isinstance(n, ast.Name) for n in ast.walk(node.value)):
                found.setdefault(node.targets[0].id, text)
    return list(found.items())


def _steps(site: Site, node: ast.stmt, names: list[str]) -> Iterator[Edit]:
    loop = site.source.loop(node)
    if loop is not None:
        stepped = [n.id for n in ast.walk(loop) if isinstance(n, ast.Name)]
        for name, value in _first_values(site, names):
            if name in stepped and value not in ("0", "[]"):
                yield from lines.after(site, node, f"{name} = {value}", "insert-assignment", 0.3)
        for name in [n for n in names if n in stepped][:6]:
            for code, weight in (
                (f"{name} += 1", 0.3),
                (f"{name} -= 1", 0.22),
                (f"{name} = 0", 0.15),
                (f"{name} = 1", 0.14),
                (f"{name} = []", 0.12),
            ):
                yield from lines.after(site, node, code, "insert-assignment", weight)
        yield from lines.after(site, node, "break", "statement", 0.25)
    for left in names[:5]:
        for right in names[:5]:
            if left != right:
                yield from lines.after(site, node, f"{left} = {right}", "insert-assignment", 0.1)
    if node in lines.block_of(site, node)[-1:]:
        for rank, name in enumerate(reversed(names)):
            if rank < 6:
                yield from lines.after(
                    site, node, f"return {name}", "insert-return", (0.22 if loop else 0.35) / (1 + 0.1 * rank)
                )


def _insert(site: Site, node: ast.stmt) -> Iterator[Edit]:
    """`if condition: return …` (continue, break) before a statement."""
    leaves = [("return " + v, w) for v, w in _values(site)]
    if site.source.loop(node):
        leaves = [("continue", 0.24), ("break", 0.2), *leaves[:6]]
    for rank, condition in enumerate(ingredients(site)[:16]):
        fade = 1 / (1 + 0.08 * rank)
        for leave, weight in leaves[:14]:
            yield from lines.before(site, node, f"if {condition}:\n\t{leave}", "insert-guard", weight * fade)


def _values(site: Site) -> list[tuple[str, float]]:
    function = site.source.function(site.node)
    found: dict[str, float] = {}
    for node in own_nodes(function) if function else ():
        if (
            isinstance(node, ast.Return)
            and node.value is not None
            and isinstance(node.value, (ast.Constant, ast.Name, ast.List, ast.Dict))
        ):
            found.setdefault(site.text(node.value), 0.22)
    for name in [n for n in local_names(site) if n not in ("self", "cls")][:4]:
        found.setdefault(name, 0.17)
    plain = [e for e in site.expected if len(e) <= _PLAIN and function and worth_returning(e, function, site)][:4]
    for value in ("None", "[]", "0", "False", "True", "1", "''", *plain):
        found.setdefault(value, 0.17)
    if function and _answers(function):
        return [(v, w if v in ("True", "False") else 0.5 * w) for v, w in found.items()]
    return list(found.items())


def _answers(function: ast.AST) -> bool:
    """Whether a function says only True or False."""
    values = [n.value for n in own_nodes(function) if isinstance(n, ast.Return)]
    return bool(values) and all(
        isinstance(v, ast.Compare) or (isinstance(v, ast.UnaryOp) and isinstance(v.op, ast.Not))
        or (isinstance(v, ast.Constant) and isinstance(v.value, bool)) for v in values
    )  # fmt: skip


def _move(site: Site, node: ast.stmt) -> Iterator[Edit]:
    block = lines.block_of(site, node)
    at = block.index(node) if node in block else -1
    if 0 <= at < len(block) - 1 and site.source.alone(node) and site.source.alone(block[at + 1]):
        below = block[at + 1]
        start = site.source.starts[node.lineno - 1] if not hasattr(node, "decorator_list") else -1
        jumps = isinstance(below, (ast.Return, ast.Raise, ast.Continue, ast.Break))  # nothing runs behind them
        if start >= 0 and not jumps and not isinstance(below, (*Function, ast.ClassDef)):
            first, second = "".join(lines.raw_lines(site, node)), "".join(lines.raw_lines(site, below))
            gap_start, gap_end = start + len(first), site.source.starts[below.lineno - 1]
            gap = site.source.text[gap_start:gap_end]
            end = gap_end + len(second)
            yield site.edit(start, min(end, len(site.source.text)), second + gap + first, "statement-move", 0.35,
                            "swap the statement with the next one")  # fmt: skip
    if at == len(block) - 1 and at >= 0:
        yield from _dedent(site, node, len(block))


def _dedent(site: Site, node: ast.stmt, size: int) -> Iterator[Edit]:
    """The last statement of a block, moved behind the block; a statement behind a block, moved into it."""
    parent = site.source.parents.get(node)
    own = lines.shifted(site, node, -1)
    if (
        size > 1
        and own
        and isinstance(parent, (ast.For, ast.While, ast.If, ast.With))
        and node.end_lineno == parent.end_lineno
    ):
        start = site.source.starts[node.lineno - 1]
        end = start + len("".join(lines.raw_lines(site, node)))
        yield site.edit(
            start,
            min(end, len(site.source.text)),
            own,
            "statement-move",
            0.5,
            "run the last statement after the block, not in it",
        )


def _remove(site: Site, node: ast.stmt) -> Iterator[Edit]:
    if isinstance(node, _SIMPLE):
        yield from lines.remove(
            site, node, "statement-drop", 0.35 if not isinstance(node, (ast.Return, ast.Raise)) else 0.3
        )
    previous = _previous(site, node)
    if isinstance(previous, (ast.For, ast.While, ast.If, ast.With)) and isinstance(node, _SIMPLE):
        moved = lines.shifted(site, node, 1)
        jumps = isinstance(previous.body[-1], (ast.Return, ast.Raise, ast.Continue, ast.Break))
        if moved and previous.end_lineno == node.lineno - 1 and not previous_else(previous) and not jumps:
            start = site.source.starts[node.lineno - 1]
            end = start + len("".join(lines.raw_lines(site, node)))
            yield site.edit(
                start,
                min(end, len(site.source.text)),
                moved,
                "statement-move",
                0.4,
                "run the statement inside the block above it",
            )


def previous_else(node: ast.stmt) -> bool:
    """Whether a block has an else part, so that indenting what follows lands in that."""
    return bool(getattr(node, "orelse", None))


def _previous(site: Site, node: ast.stmt) -> ast.stmt | None:
    block = lines.block_of(site, node)
    at = block.index(node) if node in block else 0
    return block[at - 1] if at > 0 else None


def _branches(site: Site, node: ast.If) -> Iterator[Edit]:
    if len(node.orelse) == 1 and not isinstance(node.orelse[0], ast.If) and len(node.body) == 1:
        a, b = node.body[0], node.orelse[0]
        (s1, e1), (s2, e2) = site.source.span(a), site.source.span(b)
        text = site.source.text
        yield site.edit(
            s1, e2, text[s2:e2] + text[e1:s2] + text[s1:e1], "branch-swap", 0.5, "swap the branches of the condition"
        )
    if site.text().startswith("elif"):
        start = site.source.span(node)[0]
        yield site.edit(
            start, start + 4, "if", "branch-swap", 0.4, "check the condition also when the one before it held"
        )
    previous = _previous(site, node)
    if (
        isinstance(previous, ast.If)
        and not previous.orelse
        and previous.end_lineno == node.lineno - 1
        and site.source.alone(node)
    ):
        start = site.source.span(node)[0]
        yield site.edit(
            start,
            start + 2,
            "elif",
            "branch-swap",
            0.45,
            "check the condition only when the one before it did not hold",
        )
    if site.text().startswith("if") and site.source.alone(node):
        start = site.source.span(node)[0]
        if not node.orelse:
            yield site.edit(start, start + 2, "while", "statement", 0.35, "repeat while the condition holds")


def _loops(site: Site, node: ast.For | ast.While) -> Iterator[Edit]:
    if isinstance(node, ast.While) and not node.orelse:
        start = site.source.span(node)[0]
        yield site.edit(start, start + 5, "if", "statement", 0.25, "check once instead of repeating")
    if isinstance(node, ast.For) and site.source.exact(node.iter):
        text = site.text(node.iter)
        for new, weight in (
            (f"reversed({text})", 0.35),
            (f"sorted({text})", 0.35),
            (f"list({text})", 0.4),
            (f"set({text})", 0.2),
        ):
            yield from site.replace(new, "wrap", weight, node=node.iter)
        yield from site.replace(f"range(len({text}))", "wrap", 0.15, node=node.iter)
