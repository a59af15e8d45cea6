"""What refuted a patch, as the source of a test module: the next round's creators have to turn it green.

A lesson is run beside the repository's own tests, so it imports what they import and nothing else.
"""

from __future__ import annotations

import ast
import builtins
import doctest
from collections.abc import Sequence
from textwrap import indent

from nightshift.sandboxes.critic.inputs import Input

_HEAD = '"""Made by Nightshift: {what}."""\n\n'


def example_lesson(module: str, source: ast.Module, owner: str, examples: Sequence[doctest.Example], at: int) -> str:
    """A test that holds one docstring example, the ones before it carried out first; '' when it can't be written."""
    kind = _kind(examples[at])
    bound = _bound(source)
    if examples[at].exc_msg is not None and kind not in bound | set(dir(builtins)):
        return ""
    wanted = sorted((_loaded("".join(e.source for e in examples[: at + 1])) | {kind}) & bound)
    before = "".join(example.source for example in examples[:at])
    body = before + _assertion(examples[at])
    imports = f"from {module} import {', '.join(wanted)}\n" if wanted else f"import {module}\n"
    pytest = "import pytest\n\n" if "pytest.raises" in body else ""
    what = f"an example that the docstring of {owner or module} gives"
    text = (
        f"{_HEAD.format(what=what)}{pytest}{imports}\n\ndef test_documented_example() -> None:\n{indent(body, '    ')}"
    )
    return text if _compiles(text) else ""


def call_lesson(call: Input, what: str) -> str:
    """A test that repeats a recorded call; it fails when the call raises."""
    body = indent(f"{call.text}\n", "    ")
    text = f"{_HEAD.format(what=what)}{call.imports.strip()}\n\n\ndef test_recorded_call() -> None:\n{body}"
    return text if call.text and _compiles(text) else ""


def _assertion(example: doctest.Example) -> str:
    """One example as statements."""
    source, want = example.source.strip(), example.want.strip()
    if example.exc_msg is not None:
        return f"with pytest.raises({_kind(example)}):\n{indent(source, '    ')}\n"
    if not want:
        return f"{source}\n"
    plain = not example.options and _is_expression(source)
    source = ast.unparse(ast.parse(source, mode="eval")) if plain else source  # a comment would swallow what follows
    if plain and (value := _literal(want)):
        return f"assert {source} == {value}\n"
    if plain and "\n" not in want:
        return f"assert repr({source}) == {want!r}\n"
    return ""


def _kind(example: doctest.Example) -> str:
    """The name of the exception an example wants, without its module; '' when it wants none."""
    return (example.exc_msg or "").partition(":")[0].strip().rpartition(".")[2]


def _literal(text: str) -> str:
    try:
        return repr(ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return ""


def _is_expression(source: str) -> bool:
    try:
        ast.parse(source, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _compiles(text: str) -> bool:
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(isinstance(node, ast.FunctionDef) for node in module.body)


def _loaded(text: str) -> set[str]:
    try:
        nodes = list(ast.walk(ast.parse(text)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def _bound(module: ast.Module) -> set[str]:
    """Names a module's top level binds."""
    found: set[str] = set()
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        else:
            found |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return found
