"""Constructs by which JavaScript could forge a test's result, counted in a file's syntax tree.

As `constructs` does for Python: only what a patch *adds* is held against it. `syntax_error` serves the gate before.
Parsing is done by tree-sitter; where it is not installed nothing can be said, and `NoGrammar` is raised.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from nightshift.daemon.ports import EnvironmentBroke

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

SCRIPTS = (".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx")
_TYPED = (".ts", ".mts", ".cts", ".tsx")
_BYTES = 1 << 20

_MODULES = frozenset({
    "test", "assert", "module", "vm", "v8", "child_process", "worker_threads", "cluster", "inspector", "process",
    "repl",
    "diagnostics_channel", "async_hooks", "perf_hooks", "trace_events", "wasi", "tty", "jest", "vitest", "mocha",
    "chai",
    "expect", "tap", "ava", "sinon", "proxyquire", "rewire", "tape", "uvu", "should", "jasmine", "bun", "esbuild",
    "tsx",
    "ts-node", "timers",
})  # fmt: skip
_PROCESS = frozenset({
    "exit", "exitCode", "reallyExit", "abort", "kill", "on", "once", "addListener", "prependListener", "emit", "stdout",
    "stderr", "_rawDebug", "binding", "_linkedBinding", "dlopen", "mainModule", "argv", "execArgv", "execPath", "chdir",
    "removeAllListeners", "off", "removeListener", "setUncaughtExceptionCaptureCallback", "send", "disconnect", "env",
    "prependOnceListener", "_events", "openStdin", "stdin", "_kill", "_getActiveHandles", "exiting", "_exiting",
    "finalization", "listeners", "rawListeners", "getBuiltinModule", "loadEnvFile", "report",
})  # fmt: skip
_MEMBERS = frozenset({
    "prototype", "__proto__", "constructor", "__defineGetter__", "__defineSetter__", "__lookupGetter__", "caller",
    "callee", "_extensions", "_load", "_compile", "_resolveFilename", "_cache", "registerHooks",
    "syncBuiltinESMExports",
    "prepareStackTrace", "stackTraceLimit", "captureStackTrace", "mainModule", "getBuiltinModule", "createRequire",
    "process", "reallyExit", "exitCode",
})  # fmt: skip
_WRITES = frozenset({
    "writeFile", "writeFileSync", "appendFile", "appendFileSync", "createWriteStream", "writeSync", "openSync",
    "rm", "rmSync", "unlink", "unlinkSync", "rename", "renameSync", "symlink", "symlinkSync", "link", "linkSync",
    "copyFile", "copyFileSync", "cp", "cpSync", "truncateSync", "chmodSync",
})  # fmt: skip
"""Test files are loaded one after the other: what writes files could rewrite those that come later."""
_NAMES = frozenset({
    "eval", "Function", "globalThis", "global", "WebAssembly", "Proxy", "Reflect", "describe", "it", "test", "expect",
    "jest", "vi", "before", "after", "beforeEach", "afterEach", "beforeAll", "afterAll", "suite", "assert", "chai",
    "mocha",
    "Deno", "Bun", "FinalizationRegistry", "SharedArrayBuffer", "Atomics", "setInterval", "process",
})  # fmt: skip
_BUILT_IN = frozenset({
    "Object", "Array", "Function", "String", "Number", "Boolean", "Symbol", "Error", "TypeError", "RangeError",
    "Promise",
    "Map", "Set", "WeakMap", "WeakSet", "Date", "RegExp", "Math", "JSON", "console", "Buffer", "BigInt", "URL", "Intl",
    "setTimeout", "setImmediate", "queueMicrotask", "clearTimeout", "structuredClone", "exports", "module", "require",
})  # fmt: skip
_DEFINING = frozenset({
    "defineProperty", "defineProperties", "setPrototypeOf", "getPrototypeOf", "getOwnPropertyDescriptor",
    "getOwnPropertyNames", "getOwnPropertyDescriptors", "getOwnPropertySymbols",
})  # fmt: skip
_SYMBOLS = frozenset({"toPrimitive", "hasInstance", "species", "unscopables", "toStringTag", "for"})
_STRINGS = re.compile(
    r"node:test|child_process|worker_threads|node:vm|node:module|node_modules|NODE_OPTIONS|NODE_TEST|nightshift|/proc/|"
    r"process\.exit|exitCode|__proto__|assert|TAP version|not ok|\.test\.|jest|vitest|mocha|package\.json"
)


class NoGrammar(EnvironmentBroke):
    """The parser is not installed; the message says what to install."""


def is_script(path: str) -> bool:
    """Whether a path is JavaScript or TypeScript."""
    return path.endswith(SCRIPTS)


@functools.cache
def _parser(extension: str) -> Parser:
    try:
        from tree_sitter import Language, Parser

        if extension not in _TYPED:
            import tree_sitter_javascript

            return Parser(Language(tree_sitter_javascript.language()))
        import tree_sitter_typescript

        typed = (
            tree_sitter_typescript.language_tsx if extension == ".tsx" else tree_sitter_typescript.language_typescript
        )
        return Parser(Language(typed()))
    except ImportError as error:
        raise NoGrammar(f"pip install tree-sitter tree-sitter-javascript tree-sitter-typescript ({error})") from error


def _root(path: str, data: bytes) -> Node:
    return _parser(PurePosixPath(path).suffix).parse(data[:_BYTES]).root_node


def syntax_error(path: str, before: bytes | None, after: bytes) -> str:
    """Where a changed script is no program any more, or ''. What was none before may stay one. Raises NoGrammar."""
    root = _root(path, after)
    if not root.has_error or (before is not None and _root(path, before).has_error):
        return ""
    at = next((n for n in _walk(root, named=False) if n.type == "ERROR" or n.is_missing), root)
    return f"line {at.start_point[0] + 1}"


def introduced(path: str, before: bytes | None, after: bytes) -> list[str]:
    """Suspicious constructs that `after` has more often than `before`, in words. Raises NoGrammar."""
    old = Counter(constructs(_root(path, before))) if before is not None else Counter[str]()
    return sorted((Counter(constructs(_root(path, after))) - old).keys())


def brought(path: str, before: bytes | None, after: bytes) -> list[str]:
    """`introduced` for scripts; nothing for other files."""
    return introduced(path, before, after) if is_script(path) else []


def constructs(root: Node) -> Iterator[str]:
    """Every suspicious construct of a program, once an occurrence."""
    for node in _walk(root):
        kind = node.type
        if kind in ("string", "template_string", "regex"):
            yield from _text_of(node)
        elif kind in ("identifier", "shorthand_property_identifier"):
            if (name := _said(node)) in _NAMES and not _declares(node):
                yield f"use of {name}"
            elif name in ("require", "module") and _handed_on(node):
                yield f"{name} as a value"
        elif kind in ("property_identifier", "private_property_identifier"):
            yield from _member(node)
        elif kind in ("object_pattern", "object_assignment_pattern"):
            yield from _taken_out(node)
        elif kind == "subscript_expression":
            yield from _computed(node)
        elif kind in ("call_expression", "import_statement", "export_statement", "import_require_clause"):
            yield from _imports(node)
        elif kind in ("assignment_expression", "augmented_assignment_expression", "update_expression"):
            yield from _assigned(node)
        elif kind == "with_statement":
            yield f"a {kind.replace('_', ' ')}"


def _walk(node: Node, *, named: bool = True) -> Iterator[Node]:
    todo = [node]
    while todo:
        at = todo.pop()
        yield at
        todo.extend(reversed(at.named_children if named else at.children))


def _said(node: Node | None) -> str:
    """A node's text, escapes in names written out (`pro\\u0063ess`)."""
    text = (node.text or b"").decode("utf-8", "replace") if node is not None else ""
    return re.sub(r"\\u\{([0-9a-fA-F]{1,6})\}|\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})", _unescaped, text)


