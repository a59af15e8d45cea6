"""Answers applied to a real bare repository; the diffs are taken by git itself."""

import pytest

from nightshift.daemon.kit.git import BareRepo
from nightshift.fixers.model.answer import Answer, Edit, Unusable
from nightshift.fixers.model.edits import Limits, change_of
from nightshift.fixers.model.sources import files_of

LOOKUP = "    return PRICES[name]"


@pytest.fixture
def change(shop):
    repo, base = shop

    def make(*edits, limits=None):
        answer = Answer(rationale="r", edits=tuple(Edit(path=p, search=s, replace=r) for p, s, r in edits))
        made = change_of(repo, base, files_of(repo, base), answer, limits or Limits())
        assert repo.apply(base, made.diff) == made.tree
        return made, {path: repo.read(made.tree, path) for path in made.files}

    return make


def test_an_exact_edit_becomes_a_diff_git_takes(change):
    made, after = change(("shop/basket.py", LOOKUP, "    return PRICES.get(name, 0)"))
    assert made.files == ("shop/basket.py",)
    assert "-    return PRICES[name]\n+    return PRICES.get(name, 0)\n" in made.diff
    assert b"PRICES.get(name, 0)\n\n\ndef total" in after["shop/basket.py"]


def test_several_edits_in_several_files(change):
    made, after = change(
        ("shop/basket.py", "'tea': 3", "'tea': 4"),
        ("shop/basket.py", "result = 0", "result = 1"),
        ("shop/trailing.py", "def g(x):", "def g(x, y=0):"),
    )
    assert made.files == ("shop/basket.py", "shop/trailing.py")
    assert b"'tea': 4" in after["shop/basket.py"]
    assert b"result = 1" in after["shop/basket.py"]


def test_trailing_whitespace_may_differ_where_the_place_is_unique(change):
    _, after = change(("shop/trailing.py", "def f(x):\n    y = x\n", "def f(x):\n    y = x + 1\n"))
    assert after["shop/trailing.py"].startswith(b"def f(x):\n    y = x + 1\n    return y\n")


def test_a_loose_match_without_final_newline_keeps_the_line_end(change):
    _, after = change(("shop/trailing.py", "    y = x  ", "    y = x + 1"))
    assert b"    y = x + 1\n    return y" in after["shop/trailing.py"]


def test_windows_line_ends_survive(change):
    _, after = change(("shop/dos.py", "def half(x):\n    return x / 0", "def half(x):\n    return x / 2"))
    assert after["shop/dos.py"] == b"def half(x):\r\n    return x / 2\r\n\r\n\r\ndef twice(x):\r\n    return x * 2\r\n"


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (("shop/basket.py", "no such text", "x"), "does not occur"),
        (("shop/basket.py", "name", "x"), "more than once"),
        (("shop/basket.py", "    for nome in names:", "x"), "does not occur"),
        (("shop/trailing.py", "    return x\t\n", "x"), "no longer be valid"),
        (("shop/basket.py", LOOKUP, LOOKUP), "change nothing"),
        (("shop/basket.py", LOOKUP, "    return (("), "no longer be valid"),
        (("shop/basket.py", LOOKUP, "    return x" + ".a" * 9000), "no longer be valid"),
        (("shop/basket.py", LOOKUP, "    return " + "-" * 19000 + "1"), "no longer be valid"),
        (("shop/basket.py", LOOKUP, "    return '\u202e'"), r"invisible characters: U\+202E"),
        (("shop/basket.py", LOOKUP, "    return '\x1b[2J\x00'"), "invisible characters"),
        (("shop/basket.py", LOOKUP, "    x = 1\n" * 201), "20[0-9] lines"),
        (("shop/latin.py", "x = 1", "x = 2"), "not text"),
        (("shop/nowhere.py", "x", "y"), "no regular file"),
        (("shop", "x", "y"), "no regular file"),
        (("../outside.py", "x", "y"), "can't be edited"),
        (("/etc/passwd", "x", "y"), "can't be edited"),
        (("tests/test_basket.py", "== 0", "== 1"), "tests are out of bounds"),
        ((".github/workflows/ci.yml", "on: push", "on: never"), "CI"),
        (("conftest.py", "x = 1", "x = 2"), "tests are out of bounds"),
    ],
    ids=range(19),
)
def test_everything_else_is_refused_with_a_reason(change, edit, reason):
    with pytest.raises(Unusable, match=reason):
        change(edit)


def test_the_number_of_files_is_limited(change):
    edits = (("shop/basket.py", "'tea': 3", "'tea': 4"), ("shop/trailing.py", "def g(x):", "def g(y):"))
    with pytest.raises(Unusable, match="2 files, 1 are allowed"):
        change(*edits, limits=Limits(files=1))


def test_symlinks_and_submodules_are_no_files_to_edit(tmp_path, shop):
    source, _ = shop
    repo = BareRepo.ensure(tmp_path / "links.git")
    target = repo.write_blob(b"/etc/passwd")
    rows = f"120000 blob {target}\tlink.py\n160000 commit {'1' * 40}\tsub.py\n"
    base = repo.commit(
        repo.out("mktree", "--missing", stdin=rows.encode()).decode().strip(), [], "links", at_s=1_700_000_001
    )
    assert files_of(repo, base) == {}
    assert files_of(source, shop[1])["shop/basket.py"].mode == 0o100644


def test_huge_and_binary_files_are_neither_shown_nor_edited(shop):
    repo, base = shop
    blobs = {"shop/huge.py": b"x = 1\n" * 100_000, "shop/binary.py": b"x = 1\n\0"}
    commit = repo.commit(repo.with_files(base, blobs), [base], "blobs", at_s=1_700_000_001)
    for path in blobs:
        answer = Answer(rationale="r", edits=(Edit(path=path, search="x = 1", replace="x = 2"),))
        with pytest.raises(Unusable, match="too large or not text"):
            change_of(repo, commit, files_of(repo, commit), answer, Limits())
