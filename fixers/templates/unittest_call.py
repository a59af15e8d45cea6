"""A check that is one unittest or doctest run, as the pytest run of the same tests: the fast search needs pytest.

Only the search reads it that way; the tester judges with the check as it was given.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterator

from nightshift.daemon.kit.checks import PytestCall

_PYTHON = re.compile(r"(?:.*/)?python(?:3(?:\.\d+)?)?$")
_ASSIGN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_SHELL = re.compile(r"[|&;<>()$`\n\\{}~#!]")
_QUIET = {"-v", "--verbose", "-q", "--quiet", "-f", "--failfast", "-b", "--buffer", "-c", "--catch", "--locals"}
_ONLY_CASES = ("-o", "python_functions=no_function_counts_here", "-o", "python_classes=NoClassCountsHere")


def as_pytest(command: str, tree: Collection[str]) -> PytestCall | None:
    """The pytest call for ``python -m unittest …`` or ``python -m doctest …`` over a tree's paths; None when it is
    anything else."""
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    env = []
    while words and _ASSIGN.match(words[0]):
        name, _, value = words.pop(0).partition("=")
        env.append((name, value))
    if len(words) < 3 or _SHELL.search(command) or not _PYTHON.match(words[0]) or words[1] != "-m":
        return None
    if words[2] == "doctest":
        files = _documents(words[3:], tree)
        return PytestCall(interpreter=(words[0],), args=files, env=tuple(env), module=True) if files else None
    if words[2] != "unittest":
        return None
    args = _arguments([word for word in words[3:] if word not in _QUIET], tree)
    if args is None:
        return None
    return PytestCall(interpreter=(words[0],), args=(*_ONLY_CASES, *args), env=tuple(env), module=True)


def _documents(words: list[str], tree: Collection[str]) -> tuple[str, ...]:
    """Files of doctests for pytest; () when an option changes what they mean."""
    paths = [word.removeprefix("./") for word in words if word not in ("-v", "--verbose", "-f", "--fail-fast")]
    if not paths or any(path not in tree for path in paths):
        return ()
    globs = [f"--doctest-glob={path.rpartition('/')[2]}" for path in paths if not path.endswith(".py")]
    return ("--doctest-modules", *globs, *paths)


def _arguments(words: list[str], tree: Collection[str]) -> list[str] | None:
    if not words or words[0] == "discover":
        return _discovery(words[1:])
    named = [_node(word, tree) for word in words]
    return [node for node in named if node] if all(named) else None


def _discovery(words: list[str]) -> list[str] | None:
    where, pattern = ".", "test*.py"
    rest = iter(words)
    for word in rest:
        if word in ("-s", "--start-directory"):
            where = next(rest, ".")
        elif word in ("-p", "--pattern"):
            pattern = next(rest, pattern)
        elif word in ("-t", "--top-level-directory"):
            next(rest, "")
        elif word.startswith("-"):
            return None
        else:
            where = word
    return ["-o", f"python_files={pattern}", where]


def _node(name: str, tree: Collection[str]) -> str:
    """``tests.test_x.Case.test_y`` as ``tests/test_x.py::Case::test_y``; '' when no file of the tree is meant."""
    if name in tree:
        return name
    return next(_nodes(name.split("."), tree), "") if re.fullmatch(r"[\w.]+", name) else ""


def _nodes(parts: list[str], tree: Collection[str]) -> Iterator[str]:
    for cut in range(len(parts), 0, -1):
        path = "/".join(parts[:cut]) + ".py"
        if path in tree:
            yield "::".join([path, *parts[cut:]])
