"""What the model fixer needs of a model, so that endpoints, local models and scripts are interchangeable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

Schema = Mapping[str, Any]
"""A JSON schema."""


class ProviderFault(Exception):
    """The model or its endpoint failed; the message is one clear line without secrets."""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """What is asked: our own instructions, and the material, in which everything untrusted is fenced."""

    system: str
    user: str

    def __len__(self) -> int:
        return len(self.system) + len(self.user)


@dataclass(frozen=True, kw_only=True)
class Completion:
    """What came back and what it cost, in tokens (counted by the provider, estimated where it doesn't tell)."""

    text: str
    tokens_in: int
    tokens_out: int


class Provider(Protocol):
    """One model. Thread-safe."""

    name: str

    def complete(self, prompt: Prompt, schema: Schema, *, max_tokens: int, timeout_s: float, seed: int) -> Completion:
        """Answer with a JSON text that should fit `schema`; callers check it. `timeout_s` bounds the whole call,
        retries included. Raises `ProviderFault`, and nothing else, for whatever the model's side does wrong."""
        ...


def estimate_tokens(text: str) -> int:
    """A pessimistic guess where no tokenizer is at hand: three UTF-8 bytes a token (code runs at 3 to 4)."""
    return len(text.encode("utf-8", "replace")) // 3 + 1
