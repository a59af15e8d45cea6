"""Text of strangers made fit for people: no terminal escapes, no bidirectional tricks, no secrets."""

from __future__ import annotations

from nightshift.daemon.kit.redact import redact


def plain(text: str) -> str:
    """The text with control and formatting characters (but newline and tab) replaced, and secrets masked."""
    return redact("".join(c if c.isprintable() or c in "\n\t" else "�" for c in text))
