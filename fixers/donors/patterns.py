"""Edit patterns: two small trees with holes, what stood there and what a fix put there.

The algorithm is that of Getafix (Bader et al. 2019), cut down to one level: concrete edits are generalised pairwise by
anti-unification (Plotkin 1970), so that `load(a)` → `await load(a)` and `save(b)` → `await save(b)` become
`f(x)` → `await f(x)`. A hole binds any expression, the same one everywhere.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import log2

_HOLE = re.compile(r"__hole(\d+)__")
_SKIPPED = ("ctx", "kind", "type_comment", "lineno", "col_offset", "end_lineno", "end_col_offset")
_MOST_PAIRED = 120


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """One way to fix. `before` is an expression or a simple statement, `after` what replaces it; `insert` are
    statements that go above `before` instead. `commits` and `paths` say where it was seen, `healed` that it ended an
    incident once."""

    before: ast.AST
    after: ast.AST
    insert: bool = False
    commits: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()
    healed: bool = False
    key: str = field(default="", compare=False)

    @property
    def size(self) -> int:
        """How much of `before` is no hole: the more, the better a match fits."""
        return sum(not _is_hole(n) for n in ast.walk(self.before) if isinstance(n, (ast.expr, ast.stmt)))

    def weight(self, path: str) -> float:
        """How likely a match is the fix meant: seen often, specific, in this file or folder, and one that healed."""
        often = 0.5 + 0.2 * log2(len(self.commits) or 1)
        beside = posixpath.dirname(path) in {posixpath.dirname(other) for other in self.paths}
        near = 1.25 if path in self.paths else 1.1 if beside else 1.0
        return min(often, 1.0) * (0.6 + 0.4 * self.size / (self.size + 2)) * near * (1.2 if self.healed else 1.0)


def hole(number: int) -> ast.Name:
    """A place for any expression."""
    return ast.Name(id=f"__hole{number}__", ctx=ast.Load())


def _is_hole(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and _HOLE.fullmatch(node.id) is not None


def holes(tree: ast.AST) -> set[str]:
    """Names of the holes in a tree."""
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and _is_hole(n)}


def dump(tree: ast.AST) -> str:
    """A tree as text that ignores places and contexts."""
    return re.sub(r", ctx=(Load|Store|Del)\(\)", "", ast.dump(tree))


def abstracted(before: ast.AST, after: ast.AST) -> tuple[ast.AST, ast.AST]:
    """The same edit with a hole for each largest expression that both sides have; names called stay as they are."""
    kept = {dump(n) for n in ast.walk(after) if _may_vary(n)}
    numbers: dict[str, int] = {}
    called = {id(n.func) for t in (before, after) for n in ast.walk(t) if isinstance(n, ast.Call)}

    def abstract(node: ast.AST, top: bool) -> ast.AST:
        text = dump(node)
        if not top and _may_vary(node) and text in kept and id(node) not in called:
            return hole(numbers.setdefault(text, len(numbers)))
        return rebuilt(node, lambda child: abstract(child, False))

    made = abstract(before, True)
    known = dict(numbers)

    def same(node: ast.AST) -> ast.AST:
        text = dump(node)
        if text in known and _may_vary(node) and id(node) not in called:
            return hole(known[text])
        return rebuilt(node, same)

    return made, same(after)


def _may_vary(node: ast.AST) -> bool:
    if isinstance(node, (ast.Starred, ast.Slice, ast.JoinedStr, ast.FormattedValue)):
        return False
    return isinstance(node, ast.expr) and not (isinstance(node, ast.Name) and node.id in ("self", "cls"))


def rebuilt(node: ast.AST, change: Callable[[ast.AST], ast.AST]) -> ast.AST:
    """A copy of a node whose children went through `change`."""
    fields: dict[str, object] = {}
    for name, value in ast.iter_fields(node):
        if isinstance(value, ast.AST) and not isinstance(
            value, (ast.expr_context, ast.operator, ast.cmpop, ast.boolop)
        ):
            fields[name] = change(value)
        elif isinstance(value, list):
            fields[name] = [change(v) if isinstance(v, ast.AST) and not isinstance(v, ast.cmpop) else v for v in value]
        else:
            fields[name] = value
    return type(node)(**fields)


def match(pattern: ast.AST, node: object, found: dict[str, ast.expr]) -> bool:
    """Whether a node is what the pattern says; fills the expressions the holes stand for."""
    if isinstance(pattern, ast.Name) and _is_hole(pattern):
        if not isinstance(node, ast.expr) or isinstance(node, (ast.Starred, ast.Slice, ast.GeneratorExp)):
            return False
        known = found.setdefault(pattern.id, node)
        return known is node or dump(known) == dump(node)
    if type(pattern) is not type(node) or not isinstance(node, ast.AST):
        return False
    fields = [name for name in pattern._fields if name not in _SKIPPED]
    return all(_match_field(getattr(pattern, n, None), getattr(node, n, None), found) for n in fields)


def _match_field(one: object, other: object, found: dict[str, ast.expr]) -> bool:
    if isinstance(one, ast.AST):
        return match(one, other, found)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_match_field(a, b, found) for a, b in zip(one, other, strict=True))
    return type(one) is type(other) and one == other


def generalised(patterns: Sequence[Pattern]) -> list[Pattern]:
    """The patterns and what pairs of them have in common, each once, with everywhere it was seen."""
    pool: dict[str, Pattern] = {}
    for pattern in patterns:
        _add(pool, pattern)
    for one, other in combinations(list(pool.values())[:_MOST_PAIRED], 2):
        common = _common(one, other)
        if common is not None:
            _add(pool, common)
    return sorted(pool.values(), key=lambda p: (-len(p.commits), -p.size, p.key))


def _add(pool: dict[str, Pattern], pattern: Pattern) -> None:
    key = f"{pattern.insert} {dump(pattern.before)} {dump(pattern.after)}"
    old = pool.get(key)
    commits = pattern.commits | (old.commits if old else frozenset())
    paths = pattern.paths | (old.paths if old else frozenset())
    pool[key] = Pattern(before=pattern.before, after=pattern.after, insert=pattern.insert, commits=commits,
                        paths=paths, healed=pattern.healed or bool(old and old.healed), key=key)  # fmt: skip


def _common(one: Pattern, other: Pattern) -> Pattern | None:
    """The anti-unification of two edits; None where nothing but holes is left or the fix would be guesswork."""
    if one.insert != other.insert or type(one.before) is not type(other.before):
        return None
    if type(one.after) is not type(other.after):
        return None
    table: dict[tuple[str, str], ast.Name] = {}
    before = _anti(one.before, other.before, table)
    after = _anti(one.after, other.after, table)
    if before is None or after is None or _is_hole(before) or not holes(after) <= holes(before):
        return None
    if dump(before) == dump(after):
        return None
    return Pattern(before=before, after=after, insert=one.insert, commits=one.commits | other.commits,
                   paths=one.paths | other.paths, healed=one.healed or other.healed)  # fmt: skip


def _anti(one: ast.AST, other: ast.AST, table: dict[tuple[str, str], ast.Name]) -> ast.AST | None:
    texts = (dump(one), dump(other))
    if texts[0] == texts[1] and not holes(one):
        return one
    if type(one) is type(other) and not _is_hole(one):
        fields: dict[str, object] = {}
        for name in one._fields:
            value = _anti_field(getattr(one, name, None), getattr(other, name, None), table)
            if value is _DIFFERENT:
                break
            fields[name] = value
        else:
            return type(one)(**fields)
    if isinstance(one, ast.expr) and isinstance(other, ast.expr):
        return table.setdefault(texts, hole(len(table)))
    return None


_DIFFERENT = object()


def _anti_field(one: object, other: object, table: dict[tuple[str, str], ast.Name]) -> object:
    if isinstance(one, ast.AST) and isinstance(other, ast.AST):
        made = _anti(one, other, table)
        return _DIFFERENT if made is None else made
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        parts = [_anti_field(a, b, table) for a, b in zip(one, other, strict=True)]
        return _DIFFERENT if any(p is _DIFFERENT for p in parts) else parts
    return one if type(one) is type(other) and one == other else _DIFFERENT


def filled(after: ast.AST, texts: Mapping[str, str]) -> str:
    """The new code with the holes' source texts in it, in parentheses where they are needed."""
    code = ast.unparse(ast.fix_missing_locations(after))
    safe = {name: f"({text})" for name, text in texts.items()}
    meant = _tree(_put(code, safe))
    chosen = dict(safe)
    for name, text in texts.items():
        bare = {**chosen, name: text}
        if _tree(_put(code, bare)) == meant:
            chosen = bare
    return _put(code, chosen)


def _put(code: str, texts: Mapping[str, str]) -> str:
    return _HOLE.sub(lambda found: texts.get(found[0], found[0]), code)


def _tree(code: str) -> str:
    try:
        return ast.dump(ast.parse(code))
    except (SyntaxError, ValueError):
        return ""


def proper(pattern: Pattern) -> bool:
    """Whether a pattern can be used at all: something concrete to find, all its holes known."""
    return pattern.size > 0 and not _is_hole(pattern.before) and holes(pattern.after) <= holes(pattern.before)


def statements(after: ast.AST) -> Iterator[ast.stmt]:
    """The statements of a module node, as `after` holds them for inserts."""
    yield from getattr(after, "body", [])
