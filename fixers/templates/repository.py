"""The repository's own Python files at base: what may be searched and edited, and how an edit becomes a diff."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nightshift.daemon.kit.git import BareRepo
from nightshift.fixers.templates.ranking import Candidate
from nightshift.fixers.templates.source import Source, decode, encode

_MOST_BYTES = 1 << 20
_MOST_FILES = 4000
_MOST_WORDS = 200
_TEST = re.compile(
    r"(?:^|[/_-])(?:tests?|testing|test_?cases?|test_?data|test_?suites?)/|"
    r"(?:^|/)(?:\.[^/]+|site-packages|node_modules|venv|build|dist|migrations)/|"
    r"(?:^|/)(?:test_[^/]*|[^/]*_tests?|tests?|conftest|setup|noxfile|sitecustomize|usercustomize)\.py$"
)
_REGULAR = (0o100644, 0o100755)


@dataclass(frozen=True)
class File:
    """A file that may be edited. `text` keeps line ends and byte order mark."""

    path: str
    text: str
    encoding: str


def editable(path: str) -> bool:
    """Whether a path is product code in Python: not a test, not configuration of tests, nothing vendored or hidden."""
    return path.endswith(".py") and _TEST.search(path) is None


def read_files(repo: BareRepo, base: str, exclude: Iterable[str] = ()) -> dict[str, File]:
    """Editable files of a commit that decode; `exclude` are paths of the reproduction."""
    left_out = set(exclude)
    entries = [e for e in repo.entries(base) if e.mode in _REGULAR and editable(e.path) and e.path not in left_out]
    blobs = repo.blobs(sorted({e.blob for e in entries[:_MOST_FILES]}))
    found = {}
    for entry in entries[:_MOST_FILES]:
        data = blobs[entry.blob]
        if len(data) > _MOST_BYTES:
            continue
        try:
            text, encoding = decode(data)
        except (SyntaxError, UnicodeDecodeError, LookupError):
            continue
        if encode(text, encoding) == data:
            found[entry.path] = File(entry.path, text, encoding)
    return found


def parse(files: Mapping[str, File], paths: Iterable[str]) -> dict[str, Source]:
    """Sources of the files that this interpreter can parse."""
    sources = {}
    for path in paths:
        if path in files:
            try:
                sources[path] = Source(path, files[path].text)
            except (SyntaxError, ValueError, RecursionError):
                continue
    return sources


def diff_of(repo: BareRepo, base: str, files: Mapping[str, File], candidate: Candidate) -> str:
    """The unified diff of a candidate against base, made by git from blobs: CRLF, encodings and missing newlines at
    the end of a file survive. Raises GitError or UnicodeEncodeError."""
    changed: dict[str, bytes] = {}
    for path in dict.fromkeys(e.path for e in candidate.edits):
        text = files[path].text
        for edit in sorted((e for e in candidate.edits if e.path == path), key=lambda e: e.start, reverse=True):
            text = edit.applied(text)
        changed[path] = encode(text, files[path].encoding)
    return repo.diff(base, repo.with_files(base, changed))


def expected_literals(tests: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Literals that tests compare with, as (source text, test function's name or '' for all): what a fix may return."""
    found: dict[str, None] = {}
    for text, name in tests:
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError):
            continue
        for function in ast.walk(tree):
            if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)) and name in ("", function.name):
                found.update(dict.fromkeys(_compared(function)))
    return tuple(found)[:8]


def words_of(tests: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Short strings that the files of failing tests write anywhere: keys and names that data really have, of one and
    two letters only what is a key of a display; those come last."""
    found: dict[str, None] = {}
    brief: dict[str, None] = {}
    for text in dict.fromkeys(text for text, _ in tests):
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and 3 <= len(node.value) <= 40:
                found.setdefault(node.value)
            elif isinstance(node, ast.keyword) and node.arg:
                found.setdefault(node.arg)
            elif isinstance(node, ast.Dict):
                keys = (k.value for k in node.keys if isinstance(k, ast.Constant))
                brief.update(dict.fromkeys(k for k in keys if isinstance(k, str) and 0 < len(k) < 3))
    return (*found, *brief)[:_MOST_WORDS]


def _compared(function: ast.AST) -> Iterable[str]:
    for node in ast.walk(function):
        values: list[ast.expr] = []
        if isinstance(node, ast.Compare):
            values = [node.left, *node.comparators]
        elif (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr.startswith("assert")
        ):
            values = list(node.args)
        for value in values:
            try:
                literal = repr(ast.literal_eval(value))
            except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                continue
            if len(literal) <= 40:
                yield literal
