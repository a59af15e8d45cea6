"""Who may call us: shown tokens and signatures, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from pydantic import SecretStr


def bearer(headers: Mapping[str, str], token: SecretStr) -> bool:
    """Whether a call shows this bearer token."""
    kind, _, shown = headers.get("authorization", "").partition(" ")
    return kind.lower() == "bearer" and same(shown.strip(), token)


def signed(body: bytes, shown: str, secret: SecretStr) -> bool:
    """Whether `shown` is the SHA-256 HMAC of a body in hex, with or without `sha256=` in front (RFC 2104)."""
    right = hmac.new(secret.get_secret_value().encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(shown.strip().removeprefix("sha256=").lower().encode(), right.encode())


def same(shown: str, secret: SecretStr) -> bool:
    """Whether a caller knows a secret."""
    return hmac.compare_digest(shown.encode(), secret.get_secret_value().encode())
