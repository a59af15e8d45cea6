"""Un-bumping single packages in every kind of file: exactly their text goes back, everything else stays."""

from __future__ import annotations

import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.fixers.dependencies.files import packages_changed, readers_of, unbumped


def requirements(**versions: str) -> str:
    rows = ["# made by a compiler\n--index-url https://index.invalid/simple\n\n"]
    for name, version in sorted(versions.items()):
        rows.append(
            f"{name}=={version} \\\n    --hash=sha256:{name}{version}a \\\n    --hash=sha256:{name}{version}b\n"
        )
        rows.append("    # via -r requirements.in\n")
    return "".join(rows)


def uv(**versions: str) -> str:
    rows = ['version = 1\nrequires-python = ">=3.11"\n\n']
    for name, version in sorted(versions.items()):
        rows.append(f'[[package]]\nname = "{name}"\nversion = "{version}"\nsource = {{ registry = "https://i.invalid" }}\n'
                    f'wheels = [\n    {{ url = "https://i.invalid/{name}-{version}.whl", hash = "sha256:{version}" }},\n]\n\n'
                    f'[package.metadata]\nkept = "{version}"\n\n')  # fmt: skip
    return "".join(rows).rstrip("\n") + "\n"


def poetry(**versions: str) -> str:
    rows = ["# This file is generated\n"]
    for name, version in sorted(versions.items()):
        rows.append(f'\n[[package]]\nname = "{name}"\nversion = "{version}"\noptional = false\n\n'
                    f"[package.dependencies]\ninner = \">={version}\"\n")  # fmt: skip
    rows.append('\n[metadata]\nlock-version = "1.1"\ncontent-hash = "abc"\n\n[metadata.files]\n')
    for name, version in sorted(versions.items()):
        rows.append(f'{name} = [\n    {{file = "{name}-{version}.whl", hash = "sha256:{version}"}},\n]\n')
    return "".join(rows)


def pyproject(**versions: str) -> str:
    rows = "".join(
        f"    \"{name}[extra]>={version}; python_version > '3'\",  # why\n" for name, version in versions.items()
    )
    return (f'[build-system]\nrequires = ["setuptools"]\n\n[project]\nname = "shop"\ndependencies = [\n{rows}]\n\n'
            "[tool.pytest.ini_options]\naddopts = \"-q\"\n")  # fmt: skip


def pyproject_in_a_row(**versions: str) -> str:
    row = ", ".join(f'"{name}=={version}"' for name, version in versions.items())
    return f'[project]\nname = "shop"\ndependencies = [{row}]\n\n[dependency-groups]\ndev = ["pytest"]\n'


def pyproject_poetry(**versions: str) -> str:
    rows = "".join(f'{name} = {{version = "^{version}", extras = ["x"]}}\n' for name, version in versions.items())
    return f'[tool.poetry]\nname = "shop"\n\n[tool.poetry.dependencies]\n{rows}\n[tool.other]\nx = 1\n'


def pipfile(**versions: str) -> str:
    return "[packages]\n" + "".join(f'{n} = "=={v}"\n' for n, v in versions.items()) + '\n[requires]\npython = "3"\n'


def pipfile_lock(**versions: str) -> str:
    members = {n: {"hashes": [f"sha256:{v}"], "version": f"=={v}"} for n, v in sorted(versions.items())}
    data = {"_meta": {"hash": {"sha256": "0a"}, "requires": {}}, "default": members, "develop": {}}
    return json.dumps(data, indent=4) + "\n"


def package_json(**versions: str) -> str:
    data = {"name": "shop", "scripts": {"test": "node t.js"}, "dependencies": {n: f"^{v}" for n, v in versions.items()}}
    return json.dumps(data, indent=2) + "\n"


def package_lock(**versions: str) -> str:
    packages = {"": {"name": "shop", "dependencies": {n: f"^{v}" for n, v in versions.items()}}}
    for name, version in versions.items():
        packages[f"node_modules/{name}"] = {"version": version, "integrity": f"sha512-{version}"}
        packages[f"node_modules/z/node_modules/{name}"] = {"version": f"0.{version}"}
    return json.dumps({"lockfileVersion": 3, "packages": packages}, indent=2) + "\n"


