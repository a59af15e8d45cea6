import pytest

from nightshift.fixers.model.editable import why_not


@pytest.mark.parametrize("path", ["app.py", "src/shop/basket.py", "contest.py", "latest/attest.py", "lib/a b/ü.js"])
def test_source_files_may_be_edited(path):
    assert why_not(path) == ""


@pytest.mark.parametrize(
    "path",
    [
        "tests/test_app.py", "test_app.py", "app_test.go", "src/app.spec.ts", "TESTS/x.py", "conftest.py",
        "src/Test/java/AppTest.java", ".github/workflows/ci.yml", ".GitHub/workflows/ci.yml", ".gitlab-ci.yml",
        "../outside.py", "/etc/passwd", "a/../../b.py", "a\\..\\b.py", "./app.py", ".git/hooks/pre-commit", ".env",
        "pyproject.toml", "Setup.py", "requirements.txt", "requirements/dev.in", "dev-requirements.txt", "uv.lock",
        "Makefile", "Dockerfile", "sitecustomize.py", "x.pth", "pytest.ini", "package.json",
    ],
)  # fmt: skip
def test_everything_that_is_not_source_is_out_of_bounds(path):
    assert why_not(path)
