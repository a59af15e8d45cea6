"""A check that can't start where nothing is installed, as the one that can: its tests are the same.

Two things stop the tests of many repositories outside of their authors' environments: options of measuring plugins
(coverage, parallel runs) in pytest's configuration, and a `src` layout that was never installed. The tester judges
with the adapted command too, so red and green mean the same.
"""

from __future__ import annotations

import configparser
import re
import shlex
import tomllib
from collections.abc import Callable, Collection, Mapping
from typing import Any

from nightshift.daemon.kit.checks import parse_pytest
from nightshift.sandboxes.harness import TestRun

Read = Callable[[str], bytes | None]

_REFUSED = re.compile(r"error: unrecognized arguments: (.*)")
_NO_MODULE = re.compile(r"No module named '([\w.]+)'")
_FILES = (
    ("pytest.toml", "toml:pytest"), (".pytest.toml", "toml:pytest"),
    ("pytest.ini", "pytest"), (".pytest.ini", "pytest"), ("pyproject.toml", "toml:tool.pytest"),
    ("pyproject.toml", "toml:tool.pytest.ini_options"), ("tox.ini", "pytest"), ("setup.cfg", "tool:pytest"),
)  # fmt: skip
_ROOTS = ("src", "lib")


def adapted(command: str, run: TestRun, tree: Collection[str], read: Read) -> str:
    """The command to try instead after `run`, or '' when there is nothing to adapt. `read` gives a file at base."""
    if refused := _REFUSED.search(run.tail):
        return _without(command, shlex.split(refused[1].replace("'", "").replace('"', "")), read)
    names = [f.missing for f in run.failures.values()] + _NO_MODULE.findall(run.tail)
    root = next((r for r in _ROOTS for name in names if _lies_in(name.partition(".")[0], r, tree)), "")
    if not root or "PYTHONPATH" in command:
        return ""
    assigned = f"PYTHONPATH={root}"
    one_call = parse_pytest(command) or re.fullmatch(r"[\w./-]*\bpython[^;&|]*", command)
    return f"{assigned} {command}" if one_call else f"export {assigned}; {command}"


def _lies_in(name: str, root: str, tree: Collection[str]) -> bool:
    return bool(name) and (f"{root}/{name}.py" in tree or any(p.startswith(f"{root}/{name}/") for p in tree))


def _without(command: str, refused: list[str], read: Read) -> str:
    """With the configured options less the refused ones, if it was the configuration that brought them."""
    if parse_pytest(command) is None or any(word in shlex.split(command) for word in refused) or "addopts" in command:
        return ""
    words = next((w for w in (_configured(read, *where) for where in _FILES) if w), [])
    kept, dropped = [], False
    for word in words:
        if word in refused:
            dropped = "=" not in word
        elif not (dropped and not word.startswith("-")):
            kept.append(word)
            dropped = False
        else:
            dropped = False
    if len(kept) == len(words):
        return ""
    option = "addopts=" + " ".join(shlex.quote(word) for word in kept)
    return f"{command} -o {shlex.quote(option)}"


def _configured(read: Read, path: str, section: str) -> list[str]:
    """The words of `addopts` in one configuration file; [] when it says nothing that can be read."""
    data = read(path)
    if data is None:
        return []
    text = data.decode("utf-8", "replace")
    try:
        found = _toml(text, section[5:]) if section.startswith("toml:") else _ini(text, section)
        return list(found) if isinstance(found, list) else shlex.split(found)
    except (tomllib.TOMLDecodeError, configparser.Error, ValueError):
        return []


def _toml(text: str, section: str) -> Any:
    here: Any = tomllib.loads(text)
    for name in section.split("."):
        here = here.get(name, {}) if isinstance(here, Mapping) else {}
    return here.get("addopts", "") if isinstance(here, Mapping) else ""


def _ini(text: str, section: str) -> str:
    parser = configparser.RawConfigParser(strict=False)
    parser.read_string(text)
    return parser.get(section, "addopts", fallback="")
