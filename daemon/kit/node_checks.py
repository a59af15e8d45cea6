"""Reading a check command of a JavaScript repository: which runner, on which files, after which build?

Like `checks.parse_pytest` for Python: sandboxes and fixers must understand a command in the same way.
"""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass

_ASSIGN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_SHELL = re.compile(r"[|;<>()$`\n#!]|(?<!&)&(?!&)")
_RUNNERS = {"jest": "jest", "vitest": "vitest", "mocha": "mocha", "_mocha": "mocha"}
_LAUNCHERS = ("npx", "pnpx", "bunx")
_VALUED = frozenset({
    "--test-name-pattern", "--test-reporter", "--test-reporter-destination", "--require", "-r", "--import", "--loader",
    "--experimental-loader", "--test-timeout", "--test-concurrency", "--test-skip-pattern", "-C", "--conditions",
})  # fmt: skip
_NAMED = re.compile(r"(?:^|/)(?:test|test-[^/]*|[^/]+[._-]test)\.(?:[cm]?js|[cm]?ts)$")
_IN_FOLDER = re.compile(r"(?:^|/)test/(?:.*/)?[^/]+\.(?:[cm]?js|[cm]?ts)$")
_USUAL = {
    "jest": re.compile(r"(?:(?:^|/)__tests__/.*|(?:^|[./])(?:test|spec))\.[cm]?[jt]sx?$"),
    "vitest": re.compile(r"\.(?:test|spec)\.[cm]?[jt]sx?$"),
    "mocha": re.compile(r"^test/[^/]+\.[cm]?js$"),
}
_DEPTH = 4


@dataclass(frozen=True, kw_only=True)
class NodeCheck:
    """A check that ends in one run of a test runner. `runner`: node-test | node | jest | vitest | mocha.

    `line` is that run as a shell line, `build` what comes before it (joined by ``&&``, '' = nothing); `words` are the
    run's arguments without options, for `node` the script.
    """

    runner: str
    line: str
    build: str = ""
    words: tuple[str, ...] = ()


def scripts_of(package: bytes | None) -> dict[str, str]:
    """The scripts of a package.json; nothing where there is none to be read."""
    try:
        data = json.loads(package or b"{}")
    except ValueError:
        return {}
    found = data.get("scripts") if isinstance(data, dict) else None
    return {str(k): v for k, v in found.items() if isinstance(v, str)} if isinstance(found, dict) else {}


def parse_node(command: str, scripts: Mapping[str, str] | None = None) -> NodeCheck | None:
    """The run a shell line ends in, or None when it is none of a known runner."""
    parts = _expanded(command, scripts or {}, 0)
    if not parts:
        return None
    bare = re.sub(r"'[^']*'|\"[^\"$`\\]*\"", "", parts[-1])
    try:
        words = shlex.split(parts[-1])
    except ValueError:
        return None
    if _SHELL.search(bare):
        return None
    while words and _ASSIGN.match(words[0]):
        words.pop(0)
    found = _runner(words)
    if found is None:
        return None
    runner, rest = found
    return NodeCheck(runner=runner, line=parts[-1], build=" && ".join(parts[:-1]), words=tuple(_plain(rest)))


def _expanded(command: str, scripts: Mapping[str, str], depth: int) -> list[str]:
    """The commands of a line joined by `&&`, package scripts written out."""
    found: list[str] = []
    for part in (p.strip() for p in command.split("&&")):
        name = _script(part)
        inner = scripts.get(name, "") if name else ""
        if inner and depth < _DEPTH:
            before = scripts.get(f"pre{name}", "")
            found += (_expanded(before, scripts, depth + 1) if before else []) + _expanded(inner, scripts, depth + 1)
        elif part:
            found.append(part)
    return found


def _script(part: str) -> str:
    """The package script a command runs without further arguments, or ''."""
    words = [word for word in part.split() if word not in ("--silent", "-s")]
    if len(words) == 2 and words[0] in ("npm", "yarn", "pnpm", "bun"):
        return "test" if words[1] == "t" else words[1]
    return words[2] if len(words) == 3 and words[1] in ("run", "run-script") else ""


def _runner(words: list[str]) -> tuple[str, list[str]] | None:
    if words and words[0] in _LAUNCHERS:
        words = [word for word in words[1:] if word not in ("--no-install", "--yes", "-y")]
    if not words:
        return None
    name = words[0].rpartition("/")[2]
    if name in _RUNNERS:
        return _RUNNERS[name], words[1:]
    if name != "node":
        return None
    plain = _plain(words[1:])
    if plain and (inner := re.search(r"(?:^|/)(jest|vitest|mocha|_mocha)(?:\.m?js)?$", plain[0])):
        return _RUNNERS[inner[1]], words[words.index(plain[0]) + 1 :]
    if "--test" in words:
        return "node-test", words[1:]
    return ("node", words[1:]) if plain and "-e" not in words and "-p" not in words else None


def _plain(words: list[str]) -> list[str]:
    found, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word in _VALUED:
            skip = True
        elif not word.startswith("-"):
            found.append(word.removeprefix("./"))
    return found


def files_of(check: NodeCheck, tree: Collection[str]) -> list[str]:
    """Files of the tree that a run runs, as its runner looks for them where no configuration says otherwise."""
    own = [path for path in sorted(tree) if "node_modules/" not in path]
    if check.runner in _USUAL:
        usual = [path for path in own if _USUAL[check.runner].search(path)]
        named = [word.rstrip("/") for word in check.words if word not in ("run", "watch")]
        mocha = check.runner == "mocha" and named
        return [
            path for path in (own if mocha else usual) if not named or any(_meant(w, path) or w in path for w in named)
        ]
    if check.runner == "node":
        return [path for path in own if path == (check.words or ("",))[0]]
    if not check.words:
        return [path for path in own if _NAMED.search(path) or _IN_FOLDER.search(path)]
    found = dict.fromkeys(path for word in check.words for path in own if _meant(word.rstrip("/"), path))
    return list(found)


def _meant(word: str, path: str) -> bool:
    if path == word:
        return True
    if path.startswith(f"{word}/") or word == ".":
        return bool(re.search(r"\.[cm]?[jt]s$", path)) and (
            bool(_NAMED.search(path)) or bool(_IN_FOLDER.search(path)) or "/" in word
        )
    return any(sign in word for sign in "*?[") and fnmatch.fnmatchcase(path, word.replace("**/", "*"))
