"""Reading a check command: is it pytest, and if so with which interpreter, arguments and environment?"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection
from dataclasses import dataclass

_PYTHON = re.compile(r"(?:.*/)?python(?:3(?:\.\d+)?)?$")
_PYTEST = re.compile(r"(?:.*/)?(?:pytest|py\.test)$")
_ASSIGN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_SHELL = re.compile(r"[|&;<>()$`\n*?\[\]{}~#!]")


@dataclass(frozen=True, kw_only=True)
class PytestCall:
    """A check that is one pytest run. `args` are what follows `pytest`; `env` the assignments before it.

    `module` says that it was called with ``-m``, which puts the working directory on the import path.
    """

    interpreter: tuple[str, ...]
    args: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    module: bool = False


def parse_pytest(command: str) -> PytestCall | None:
    """The pytest call a shell line makes, or None when it is anything else (pipes, other programs, scripts).

    Understands ``A=1 python3 -W error -m pytest -q tests`` and ``pytest tests``.
    """
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    bare = re.sub(r"'[^']*'|\"[^\"$`\\]*\"", "", command)
    if not words or _SHELL.search(re.sub(r"(?<=::)[\w:]*\[[\w.:+,/=@-]*\]", "", bare)):
        return None
    env: list[tuple[str, str]] = []
    while words and _ASSIGN.match(words[0]):
        name, _, value = words.pop(0).partition("=")
        env.append((name, value))
    return _call(words, tuple(env))


def _call(words: list[str], env: tuple[tuple[str, str], ...]) -> PytestCall | None:
    if not words:
        return None
    if _PYTEST.match(words[0]):
        return PytestCall(interpreter=("python",), args=tuple(words[1:]), env=env)
    if not _PYTHON.match(words[0]):
        return None
    for at in range(1, len(words) - 1):
        if words[at] == "-m" and words[at + 1] in ("pytest", "py.test"):
            return PytestCall(interpreter=tuple(words[:at]), args=tuple(words[at + 2 :]), env=env, module=True)
        if words[at] == "-" or (not words[at].startswith("-") and words[at - 1] not in ("-W", "-X")):
            return None
    return None


_CHECKING = re.compile(r"(?:^|/)[^/]*(?:check|test|verify|spec)[^/]*$", re.IGNORECASE)


def named_files(command: str, tree: Collection[str]) -> frozenset[str]:
    """Files of the tree that a shell line names and whose names say that they check (``python check.py``).

    They are the check, not what is checked; ``python main.py`` on the other hand may be what has to be healed.
    """
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    plain = {re.sub(r"^\./", "", word.partition("::")[0]) for word in words}
    return frozenset(path for path in plain.intersection(tree) if _CHECKING.search(path))
