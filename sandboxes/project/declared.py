"""What a repository declares of itself: requirements, extras, name, version, entry points, from four kinds of files.

Nothing is executed: a `setup.py` is read as a syntax tree, and what it computes is not known.
"""

from __future__ import annotations

import ast
import configparser
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from nightshift.sandboxes.project import poetry, requirements
from nightshift.sandboxes.project.plan import name_of
from nightshift.sandboxes.project.tree import Tree, at, table, words

TEST_GROUPS = ("test", "tests", "testing", "dev", "develop", "development")
Points = dict[str, list[str]]
"""Entry points: group to lines ``name = module:attribute``."""


@dataclass(frozen=True, kw_only=True)
class Declared:
    """One distribution as its files declare it. `version` '' = computed elsewhere; `roots` are import folders."""

    name: str = ""
    version: str = ""
    required: tuple[str, ...] = ()
    extras: dict[str, tuple[str, ...]] = field(default_factory=dict)
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    points: Points = field(default_factory=dict)
    roots: tuple[str, ...] = ()

    def over(self, other: Declared) -> Declared:
        """This, with what it lacks from `other`."""
        return replace(
            self, name=self.name or other.name, version=self.version or other.version,
            required=self.required or other.required, extras=self.extras or other.extras,
            groups=self.groups or other.groups, points=self.points or other.points, roots=self.roots or other.roots,
        )  # fmt: skip

    def tests(self, also: Iterable[str] = ()) -> tuple[str, ...]:
        """The lines of the groups and extras that tests are known to need, and of the extras in `also`."""
        wanted = [line for name, lines in self.groups.items() if name.lower() in TEST_GROUPS for line in lines]
        extras = {*TEST_GROUPS, *also}
        wanted += [line for name, lines in self.extras.items() if name.lower() in extras for line in lines]
        return tuple(self._unfolded(wanted))

    def _unfolded(self, lines: list[str], depth: int = 0) -> list[str]:
        """Lines like ``thisproject[extra]`` replaced by what the extra holds."""
        made = []
        for line in lines:
            own = self.name and name_of(line) == name_of(self.name)
            if own and "[" in line and depth < 5:
                names = line.partition("[")[2].partition("]")[0].split(",")
                inner = [each for name in names for each in self.extras.get(name.strip(), ())]
                made += self._unfolded(inner, depth + 1)
            elif not own:
                made.append(line)
        return made


def declared(tree: Tree) -> Declared:
    """What all files together declare; pyproject.toml wins over setup.cfg, that over setup.py."""
    data = tree.toml("pyproject.toml")
    found = _standard(tree, data).over(_poetry(data)).over(_setup_cfg(tree)).over(_setup_py(tree))
    return replace(found, roots=tuple(dict.fromkeys(root.strip("./") for root in found.roots if ".." not in root)))


def _standard(tree: Tree, data: dict[str, Any]) -> Declared:
    project, dynamic = table(data, "project"), table(data, "tool", "setuptools", "dynamic")
    required = words(project, "dependencies") or _dynamic(tree, at(dynamic, "dependencies", "file"))
    extras = {name: tuple(words(project, "optional-dependencies", name))
              for name in table(project, "optional-dependencies")}  # fmt: skip
    for name, each in table(dynamic, "optional-dependencies").items():
        extras.setdefault(name, tuple(_dynamic(tree, at(each, "file"))))
    points: Points = {"console_scripts": _pairs(table(project, "scripts")) + _pairs(table(project, "gui-scripts"))}
    points |= {group: _pairs(table(project, "entry-points", group)) for group in table(project, "entry-points")}
    return Declared(name=_text(project, "name"), version=_text(project, "version"), required=tuple(required),
                    extras=extras, groups=_groups(data), points=_filled(points), roots=_toml_roots(data))  # fmt: skip


def _dynamic(tree: Tree, files: Any) -> list[str]:
    paths = [files] if isinstance(files, str) else words({"f": files}, "f")
    return requirements.read(tree, paths).lines


