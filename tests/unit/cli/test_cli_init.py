"""A configuration from what a folder shows, that loads and is never written over."""

import pytest

from nightshift.daemon.cli.init import rendered, scalar
from nightshift.daemon.cli.survey import survey
from nightshift.daemon.config import load_config


def put(root, **files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "my shop"
    root.mkdir()
    return root


@pytest.mark.parametrize(
    ("files", "check", "image"),
    [
        ({"tests/test_a.py": "def test_a(): pass"}, "python -m pytest -q", "host"),
        ({"pytest.ini": ""}, "python -m pytest -q", "host"),
        ({"test_a.py": "import unittest"}, "python -m pytest -q", "host"),
        ({"test_a.py": "import unittest", "venv/bin/python": ""}, "python -m unittest discover", "host"),
        ({"package.json": '{"scripts": {"test": "jest"}}'}, "npm test", "node:22"),
        ({"package.json": '{"scripts": {"test": "echo \\"Error: no test specified\\""}}'}, "", "host"),
        ({"package.json": "[1"}, "", "host"),
        ({"go.mod": "module x"}, "go test ./...", "golang:1"),
        ({"Cargo.toml": ""}, "cargo test", "rust:1"),
        ({"Makefile": "all:\n\ntest: all\n\ttrue\n"}, "make test", "host"),
        ({"readme.txt": ""}, "", "host"),
    ],
)
def test_the_test_command_is_found_and_the_file_loads(root, files, check, image):
    put(root, **files)
    (root / "nightshift.yaml").write_text(rendered(survey(root)))
    (service,) = load_config(root / "nightshift.yaml", environ={}).services
    assert (service.check, service.image, service.name, service.repo) == (check, image, "my-shop", root)


def test_everything_else_that_is_found(root):
    put(root, **{
        "shop/__init__.py": "", "shop/inner/__init__.py": "", "logs/app.log": "", "logs/old.log": "", "error.log": "",
        "compose.yaml": "", "k8s/web.yaml": "kind: Deployment\n", ".git/HEAD": "ref: refs/heads/feature\n",
        ".git/refs/remotes/origin/HEAD": "ref: refs/remotes/origin/trunk\n", "node_modules/x/test_a.py": "",
    })  # fmt: skip
    found = survey(root)
    assert found.branch == "trunk"
    assert found.is_git
    assert found.packages == ("shop",)
    assert found.logs == ("*.log", "logs/*.log")
    assert found.compose == "compose.yaml"
    assert found.manifests == ("k8s/web.yaml",)
    assert found.check == ""
    text = rendered(found)
    (root / "nightshift.yaml").write_text(text)
    (service,) = load_config(root / "nightshift.yaml", environ={}).services
    assert service.logs == (root / "*.log", root / "logs/*.log")
    assert "#   docker: {}" in text
    assert "#   kubernetes: {}" in text


def test_the_branch_of_a_worktree(root, tmp_path):
    put(tmp_path, **{"main/.git/worktrees/w/HEAD": "ref: refs/heads/side\n"})
    put(root, **{".git": f"gitdir: {tmp_path}/main/.git/worktrees/w\n"})
    assert survey(root).branch == "side"


@pytest.mark.parametrize("text", ["yes", "1.5", "a: b", "# x", "", "'", '"', "é\n", "- x", "*.log", "null", "a", "x y"])
def test_any_text_survives_as_a_scalar(text):
    from nightshift.daemon.config.yaml_tree import parse

    assert parse(f"key: {scalar(text)}\n", "x").data == {"key": text}


def test_hostile_file_names_stay_data(root):
    put(root, **{'evil"\nservices: []\n#/x.log': ""})
    (root / "nightshift.yaml").write_text(rendered(survey(root)))
    config = load_config(root / "nightshift.yaml", environ={})
    assert [s.name for s in config.services] == ["my-shop"]


def test_init_writes_once(nightshift, root):
    assert nightshift("init", root).code == 0
    (root / "nightshift.yaml").write_text("# mine\n")
    ran = nightshift("init", root)
    assert (ran.code, ran.out) == (2, "")
    assert "--force" in ran.err
    assert (root / "nightshift.yaml").read_text() == "# mine\n"
    assert nightshift("init", root, "--force").code == 0
    assert "my-shop" in (root / "nightshift.yaml").read_text()


def test_init_prints_without_writing(nightshift, root):
    ran = nightshift("init", root, "--print")
    assert "services:" in ran.out
    assert list(root.iterdir()) == []


def test_init_of_nothing(nightshift):
    assert nightshift("init", "nowhere").err == "nightshift init: no such folder: nowhere\n"
