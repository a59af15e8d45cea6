"""Which files a model may touch. The tester's policy gate judges again; refusing here saves a sandbox and tells
the model why. Matching is case-insensitive, as some file systems are."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

_TEST_FOLDERS = frozenset({"test", "tests", "testing", "__tests__", "spec", "specs", "e2e"})
_TEST_NAME = re.compile(
    r"(?:test_.*|.*_tests?|conftest|tests?|.*[._-](?:test|spec))\.\w+|.*tests?\.(?:java|cs|kt|scala)"
)
_NAMES = frozenset({
    "setup.py", "setup.cfg", "pyproject.toml", "tox.ini", "pytest.ini", "noxfile.py", "tasks.py", "makefile",
    "dockerfile", "jenkinsfile", "justfile", "procfile", "pipfile", "sitecustomize.py", "usercustomize.py",
    "package.json", "go.mod", "go.sum", "cargo.toml", "gemfile", "build.gradle", "pom.xml", "codeowners",
    "azure-pipelines.yml", "bitbucket-pipelines.yml", "appveyor.yml", "cloudbuild.yaml", "compose.yaml",
    "docker-compose.yml", "docker-compose.yaml",
})  # fmt: skip
_SUFFIXES = frozenset({".lock", ".pth", ".pem", ".key", ".env", ".crt", ".p12", ".ini", ".cfg"})
_REQUIREMENTS = re.compile(r"(?:.*[-_.])?(?:requirements|constraints)(?:[-_.].*)?\.(?:txt|in)")


def why_not(path: str) -> str:
    """Why this path is out of bounds for a model's edit, or '' when it is not. Pure: looks at the name only."""
    pure = PurePosixPath(path.casefold())
    folders, name = pure.parts[:-1], pure.name
    if path.startswith("/") or "\\" in path or any(part in ("..", ".") for part in path.split("/")):
        return "it is not a plain path inside the repository"
    if any(part.startswith(".") for part in pure.parts):
        return "hidden files and folders (CI among them) are out of bounds"
    if _TEST_FOLDERS & set(folders) or _TEST_NAME.fullmatch(name):
        return "tests are out of bounds"
    if name in _NAMES or pure.suffix in _SUFFIXES or _REQUIREMENTS.fullmatch(name) or "requirements" in folders:
        return "build, configuration and dependency files are out of bounds"
    return ""
