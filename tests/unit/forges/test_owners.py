"""CODEOWNERS: patterns as the forges read them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightshift.daemon.forges.owners import owners_by_regex, owners_of, parsed


@pytest.mark.parametrize(
    ("pattern", "fits", "misses"),
    [
        ("*", ["a.py", "deep/down/a.py"], []),
        ("*.js", ["a.js", "x/y/a.js"], ["a.jsx", "a.py"]),
        ("/build/logs/", ["build/logs/a", "build/logs/b/c"], ["build/logs", "x/build/logs/a", "build/logs.txt"]),
        ("docs/*", ["docs/a.md"], ["docs/sub/a.md", "x/docs/a.md"]),
        ("apps/", ["apps/a", "x/apps/b/c"], ["apps", "xapps/a"]),
        ("/docs/", ["docs/a", "docs/b/c"], ["x/docs/a"]),
        ("**/logs", ["logs/a", "build/logs/a", "logs"], ["mylogs/a"]),
        ("/scripts/deploy.sh", ["scripts/deploy.sh"], ["x/scripts/deploy.sh", "scripts/deploy.sh2"]),
        ("apps/github", ["apps/github", "apps/github/a.py"], ["x/apps/github/a.py", "apps/github2"]),
        ("a/**/z.py", ["a/z.py", "a/b/z.py", "a/b/c/z.py"], ["a/bz.py", "z.py"]),
        ("src/**", ["src/a", "src/a/b"], ["xsrc/a"]),
        ("/src/*.py", ["src/a.py"], ["src/x/a.py"]),
        ("file?.txt", ["file1.txt", "x/fileA.txt"], ["file.txt", "file/1.txt"]),
        ("Makefile", ["Makefile", "sub/Makefile", "Makefile/inside"], ["makefile"]),
        ("a+b(c).py", ["a+b(c).py"], ["aab(c).py"]),
        ("with\\ space.txt", ["with space.txt"], ["with", "space.txt"]),
        ("/", [], ["a", "a/b"]),
    ],
)
def test_patterns(pattern: str, fits: list[str], misses: list[str]) -> None:
    text = f"{pattern} @owner\n"
    assert [path for path in fits if owners_of(text, [path]) != ("owner",)] == []
    assert [path for path in misses if owners_of(text, [path])] == []


def test_the_last_pattern_that_fits_wins_and_may_name_nobody() -> None:
    text = """
    # comment
    *           @everyone
    *.py        @py @acme/backend someone@example.org  # the mail can't be asked
    /vendor/
    """
    assert owners_of(text, ["a.txt"]) == ("everyone",)
    assert owners_of(text, ["a.py"]) == ("py", "acme/backend")
    assert owners_of(text, ["vendor/a.py"]) == ()
    assert owners_of(text, ["a.py", "a.txt", "b.py"]) == ("py", "acme/backend", "everyone")


def test_sections_each_have_winners_and_owners_of_their_own() -> None:
    text = "[Code] @dev\n*.py\nspecial.py @ada\n\n^[Docs][2] @writers\n*.md\n*.py @docs\n"
    assert owners_of(text, ["a.py"]) == ("dev", "docs")
    assert owners_of(text, ["special.py"]) == ("ada", "docs")
    assert owners_of(text, ["a.md"]) == ("writers",)
    assert [rule.section for rule in parsed(text)] == ["code", "code", "docs", "docs"]


def test_regular_expressions_of_gitea_all_count() -> None:
    text = "# code\n.*\\.py @py\nsrc/.* @acme/core\n!docs/.* @nodocs\n(a+)+b @evil\n[unclosed @evil\n"
    assert owners_by_regex(text, ["src/a.py"]) == ("py", "acme/core", "nodocs")
    assert owners_by_regex(text, ["docs/a.md"]) == ()
    assert owners_by_regex(text, ["xsrc/a"]) == ("nodocs",)
    assert "evil" not in owners_by_regex(text, ["aaab"])


@given(st.text(alphabet="a*/?.\\ #@[]!^", max_size=60), st.text(alphabet="ab/.", max_size=300))
@settings(max_examples=300, deadline=None)
def test_no_file_breaks_it(pattern: str, path: str) -> None:
    for text in (f"{pattern} @a", pattern):
        assert set(owners_of(text, [path])) <= {"a"} | set(path)
        assert isinstance(owners_by_regex(text, [path]), tuple)


def test_hostile_patterns_take_no_time() -> None:
    """These would run for hours if tried: the test would not end."""
    path = "/".join(["a" * 40] * 9)
    assert owners_of("*a*a*a*a*a*a*a*a*a*a*a*a*b @x\n" + "**/a/" * 30 + "b @x\n", [path]) == ()
    assert owners_by_regex(r"(a*)*b @x" + "\n" + ".*.*.*.*.*.*.*.*b @x\n", [path]) == ()
    assert owners_of("* @x", ["a" * 5000]) == ()