def _groups(data: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """PEP 735 groups, inclusions resolved; PDM's and uv's older spellings of the same."""
    groups = table(data, "dependency-groups")
    made = {name: tuple(_group(groups, name, set())) for name in groups}
    for name in table(data, "tool", "pdm", "dev-dependencies"):
        made.setdefault(name, tuple(words(data, "tool", "pdm", "dev-dependencies", name)))
    if old := words(data, "tool", "uv", "dev-dependencies"):
        made.setdefault("dev", tuple(old))
    return made


def _group(groups: dict[str, Any], name: str, seen: set[str]) -> list[str]:
    if name in seen or not isinstance(groups.get(name), list):
        return []
    seen.add(name)
    made: list[str] = []
    for each in groups[name]:
        inner = each.get("include-group") if isinstance(each, dict) else None
        made += _group(groups, inner, seen) if isinstance(inner, str) else [each] if isinstance(each, str) else []
    return made


def _toml_roots(data: dict[str, Any]) -> tuple[str, ...]:
    tool = table(data, "tool")
    where = words(tool, "setuptools", "packages", "find", "where")
    root = at(tool, "setuptools", "package-dir", "") or at(tool, "pdm", "build", "package-dir")
    return (*where, *([root] if isinstance(root, str) else []), *poetry.roots(tool))


def _poetry(data: dict[str, Any]) -> Declared:
    said = table(data, "tool", "poetry")
    points: Points = {"console_scripts": _pairs(table(said, "scripts"))}
    points |= {group: _pairs(table(said, "plugins", group)) for group in table(said, "plugins")}
    return Declared(name=_text(said, "name"), version=_text(said, "version"), required=tuple(poetry.required(said)),
                    extras=poetry.extras(said), groups=poetry.groups(said), points=_filled(points))  # fmt: skip


def _setup_cfg(tree: Tree) -> Declared:
    said = tree.ini("setup.cfg")
    options = said.get("options", {})
    extras = {name: tuple(_rows(text)) for name, text in said.get("options.extras_require", {}).items()}
    points = {group: _rows(text) for group, text in said.get("options.entry_points", {}).items()}
    where = said.get("options.packages.find", {}).get("where", "")
    folder = [row.partition("=")[2].strip() for row in _rows(options.get("package_dir", "")) if row.startswith("=")]
    required = options.get("install_requires", "")
    lines = _dynamic(tree, required[5:].strip()) if required.strip().startswith("file:") else _rows(required)
    version = said.get("metadata", {}).get("version", "")
    tests = tuple(_rows(options.get("tests_require", "")))
    return Declared(name=said.get("metadata", {}).get("name", ""), required=tuple(lines),
                    version="" if ":" in version else version, extras=extras | ({"tests": tests} if tests else {}),
                    points=_filled(points), roots=tuple([where] * bool(where) + folder))  # fmt: skip


def _setup_py(tree: Tree) -> Declared:
    try:
        module = ast.parse(tree.text("setup.py"))
    except (SyntaxError, ValueError, RecursionError):
        return Declared()
    known = {target.id: node.value for node in module.body if isinstance(node, ast.Assign)
             for target in node.targets if isinstance(target, ast.Name)}  # fmt: skip
    calls = [node for node in ast.walk(module) if isinstance(node, ast.Call) and _called(node) == "setup"]
    said = {word.arg: _literal(word.value, known) for call in calls[:1] for word in call.keywords if word.arg}
    extras = {str(name): tuple(_lines(lines)) for name, lines in table(said, "extras_require").items()}
    tests = tuple(_lines(said.get("tests_require")))
    folder = at(said, "package_dir", "")
    return Declared(name=_text(said, "name"), version=_text(said, "version"),
                    required=tuple(_lines(said.get("install_requires"))),
                    extras=extras | ({"tests": tests} if tests else {}), points=_filled(_entry_points(said)),
                    roots=(folder,) if isinstance(folder, str) else ())  # fmt: skip


def _entry_points(said: dict[str, Any]) -> Points:
    points = said.get("entry_points")
    if isinstance(points, dict):
        return {str(group): _lines(lines) for group, lines in points.items()}
    parser = configparser.RawConfigParser(delimiters=("=",))
    try:
        parser.read_string(points if isinstance(points, str) else "")
    except configparser.Error:
        return {}
    return {group: _pairs(dict(parser.items(group))) for group in parser.sections()}


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _literal(node: ast.expr, known: dict[str, ast.expr], depth: int = 0) -> Any:
    """A value written out, directly, through a module's names or as a sum of lists; None when it is computed."""
    if isinstance(node, ast.Name) and node.id in known and depth < 8:
        return _literal(known[node.id], known, depth + 1)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and depth < 8:
        left, right = (_literal(side, known, depth + 1) for side in (node.left, node.right))
        return left + right if type(left) is type(right) and isinstance(left, list | str | tuple) else left or right
    if isinstance(node, ast.Dict):
        pairs = [(_literal(k, known, depth + 1), _literal(v, known, depth + 1))
                 for k, v in zip(node.keys, node.values, strict=True) if k is not None]  # fmt: skip
        return {key: value for key, value in pairs if isinstance(key, str)}
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _lines(value: Any) -> list[str]:
    if isinstance(value, str):
        return _rows(value)
    return [each for each in value if isinstance(each, str)] if isinstance(value, list | tuple) else []


def _rows(text: str) -> list[str]:
    return requirements.logical(text)


def _pairs(said: dict[str, Any]) -> list[str]:
    return [f"{name} = {value}" for name, value in said.items() if isinstance(value, str)]


def _filled(points: Points) -> Points:
    return {group: lines for group, lines in points.items() if lines}


def _text(data: dict[str, Any], key: str) -> str:
    return data[key] if isinstance(data.get(key), str) else ""
