"""What a patch may touch: settings of the first gate, with the defaults that no service should have to write down."""

from __future__ import annotations

import unicodedata
from fnmatch import fnmatchcase

from pydantic import BaseModel, ConfigDict, Field

CI = (
    ".github/*", ".gitlab/*", ".gitlab-ci*", ".circleci/*", ".travis*", "azure-pipelines*", ".azure*/*", "jenkinsfile*",
    ".drone*", ".woodpecker*", "bitbucket-pipelines*", "appveyor*", ".appveyor*", ".ci/*", ".buildkite/*", "noxfile.py",
    ".pre-commit-config.yaml", ".pre-commit-hooks.yaml", "makefile", "justfile", "taskfile.y*ml", ".cirrus*",
    "dagger.json", ".teamcity/*", "codeowners",
)  # fmt: skip
HOOKS = (".git", ".git/*", ".githooks/*", ".husky/*", ".gitmodules", ".gitattributes", ".gitignore", ".lefthook*",
         "lefthook*")  # fmt: skip
SECRETS = (
    ".env", ".env.*", "*.env", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.kdbx", "id_rsa*", "id_ed25519*",
    ".netrc", ".npmrc", ".pypirc", ".htpasswd", "secrets/*", "*secret*.y*ml", "*secret*.json", "*secret*.toml",
    "*secret*.ini", "credentials", "credentials.json", "credentials.y*ml", "credentials.ini", "credentials.toml",
    ".aws/*", ".ssh/*", ".kube/*",
)  # fmt: skip
DEPENDENCIES = (
    "requirements*.txt", "requirements*.in", "requirements/*", "constraints*.txt", "*.lock", "*.lock.json",
    "package.json", "package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "pipfile", "environment.y*ml",
    "go.mod", "go.sum", "cargo.toml", "gemfile", "composer.json", "pom.xml", "build.gradle*", "setup.py",
    "pyproject.toml", "setup.cfg", "node_modules/*",
)  # fmt: skip
TEST_SETUP = ("conftest.py", "pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml", "tox.ini", ".coveragerc",
              "nightshift.y*ml")  # fmt: skip
LOADED_BY_PYTHON = ("sitecustomize.py", "usercustomize.py", "sitecustomize/*", "usercustomize/*", "*.pth", "*.pyc",
                    "*.pyo", "*.so", "*.pyd", "*.dll", "*.dylib", "*.exe", "*.egg-link", "__pycache__/*",
                    "pyvenv.cfg")  # fmt: skip
JAVASCRIPT_SETUP = (
    "tsconfig*.json", "jsconfig*.json", "jest.config.*", "jest.setup.*", "vitest.config.*", "vitest.workspace.*",
    "vite.config.*", ".mocharc*", "babel.config.*", ".babelrc*", ".swcrc", "karma.conf.*", "ava.config.*", ".taprc",
    ".nycrc*", ".c8rc*", "deno.json*", "bunfig.toml", "*.node", "*.wasm", ".pnp.*", ".yarn/*", ".yarnrc*",
    "setuptests.*",
)  # fmt: skip


class PatchPolicy(BaseModel):
    """The limits of an automatic patch. Patterns are shell globs on the whole path or any tail of it, caseless."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    allow: tuple[str, ...] = ("*",)
    """A patch may touch only paths that one of these matches."""
    deny: tuple[str, ...] = CI + HOOKS + SECRETS + DEPENDENCIES + TEST_SETUP + LOADED_BY_PYTHON + JAVASCRIPT_SETUP
    """Paths that no patch may touch, whatever `allow` says."""
    tests: tuple[str, ...] = ("test_*.py", "*_test.py", "tests.py", "tests/*", "test/*", "testing/*", "__tests__/*",
                              "spec/*", "*.test.*", "*.spec.*")  # fmt: skip
    """What counts as a test or its data: existing ones may be neither changed nor removed."""
    max_files: int = Field(default=5, ge=1)
    """Files one patch may touch."""
    max_lines: int = Field(default=200, ge=1)
    """Lines one patch may add and remove together."""

    def denied(self, path: str) -> str:
        """The pattern that forbids a path, or ''."""
        return next((glob for glob in self.deny if matches(path, glob)), "")

    def allowed(self, path: str) -> bool:
        """Whether some pattern of `allow` matches."""
        return any(matches(path, glob) for glob in self.allow)

    def is_test(self, path: str) -> bool:
        """Whether a path is a test or a test's data."""
        return any(matches(path, glob) for glob in self.tests)


def folded(path: str) -> str:
    """A path as a caseless, Unicode-normalising file system sees it."""
    return unicodedata.normalize("NFKC", path).casefold()


def matches(path: str, glob: str) -> bool:
    """Whether a glob matches the path or a tail of it that starts at a folder."""
    name, pattern = folded(path), folded(glob)
    return fnmatchcase(name, pattern) or fnmatchcase(name, f"*/{pattern}")
