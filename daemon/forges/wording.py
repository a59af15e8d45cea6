"""What a change request says. Titles and bodies carry text from logs and models, so nothing in them may act.

On the forges people use, a body can notify strangers, close issues, run quick actions, load images and hide text.
"""

from __future__ import annotations

import re
import unicodedata

from nightshift.daemon.kit.redact import redact
from nightshift.daemon.model import ChangeDraft

_TITLE_CHARS = 200
_BODY_CHARS = 60_000
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_HTML = re.compile(
    r"<(?=!--|/?(?:img|picture|source|svg|video|audio|iframe|script|style|object|embed|form|input|link|meta|a)\b)", re.I
)
_CLOSES = re.compile(r"(?i)\b((?:close|fix|resolve|implement)(?:s|d|es|ed|ing)?)(\s*:?\s+)(?=https?://)")


def neutral(text: str) -> str:
    """The text, redacted, with nothing left that a forge would act on; line breaks and tabs stay."""
    text = redact(_ANSI.sub("", text.replace("\r\n", "\n")))
    text = "".join(
        c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
    )
    text = _HTML.sub("&lt;", text).replace("-->", "--&gt;")
    text = re.sub(r"!(?=\[)", "", text)
    text = re.sub(r"(?<![A-Za-z0-9])@(?=[A-Za-z0-9])", "＠", text)
    text = re.sub(r"#(?=\d)", "＃", text)
    text = re.sub(r"(?i)\bGH-(?=\d)", "GH ", text)
    text = _CLOSES.sub(r"\1 see ", text)
    return re.sub(r"(?m)^([ \t]*)/(?=[a-z_]+\b)", r"\1\\/", text)


def neutral_title(text: str) -> str:
    """One neutral line of at most 200 characters."""
    return " ".join(neutral(text).split())[:_TITLE_CHARS] or "Nightshift: a fix"


def neutral_body(text: str) -> str:
    """A neutral body of at most 60,000 characters."""
    body = neutral(text).strip()
    return body if len(body) <= _BODY_CHARS else body[:_BODY_CHARS] + "\n\n(cut here)"


def commit_message(draft: ChangeDraft, key: str) -> str:
    """Title, body and trailers; the key finds the commit again, and the last line tells how to undo it."""
    undo = f"Undo: git revert --no-edit 'HEAD^{{/Nightshift-Key: {key}}}'"
    return f"{neutral_title(draft.title)}\n\n{neutral_body(draft.body)}\n\n{undo}\n\nNightshift-Key: {key}\n"


def request_body(draft: ChangeDraft, head: str) -> str:
    """The body people read: the draft's, and the line that undoes it once merged."""
    return f"{neutral_body(draft.body)}\n\nUndo once merged: `git revert --no-edit {head}`"


def once_marker(once: str) -> str:
    """An invisible line that finds a comment again; what could end it early is taken out of `once`."""
    return f"<!-- nightshift:{re.sub(r'[^A-Za-z0-9._:-]', '-', once)[:100]} -->"


def comment_body(text: str, once: str) -> str:
    """A neutral comment that can be found again."""
    return f"{neutral_body(text)}\n\n{once_marker(once)}"


def another_round(round_: int, base: str, head: str) -> str:
    """What a comment says when the work was done again."""
    return (
        f"Round {round_ + 1}: the branch was proved again on `{base[:12]}` and now stands at `{head[:12]}`. "
        "The description above is of this round."
    )
