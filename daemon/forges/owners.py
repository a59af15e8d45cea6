"""Who should review a change: CODEOWNERS files, as the forges read them. Untrusted text, so every match is linear.

GitHub's and GitLab's patterns are gitignore's without `!`, `[a-z]` and `\\#`; the last one that fits wins. GitLab adds
sections, each with winners of its own. Gitea and Forgejo take regular expressions, and every one that fits counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

MAX_BYTES = 3 << 20
"""GitHub does not load larger files."""
_MAX_RULES = 10_000
_OWNER = re.compile(r"@[A-Za-z0-9][A-Za-z0-9._/-]{0,200}\Z")
_SECTION = re.compile(r"\^?\[([^\]]{1,200})\](?:\[\d{1,3}\])?(.*)\Z")
_GROUPED = re.compile(r"\)[*+?{]|\\[1-9]|\(\?|\[.*(?:\[|--|&&|~~|\|\|)")
"""Besides what could be slow: sets that Python will once read otherwise than Go."""
_REPEATS = re.compile(r"[*+]|\{")
_MAX_STARS, _MAX_PATH = 6, 400
"""More of either could make matching slow; such a rule fits nothing, such a path has no owner."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One line: a pattern and its owners, without the `@`; none means that nobody owns what it fits."""

    pattern: str
    owners: tuple[str, ...]
    section: str = ""


def parsed(text: str) -> list[Rule]:
    """The rules of a file, GitLab's sections included; a section's own owners stand for rules that name none."""
    section = ""
    default: tuple[str, ...] = ()
    found: list[Rule] = []
    for line in text[:MAX_BYTES].splitlines():
        words = _words(line)
        if not words:
            continue
        if head := _SECTION.match(" ".join(words)):
            section, default = head[1].strip().lower(), _owners(head[2].split())
            continue
        found.append(Rule(pattern=words[0], owners=_owners(words[1:]) or default, section=section))
        if len(found) == _MAX_RULES:
            break
    return found


def owners_of(text: str, paths: Sequence[str]) -> tuple[str, ...]:
    """Who owns these paths, each owner once, in the order of the paths."""
    rules = [(rule, _compiled(rule.pattern)) for rule in parsed(text)]
    found: dict[str, None] = {}
    for path in (path for path in paths if len(path) <= _MAX_PATH):
        last: dict[str, tuple[str, ...]] = {}
        for rule, fits in rules:
            if fits.match(path):
                last[rule.section] = rule.owners
        found |= dict.fromkeys(owner for owners in last.values() for owner in owners)
    return tuple(found)


def owners_by_regex(text: str, paths: Sequence[str]) -> tuple[str, ...]:
    """The same for Gitea's and Forgejo's files; `!` in front turns a rule around. Rules that could take long to match
    (groups repeated, back references) are left out."""
    found: dict[str, None] = {}
    for line in text[:MAX_BYTES].splitlines()[:_MAX_RULES]:
        words = _words(line)
        negative = bool(words) and words[0].startswith("!")
        fits = _linear(words[0].removeprefix("!")) if words else None
        if fits and any(bool(fits.fullmatch(path)) != negative for path in paths if len(path) <= _MAX_PATH):
            found |= dict.fromkeys(_owners(words[1:]))
    return tuple(found)


def _linear(pattern: str) -> re.Pattern[str] | None:
    if len(pattern) > 200 or _GROUPED.search(pattern) or len(_REPEATS.findall(pattern)) > 4:
        return None
    try:
        return re.compile(pattern)
    except re.error:
        return None


def _words(line: str) -> list[str]:
    """A line's words; a `#` that begins a word begins a comment, `\\ ` is a space inside a pattern."""
    words = [word.replace("\0", " ") for word in line.strip().replace("\\ ", "\0").split()]
    cut = next((at for at, word in enumerate(words) if word.startswith("#")), len(words))
    return words[:cut]


def _owners(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(word[1:] for word in words if _OWNER.match(word))


def _compiled(pattern: str) -> re.Pattern[str]:
    """A gitignore pattern as a regular expression without nested repetition.

    A slash at the start or inside anchors it; without one it fits at any depth. What fits a folder fits all below it,
    except that a last `*` stays in its own folder (``docs/*`` is not ``docs/a/b``).
    """
    if len(re.findall(r"\*+", pattern)) > _MAX_STARS or not pattern.strip("/"):
        return re.compile(r"(?!)")
    anchored = "/" in pattern.rstrip("/")
    parts = pattern.strip("/").split("/")
    folder_only, flat = pattern.endswith("/"), anchored and parts[-1] == "*"
    while len(parts) > 1 and parts[0] == "**":
        parts, anchored = parts[1:], False
    regex = "" if anchored else "(?:.*/)?"
    for at, part in enumerate(parts):
        last = at == len(parts) - 1
        if part == "**":
            regex += ".*" if last else "(?:.*/)?"
        else:
            regex += _segment(part) + ("" if last else "/")
    tail = "/.*" if folder_only else "" if flat or parts[-1] == "**" else "(?:/.*)?"
    return re.compile(regex + tail + r"\Z", re.DOTALL)


def _segment(part: str) -> str:
    return "".join("[^/]*" if char == "*" else "[^/]" if char == "?" else re.escape(char)
                   for char in re.sub(r"\*+", "*", part))  # fmt: skip
