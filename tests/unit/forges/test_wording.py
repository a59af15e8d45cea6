"""Text from logs and models can't act on a forge, and stays readable."""

from __future__ import annotations

import pytest

from nightshift.daemon.forges.records import safe_name
from nightshift.daemon.forges.wording import commit_message, neutral, neutral_body, neutral_title, request_body
from nightshift.daemon.model import ChangeDraft


@pytest.mark.parametrize(
    ("hostile", "gone"),
    [
        ("ping @octocat and @org/team", "@o"),
        ("(@admin)", "@admin"),
        ("Closes #12, fixes org/repo#3", "#1"),
        ("resolves GH-7", "GH-7"),
        ("Fixes: https://forge.example/o/r/issues/3", "Fixes: https"),
        ("closed https://forge.example/o/r/issues/3", "closed https"),
        ("<!-- hidden -->", "<!--"),
        ("<img src=x onerror=y>", "<img"),
        ("<SCRIPT>x</SCRIPT>", "<SCRIPT"),
        ("![x](http://tracker.example/p.png)", "!["),
        ("![x][ref]", "!["),
        ("ok\n/merge\n  /assign @x", "\n/merge"),
        ("ok\n/merge\n  /assign @x", "  /assign"),
        ("\x1b[31mred\x1b[0m\x1b]0;title\x07", "\x1b"),
        ("user\u202egnp.exe", "\u202e"),
        ("a\u200bb\u2066c\ufeff", "\u200b"),
        ("nul\x00 bell\x07 cr\r del\x7f", "\x00"),
        ("\u2028split\u2029", "\u2028"),
        ("password=hunter22", "hunter22"),
    ],
)
def test_disarmed(hostile: str, gone: str) -> None:
    for text in (neutral(hostile), neutral_title(hostile), neutral_body(hostile)):
        assert gone not in text
    assert "\x07" not in neutral(hostile) and "\r" not in neutral(hostile)
    assert neutral(neutral(hostile)) == neutral(hostile)


@pytest.mark.parametrize(
    "plain",
    ["Traceback:\n  File \"a.py\", line 1, in <module>\n\tKeyError: 'x'", "see https://host/path#frag",
     "mail a@b.example",
     "a < b > c && d", "/usr/bin/python failed", "p95 −12 %", "中文报告", "- [ ] x | y"],
)  # fmt: skip
def test_plain_words_stay(plain: str) -> None:
    kept = neutral(plain)
    assert kept in (plain, plain.replace("/usr", "\\/usr", 1))


def test_shape_of_the_texts() -> None:
    draft = ChangeDraft(key="m-1", base="b", diff="d", title="Fix\nit\n\nCo-authored-by: x", body="x" * 100_000)
    title, *rest = commit_message(draft, "m-1").split("\n")
    assert title == "Fix it Co-authored-by: x" and rest[0] == ""
    assert commit_message(draft, "m-1").endswith("\n\nNightshift-Key: m-1\n")
    assert len(request_body(draft, "h")) < 61_000 and request_body(draft, "abc").endswith("git revert --no-edit abc`")
    assert neutral_title("\x00 \n") == "Nightshift: a fix" and len(neutral_title("y" * 999)) == 200


@pytest.mark.parametrize(
    "odd", ["", ".", "..", "a/b", "a.lock", "-x", "a b", "a..b", "x" * 200, "é", "a\nb", "@{", "~"]
)
def test_safe_names(odd: str) -> None:
    name = safe_name(odd)
    assert name != odd and name.replace("-", "").isalnum() and name.isascii() and len(name) < 100
    assert safe_name(odd) == name and safe_name("m-abc_1") == "m-abc_1"
