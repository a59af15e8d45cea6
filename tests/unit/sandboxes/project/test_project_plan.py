"""What a repository's own files ask for, in every way projects write it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pytest

from nightshift.daemon.model import Case
from nightshift.sandboxes.project import files_for, image_for
from nightshift.sandboxes.project.plan import Plan, key_of, plan_of
from nightshift.sandboxes.project.poetry import range_of

Committed = Callable[[Mapping[str, str]], Case]
DIGEST, OTHER = "a" * 64, "b" * 64


def _plan(committed: Committed, files: Mapping[str, str]) -> Plan:
    return plan_of(image_for(committed(files)).recipe)


def test_requirement_files_are_followed_and_their_options_are_not(committed: Committed) -> None:
    made = _plan(committed, {
        "requirements.txt": "--index-url https://evil.example/simple\n-r more/base.txt\nattrs==23.1.0 \\\n"
                            f"    --hash=sha256:{DIGEST} --hash=sha256:{OTHER}\n# a comment\nsix  # another\n"
                            "git+https://example.org/x.git\nthing @ https://example.org/thing.whl\n-e .[fast]\n",
        "more/base.txt": "-c limits.txt\nidna ; python_version >= '3.8'\n-r ../../outside.txt\n",
        "more/limits.txt": "idna<4\n",
        "requirements-dev.txt": "-r requirements.txt\nhypothesis\n",
        "docs/requirements.txt": "sphinx\n",
    })  # fmt: skip
    assert made.required == ("idna ; python_version >= '3.8'", "attrs==23.1.0", "six")
    assert made.wanted == ("hypothesis",)
    assert made.constraints == ("idna<4",)
    assert made.hashes == {"attrs": (DIGEST, OTHER)}
    assert len(made.dropped) == 3
    assert any("git+https" in each for each in made.dropped)
    assert not any("example" in each or "sphinx" in each for each in (*made.required, *made.wanted))


def test_pyproject_groups_and_extras_of_tests_are_wanted_and_others_are_not(committed: Committed) -> None:
    made = _plan(committed, {"pyproject.toml": """
        [project]
        name = "Shop.Front"
        dependencies = ["attrs>=22"]
        [project.optional-dependencies]
        test = ["hypothesis", "shop-front[redis]"]
        redis = ["fakeredis"]
        docs = ["sphinx"]
        [dependency-groups]
        dev = [{include-group = "lint"}, "coverage"]
        lint = ["ruff"]
        docs = ["furo"]
    """})  # fmt: skip
    assert made.required == ("attrs>=22",)
    assert set(made.wanted) == {"hypothesis", "fakeredis", "ruff", "coverage"}


def test_a_uv_lock_pins_and_names_the_allowed_files(committed: Committed) -> None:
    lock = f"""
        version = 1
        [[package]]
        name = "shop"
        source = {{ editable = "." }}
        version = "1"
        [[package]]
        name = "attrs"
        version = "23.1.0"
        source = {{ registry = "https://example.org/simple" }}
        sdist = {{ url = "https://example.org/a.tar.gz", hash = "sha256:{DIGEST}" }}
        wheels = [{{ url = "https://example.org/a.whl", hash = "sha256:{OTHER}" }}]
        [[package]]
        name = "numpy"
        version = "1.0"
        source = {{ registry = "x" }}
        [[package]]
        name = "numpy"
        version = "2.0"
        source = {{ registry = "x" }}
    """
    made = _plan(committed, {"uv.lock": lock, "pyproject.toml": '[project]\nname="shop"\ndependencies=["attrs"]\n'})
    assert made.constraints == ("attrs==23.1.0",)
    assert made.hashes == {"attrs": (DIGEST, OTHER)}


def test_poetry_tables_and_lock(committed: Committed) -> None:
    made = _plan(committed, {
        "pyproject.toml": """
            [tool.poetry]
            name = "shop"
            [tool.poetry.dependencies]
            python = "^3.9"
            attrs = "^23.1"
            six = {version = "*", extras = ["x"], markers = "python_version < '4'"}
            own = {git = "https://example.org/x.git"}
            redis = {version = "^5", optional = true}
            [tool.poetry.group.test.dependencies]
            hypothesis = ">=6"
            [tool.poetry.extras]
            test = ["redis"]
        """,
        "poetry.lock": f'[[package]]\nname="attrs"\nversion="23.2.0"\nfiles=[{{file="a.whl", hash="sha256:{DIGEST}"}}]\n',
    })  # fmt: skip
    assert made.required == ("attrs >=23.1,<24", "six[x] ; python_version < '4'")
    assert set(made.wanted) == {"hypothesis >=6", "redis >=5,<6"}
    assert made.constraints == ("attrs==23.2.0",)
    assert made.hashes == {"attrs": (DIGEST,)}


@pytest.mark.parametrize(
    ("said", "meant"),
    [("^1.2.3", ">=1.2.3,<2"), ("^0.2.3", ">=0.2.3,<0.3"), ("^0.0.3", ">=0.0.3,<0.0.4"), ("~1.2.3", ">=1.2.3,<1.3"),
     ("~1", ">=1,<2"), ("1.2.3", "==1.2.3"), ("1.*", "==1.*"), (">=1,<2", ">=1,<2"), ("*", ""), ("^1 || ^2", ""),
     ("~=1.4", "~=1.4"), ("^0", ">=0,<1")],
)  # fmt: skip
def test_poetry_ranges(said: str, meant: str) -> None:
    assert range_of(said) == meant


def test_setup_py_is_read_and_never_run(committed: Committed) -> None:
    made = committed({"setup.py": """
