"""A deterministic model: answers come from a script, prompts are kept. For end-to-end tests and rehearsals."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..protocol import Completion, Prompt, ProviderFault, Schema, estimate_tokens


class Scripted:
    """Plays answers in order: a string as it stands, an object as JSON.

    An entry ``{"when": TEXT, "answer": …}`` is for prompts that contain TEXT, is tried before the plain ones and
    can be played any number of times, so that a mission that resumes hears the same again.
    """

    def __init__(self, answers: Sequence[Any]) -> None:
        self.name = "scripted"
        self.prompts: list[Prompt] = []
        self._answers = list(answers)
        self._lock = threading.Lock()

    @classmethod
    def from_file(cls, path: str | Path) -> Scripted:
        """From a JSON file that holds a list. Raises `ProviderFault` when it does not."""
        try:
            answers = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ProviderFault(f"the script {path} can't be read: {error}") from None
        if not isinstance(answers, list):
            raise ProviderFault(f"the script {path} must be a JSON list of answers")
        return cls(answers)

    def complete(self, prompt: Prompt, schema: Schema, *, max_tokens: int, timeout_s: float, seed: int) -> Completion:
        """The next answer that fits; raises `ProviderFault` when the script is over."""
        del schema, max_tokens, timeout_s, seed
        with self._lock:
            self.prompts.append(prompt)
            answer = self._next(prompt)
        text = answer if isinstance(answer, str) else json.dumps(answer)
        return Completion(
            text=text, tokens_in=estimate_tokens(prompt.system + prompt.user), tokens_out=estimate_tokens(text)
        )

    def _next(self, prompt: Prompt) -> Any:
        for entry in self._answers:
            if _conditional(entry) and entry["when"] in prompt.user:
                return entry["answer"]
        for at, entry in enumerate(self._answers):
            if not _conditional(entry):
                return self._answers.pop(at)
        raise ProviderFault("the script has no more answers")


def _conditional(entry: Any) -> bool:
    return isinstance(entry, dict) and set(entry) == {"when", "answer"}