def _unescaped(found: re.Match[str]) -> str:
    code = int(found[1] or found[2] or found[3], 16)
    return chr(code) if code <= 0x10FFFF else ""


def _text_of(node: Node) -> Iterator[str]:
    text = _said(node)
    yield from (f"the text {match!r}" for match in sorted(set(_STRINGS.findall(text))))
    if (name := text.strip("'\"`")) in _MEMBERS | _DEFINING:
        yield f"the text {name!r}"


def _declares(node: Node) -> bool:
    """Whether a name is only a key, a label or a parameter of the program's own."""
    parent = node.parent
    return (
        parent is not None and parent.type in ("labeled_statement", "pair_pattern") and parent.named_children[0] == node
    )


def _handed_on(node: Node) -> bool:
    """Whether a name stands for itself instead of being called, asked for a member, or tested for being there."""
    parent = node.parent
    if parent is None or parent.type in ("unary_expression", "formal_parameters", "import_specifier"):
        return False
    if parent.type == "call_expression":
        return node != parent.child_by_field_name("function")
    return parent.type != "member_expression" or node != parent.child_by_field_name("object")


def _taken_out(node: Node) -> Iterator[str]:
    """`const { constructor: made } = value`: members by another spelling."""
    for child in node.named_children:
        key = child.child_by_field_name("key") or child.child_by_field_name("left") or child
        name = _said(key).strip("'\"`")
        if key.type == "computed_property_name":
            if any(map(_pieced, key.named_children)):
                yield "a member whose name is put together"
        elif name in _MEMBERS | _DEFINING | _WRITES | {"exit"}:
            yield f"use of .{name}"