FILES = [
    ("requirements.txt", requirements), ("deploy/requirements-prod.txt", requirements), ("uv.lock", uv),
    ("poetry.lock", poetry), ("pyproject.toml", pyproject), ("pyproject.toml", pyproject_in_a_row),
    ("pyproject.toml", pyproject_poetry), ("Pipfile", pipfile), ("Pipfile.lock", pipfile_lock),
    ("package.json", package_json), ("web/package-lock.json", package_lock),
]  # fmt: skip
EVERY = pytest.mark.parametrize(("path", "make"), FILES, ids=[make.__name__ for _, make in FILES])


@EVERY
def test_only_what_is_named_goes_back(path, make) -> None:
    then, now = make(alpha="1.0", beta="1.0", gamma="1.0"), make(alpha="2.0", beta="2.0", gamma="1.0")
    assert packages_changed({path: now}, {path: then}) == ["alpha", "beta"]
    assert unbumped({path: now}, {path: then}, ["beta"]) == {path: make(alpha="2.0", beta="1.0", gamma="1.0")}
    assert unbumped({path: now}, {path: then}, ["alpha", "beta"]) == {path: then}


@EVERY
def test_what_the_bump_brought_goes_and_what_it_took_comes_back(path, make) -> None:
    then, now = make(alpha="1.0", beta="1.0", omega="1.0"), make(alpha="2.0", fresh="1.0", omega="1.0")
    assert packages_changed({path: now}, {path: then}) == ["alpha", "beta", "fresh"]
    assert unbumped({path: now}, {path: then}, ["fresh"]) == {path: make(alpha="2.0", omega="1.0")}
    assert unbumped({path: now}, {path: then}, ["alpha", "beta", "fresh"]) == {path: then}


@EVERY
@given(st.data())
def test_every_line_is_of_one_of_the_two_versions(path, make, data) -> None:
    names = st.sampled_from(["alpha", "beta", "gamma", "delta"])
    versions = st.dictionaries(names, st.sampled_from(["1.0", "2.0"]), min_size=1)
    versions = versions.map(lambda d: {**dict(sorted(d.items())), "omega": "1.0"})
    then, now = make(**data.draw(versions)), make(**data.draw(versions))
    changed = packages_changed({path: now}, {path: then})
    some = data.draw(st.sets(st.sampled_from(changed))) if changed else set()
    made = unbumped({path: now}, {path: then}, sorted(some)).get(path, now)
    if path.endswith((".toml", ".lock", "Pipfile")) and "Pipfile.lock" not in path:
        tomllib.loads(made)
    elif path.endswith((".json", "Pipfile.lock")):
        json.loads(made)
    if make is not pyproject_in_a_row:
        old, new, got = ({line.rstrip(",") for line in text.splitlines()} for text in (then, now, made))
        assert got <= old | new
        assert {line for line in old & new if line.startswith(("#", "-"))} <= got
    left = packages_changed({path: made}, {path: then})
    assert not some & set(left)


def test_a_lock_s_digest_goes_back_only_with_what_it_was_made_from() -> None:
    locks = {v: pipfile_lock(alpha=v, beta=v).replace('"0a"', f'"{v[0]}a"') for v in ("1.0", "2.0")}
    then = {"Pipfile": pipfile(alpha="1.0", beta="1.0"), "Pipfile.lock": locks["1.0"]}
    now = {"Pipfile": pipfile(alpha="2.0", beta="2.0"), "Pipfile.lock": locks["2.0"]}
    assert unbumped(now, then, ["alpha", "beta"]) == then
    assert '"2a"' in unbumped(now, then, ["alpha"])["Pipfile.lock"]


@pytest.mark.parametrize("path", ["node_modules/x/package.json", "vendor/requirements.txt", "setup.py", "notes.txt"])
def test_other_files_say_nothing(path) -> None:
    assert readers_of(path) == ()


@pytest.mark.parametrize(("path", "text"), [
    ("package-lock.json", '{"packages": {"a": '), ("package.json", "[]"), ("Pipfile.lock", ""), ("uv.lock", "[[package]]"),
    ("pyproject.toml", '[project]\ndependencies = [\n"a'), ("requirements.txt", "\\\n\\"), ("poetry.lock", "]]]\x00"),
])  # fmt: skip
def test_broken_files_are_left_alone(path, text) -> None:
    assert unbumped({path: text}, {path: text + "\n"}, ["a"]) == {}
