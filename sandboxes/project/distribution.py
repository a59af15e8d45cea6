"""Makes a tree in a sandbox look installed: import roots, metadata, entry points, scripts.

A project image holds what the repository needs, never the repository: its tree changes with every candidate. So the
tree travels with one hidden folder that the image's Python takes for a site directory, as an editable install would
have: a `.pth` file with the import roots and a `.dist-info` that `importlib.metadata` finds.
"""

from __future__ import annotations

import re

from nightshift.daemon.ports import WORKDIR
from nightshift.sandboxes.project.declared import Declared
from nightshift.sandboxes.project.plan import normal
from nightshift.sandboxes.project.tree import Tree, at, table

FOLDER = ".nightshift-project"
SITE, SCRIPTS = f"{WORKDIR}/{FOLDER}", f"{WORKDIR}/{FOLDER}/bin"
_ASSIGNED = re.compile(r"""^(?:__version__|version|VERSION)\s*(?::\s*\w+\s*)?=\s*['"]([^'"\n]+)['"]""", re.MULTILINE)
_SCRIPT = """#!/bin/sh
exec python -c 'import sys; sys.argv[0] = "{name}"; from {module} import {first}; sys.exit({call}())' "$@"
"""
_VERSION_FILES = ("_version.py", "version.py", "__about__.py", "__init__.py")
_POINT = re.compile(r"^([\w.-]+)\s*=\s*([\w.]+)\s*:\s*([\w.]+)\s*(?:\[.*\])?$")


def files_of(tree: Tree, said: Declared) -> dict[str, str]:
    """The hidden folder's files, by path in the tree."""
    roots = "".join(f"{WORKDIR}/{root}".rstrip("/") + "\n" for root in _roots(tree, said))
    made = {f"{FOLDER}/project.pth": roots}
    if said.name:
        made |= _metadata(tree, said)
    for line in said.points.get("console_scripts", ()):
        if found := _POINT.match(line):
            name, module, attribute = found.groups()
            text = _SCRIPT.format(name=name, module=module, first=attribute.partition(".")[0], call=attribute)
            made[f"{FOLDER}/bin/{name}"] = text
    return made


def _roots(tree: Tree, said: Declared) -> tuple[str, ...]:
    source = any(path.startswith("src/") and path.endswith(".py") for path in tree.names)
    package = "src/__init__.py" in tree.names
    return tuple(dict.fromkeys([*said.roots, *(["src"] if source and not package else []), ""]))


def _metadata(tree: Tree, said: Declared) -> dict[str, str]:
    version = said.version or _version(tree, said)
    folder = f"{FOLDER}/{normal(said.name).replace('-', '_')}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {line}\n" for line in said.required if "\n" not in line)
    points = "".join(f"[{group}]\n" + "".join(f"{line}\n" for line in lines) + "\n"
                     for group, lines in said.points.items())  # fmt: skip
    return {
        f"{folder}/METADATA": f"Metadata-Version: 2.1\nName: {said.name}\nVersion: {version}\n{needs}",
        f"{folder}/INSTALLER": "nightshift\n",
        f"{folder}/RECORD": "",
        f"{folder}/entry_points.txt": points,
    }


def _version(tree: Tree, said: Declared) -> str:
    """A version that the build would have computed: from the file that is named for it, else from a usual one."""
    name = normal(said.name).replace("-", "_")
    homes = [f"{root}/{name}".strip("/") for root in _roots(tree, said)]
    usual = [
        f"{home}/{file}" for home in homes for file in ("_version.py", "version.py", "__about__.py", "__init__.py")
    ]
    for path in [*_named(tree), *usual, *(f"{home}.py" for home in homes)]:
        if found := _ASSIGNED.search(tree.text(path)):
            return re.sub(r"[^\w.+!]", "", found[1]) or "0"
    plain = next((tree.text(path).strip() for path in ("VERSION", "VERSION.txt") if path in tree.names), "")
    return plain if re.fullmatch(r"[\w.+!]+", plain) else "0"


def _named(tree: Tree) -> list[str]:
    data = tree.toml("pyproject.toml")
    attribute = at(data, "tool", "setuptools", "dynamic", "version", "attr") or tree.ini("setup.cfg").get(
        "metadata", {}
    ).get("version", "").removeprefix("attr:")
    module = str(attribute or "").strip().rpartition(".")[0].replace(".", "/")
    written = table(data, "tool", "hatch", "version").get("path")
    found = [f"{root}{module}{end}" for root in ("", "src/") for end in (".py", "/__init__.py")] if module else []
    return [*found, *([written] if isinstance(written, str) else [])]