import os
from setuptools import setup
raise SystemExit("this file was executed")
COMMON = ["attrs"]
setup(name="shop", version="1.2", package_dir={"": "lib"}, install_requires=COMMON + ["six>=1"],
      extras_require={"test": ["hypothesis"], "docs": ["sphinx"]}, tests_require=open("x").read(),
      entry_points={"console_scripts": ["shop = shop.cli:main"]})
"""})  # fmt: skip
    plan = plan_of(image_for(made).recipe)
    assert plan.required == ("attrs", "six>=1")
    assert plan.wanted == ("hypothesis",)
    files = files_for(made)
    assert files[".nightshift-project/project.pth"] == "/sandbox/lib\n/sandbox\n"
    assert "Version: 1.2" in files[".nightshift-project/shop-1.2.dist-info/METADATA"]
    assert "from shop.cli import main" in files[".nightshift-project/bin/shop"]


def test_setup_cfg_and_a_version_kept_in_the_package(committed: Committed) -> None:
    made = committed({
        "setup.cfg": "[metadata]\nname = shop\nversion = attr: shop.__version__\n[options]\ninstall_requires =\n"
                     "    attrs\n    six; python_version < '4'\npackage_dir =\n    = src\n"
                     "[options.extras_require]\ntesting =\n    hypothesis\n"
                     "[options.entry_points]\npytest11 =\n    shop = shop.plugin\n",
        "setup.py": "from setuptools import setup\nsetup()\n",
        "src/shop/__init__.py": "__version__ = '3.1'\n",
    })  # fmt: skip
    plan = plan_of(image_for(made).recipe)
    assert plan.required == ("attrs", "six; python_version < '4'")
    assert plan.wanted == ("hypothesis",)
    files = files_for(made)
    assert files[".nightshift-project/project.pth"].startswith("/sandbox/src\n")
    assert "[pytest11]\nshop = shop.plugin" in files[".nightshift-project/shop-3.1.dist-info/entry_points.txt"]


def test_a_pipfile_lock_speaks_for_itself(committed: Committed) -> None:
    lock = {"default": {"attrs": {"version": "==23.1.0", "hashes": [f"sha256:{DIGEST}"], "markers": "python_version>'3'"}},
            "develop": {"six": {"version": "==1.16.0"}}}  # fmt: skip
    made = _plan(committed, {"Pipfile.lock": json.dumps(lock)})
    assert made.required == ("attrs==23.1.0 ; python_version>'3'",)
    assert made.wanted == ("six==1.16.0",)
    assert made.hashes == {"attrs": (DIGEST,)}


def test_tox_speaks_only_when_nothing_else_does(committed: Committed) -> None:
    tox = "[testenv]\ndeps =\n    hypothesis\n    -rtests.in\n    py38: old\n    {env:X}\n"
    made = _plan(committed, {"tox.ini": tox, "tests.in": "six\n"})
    assert made.wanted == ("hypothesis", "six")
    assert _plan(committed, {"tox.ini": tox, "test-requirements.txt": "attrs\n"}).wanted == ("attrs",)


@pytest.mark.parametrize(
    "files",
    [{"pyproject.toml": "[project\n"}, {"setup.py": "def ("}, {"setup.cfg": "no section"}, {"uv.lock": "[["},
     {"Pipfile.lock": "{"}, {"pyproject.toml": "project = 3\ntool = []"}, {"pyproject.toml": "[project]\nname = 3"},
     {"requirements.txt": "\x00\x01\n=====\n"}, {"Pipfile.lock": '{"default": [1]}'},
     {"poetry.lock": "[[package]]\nname = 1\n"}, {"setup.py": "(" * 3000}, {}],
)  # fmt: skip
def test_what_makes_no_sense_asks_for_nothing(committed: Committed, files: Mapping[str, str]) -> None:
    made = _plan(committed, files)
    assert (made.required, made.wanted) == ((), ())
    assert made.attempts() == (("pytest",),)


def test_the_image_changes_with_what_is_asked_for_and_with_the_interpreter_only(committed: Committed) -> None:
    first = image_for(committed({"requirements.txt": "attrs\n", "a.py": "1\n"})).recipe
    same = image_for(committed({"requirements.txt": "attrs  # why\n", "a.py": "2\n"})).recipe
    other = image_for(committed({"requirements.txt": "attrs==1\n", "a.py": "1\n"})).recipe
    assert key_of(first, "3.11") == key_of(same, "3.11")
    assert len({key_of(first, "3.11"), key_of(other, "3.11"), key_of(first, "3.12")}) == 3


def test_other_images_ask_for_nothing(committed: Committed) -> None:
    case = committed({"requirements.txt": "attrs\n"})
    host = Case(id="c", repo=case.repo, base=case.base)
    assert image_for(host).recipe == ""
    assert files_for(host) == {}


def test_each_tree_has_the_image_of_its_own_lock(committed: Committed) -> None:
    old, new = (committed({"requirements.txt": f"attrs=={version}\n"}) for version in ("22.1.0", "23.1.0"))
    assert image_for(old, new.base).recipe == image_for(new).recipe != image_for(old).recipe
