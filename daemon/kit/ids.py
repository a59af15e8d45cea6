"""Names for things: stable ones derived from content (idempotency keys), random ones where nothing is known."""

from __future__ import annotations

import base64
import hashlib
import secrets


def stable_id(prefix: str, *parts: str) -> str:
    """`prefix-` plus 12 base32 characters (60 bits) of SHA-256 over the parts; equal parts, equal id."""
    digest = hashlib.sha256(_bytes("\0".join(parts))).digest()
    return f"{prefix}-{base64.b32encode(digest[:10])[:12].decode().lower()}"


def random_id(prefix: str) -> str:
    """`prefix-` plus 12 random base32 characters."""
    return f"{prefix}-{base64.b32encode(secrets.token_bytes(8))[:12].decode().lower()}"


def _bytes(text: str) -> bytes:
    """Undecodable bytes as they were; half of a pair, which JSON may hold escaped, as it is."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