def _member(node: Node) -> Iterator[str]:
    name, parent = _said(node), node.parent
    if parent is None or parent.type != "member_expression":
        if name in ("__proto__", "toJSON", "asymmetricMatch", "inspect"):
            yield f"a {name} of its own"
        return
    owner = _said(parent.child_by_field_name("object"))
    if owner.rpartition(".")[2].strip("?() ") == "process" and name in _PROCESS:
        yield f"use of process.{name}"
    if name in _MEMBERS | _DEFINING:
        yield f"use of .{name}"
    if name in _WRITES | {"exit"} and parent.parent is not None and parent.parent.type == "call_expression":
        yield f"use of .{name}"
    if owner == "require" and name in ("call", "apply", "bind"):
        yield "require as a value"
    if owner == "Symbol" and name in _SYMBOLS:
        yield f"use of Symbol.{name}"
    if owner == "require" and name in ("cache", "main", "extensions"):
        yield f"use of require.{name}"
    if owner == "module" and name in ("parent", "children", "constructor", "paths", "require", "_compile"):
        yield f"use of module.{name}"


def _computed(node: Node) -> Iterator[str]:
    """`process['exit']`, `x['con' + 'structor']`: an index that is a text, on something that is no list."""
    owner, index = _said(node.child_by_field_name("object")), node.child_by_field_name("index")
    name = _said(index).strip("'\"`")
    if name in _MEMBERS | _DEFINING or (owner == "process" and index is not None):
        yield f"use of [{name}]"
    elif index is not None and _pieced(index):
        yield "a member whose name is put together"
    elif node.parent is not None and node == node.parent.child_by_field_name("function"):
        yield "a call of a computed member"
    elif owner in _BUILT_IN | _NAMES | {"require", "import"}:
        yield f"a computed member of {owner}"


def _pieced(index: Node) -> bool:
    """Whether a text is put together of texts."""
    if index.type == "template_string":
        return bool(index.named_children)
    return index.type == "binary_expression" and any(n.type in ("string", "template_string") for n in _walk(index))


def _imports(node: Node) -> Iterator[str]:
    if node.type == "call_expression":
        function = node.child_by_field_name("function")
        if function is None or _said(function) not in ("require", "import", "require.resolve"):
            return
        given = node.child_by_field_name("arguments")
        first = given.named_children[0] if given is not None and given.named_children else None
        if first is None or first.type != "string":
            yield "an import of a computed name"
            return
        name = _said(first)[1:-1]
    else:
        source = node.child_by_field_name("source")
        if source is None:
            return
        name = _said(source)[1:-1]
    root = name.removeprefix("node:").partition("/")[0]
    if root in _MODULES or name.startswith(("data:", "file:", "http", "@jest/")):
        yield f"import of {root or name}"


def _assigned(node: Node) -> Iterator[str]:
    """Built-in objects, or parts of them, replaced; exports of other modules written to."""
    target = node.child_by_field_name("left") or node.child_by_field_name("argument")
    if target is None:
        return
    if target.type == "identifier" and _said(target) in _BUILT_IN - {"exports", "module"}:
        yield f"assignment to {_said(target)}"
    if target.type in ("member_expression", "subscript_expression"):
        owner = _said(target.child_by_field_name("object"))
        if owner.partition(".")[0] in _BUILT_IN - {"exports", "module"}:
            yield f"assignment to a member of {owner}"
