"""Parsing changed sources on the host: text to syntax tree only, nothing is ever imported or executed."""

from __future__ import annotations

import ast

_BYTES = 1 << 20


def parse(source: bytes | None) -> ast.Module | None:
    """The syntax tree, or None where there is none to be had."""
    if source is None or len(source) > _BYTES:
        return None
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def syntax_error(source: bytes) -> str:
    """What this Python finds wrong with a source, or ''."""
    try:
        ast.parse(source)
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return str(error) or type(error).__name__
    return ""
