"""A GGUF model inside the process, for places no request may leave. A grammar made of the schema leaves the model
no way to write anything but JSON."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nightshift.daemon.kit.clock import Clock, SystemClock

from ..protocol import Completion, Prompt, ProviderFault, Schema

if TYPE_CHECKING:
    from llama_cpp import Llama as Engine

_MISSING = "llama-cpp-python is not installed: pip install 'nightshift[local-model]' (it compiles llama.cpp)"
_LAX_CHAR, _STRICT_CHAR = r'[^"\\] |', r'[^"\\\x00-\x1F\x7F] |'


class Llama:
    """One model file, loaded at the first call, one completion at a time."""

    def __init__(
        self,
        model_path: str,
        *,
        context_tokens: int = 8192,
        threads: int | None = None,
        temperature: float = 0.2,
        clock: Clock | None = None,
    ) -> None:
        self.name = f"llama:{Path(model_path).name}"
        self._path, self._context_tokens, self._threads = model_path, context_tokens, threads
        self._temperature, self._clock = temperature, clock or SystemClock()
        self._lock = threading.Lock()
        self._engine: Engine | None = None

    def complete(self, prompt: Prompt, schema: Schema, *, max_tokens: int, timeout_s: float, seed: int) -> Completion:
        """See `Provider.complete`. The time-out is checked at every token; reading the prompt can't be interrupted.
        Text cut off by it, or by `max_tokens`, is returned as it is."""
        deadline = self._clock.monotonic() + timeout_s
        if not self._lock.acquire(timeout=max(0.0, timeout_s)):
            raise ProviderFault("the local model is busy")
        try:
            return self._complete(prompt, schema, max_tokens, deadline, seed)
        finally:
            self._lock.release()

    def _complete(self, prompt: Prompt, schema: Schema, max_tokens: int, deadline: float, seed: int) -> Completion:
        engine, grammar = self._load(), _grammar(schema)
        tokens_in = len(engine.tokenize((prompt.system + prompt.user).encode(), special=False))
        if tokens_in + max_tokens > self._context_tokens:
            room = f"{tokens_in} + {max_tokens} tokens do not fit its context of {self._context_tokens}"
            raise ProviderFault(f"the prompt is too long for the local model: {room}")
        messages = [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}]
        options = {"messages": messages, "grammar": grammar, "max_tokens": max_tokens, "seed": seed, "stream": True}
        try:
            chunks = engine.create_chat_completion(**options, temperature=self._temperature)
            text, tokens_out = self._collect(chunks, deadline)
        except (ValueError, RuntimeError, UnicodeError) as error:
            raise ProviderFault(f"the local model failed: {str(error)[:200]}") from None
        return Completion(text=text, tokens_in=tokens_in, tokens_out=tokens_out)

    def _collect(self, chunks: Any, deadline: float) -> tuple[str, int]:
        parts: list[str] = []
        for chunk in chunks:
            parts.append(chunk["choices"][0]["delta"].get("content") or "")
            if self._clock.monotonic() > deadline:
                break
        return "".join(parts), sum(map(bool, parts))

    def _load(self) -> Engine:
        if self._engine is None:
            try:
                from llama_cpp import Llama as Engine
            except ImportError:
                raise ProviderFault(_MISSING) from None
            if not Path(self._path).is_file():
                raise ProviderFault(f"the model file {self._path} does not exist")
            try:
                self._engine = Engine(
                    self._path, n_ctx=self._context_tokens, n_threads=self._threads, verbose=False, logits_all=False
                )
            except (ValueError, RuntimeError, OSError) as error:
                raise ProviderFault(f"the model file {self._path} can't be loaded: {str(error)[:200]}") from None
        return self._engine

    def close(self) -> None:
        """Free the model's memory; the next call loads it again."""
        with self._lock:
            if self._engine is not None:
                self._engine.close()
                self._engine = None


def _grammar(schema: Schema) -> Any:
    """The schema as a grammar. llama-cpp-python's own lets raw control characters into strings, which JSON forbids
    (seen with 0.3.36: source code came back with bare newlines), so that one rule is replaced."""
    from llama_cpp.llama_grammar import LlamaGrammar, json_schema_to_gbnf

    try:
        rules = json_schema_to_gbnf(json.dumps(schema))
        return LlamaGrammar.from_string(rules.replace(_LAX_CHAR, _STRICT_CHAR), verbose=False)
    except (ValueError, RuntimeError, KeyError) as error:
        raise ProviderFault(f"the schema can't be made a grammar: {str(error)[:200]}") from None
