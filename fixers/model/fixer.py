"""The model fixer: asks for search-replace edits, turns usable answers into patches, tells the model what was wrong
with the others. A model that is down, slow, dear or hostile costs its budget and nothing else."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from nightshift.daemon.kit.git import BareRepo, GitError
from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.model import Case, Patch
from nightshift.daemon.ports import Budget, EnvironmentBroke, Note, Workbench

from .answer import SCHEMA, Answer, Unusable, parse
from .cleaning import clean
from .edits import Change, Limits, change_of
from .prompt import Turn, build_prompt
from .protocol import Completion, Provider, ProviderFault, estimate_tokens
from .sources import files_of
from .spending import Spending


class Settings(BaseModel):
    """Which model, and what it may cost. With no provider the fixer drafts nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, protected_namespaces=())

    provider: Literal["none", "openai", "llama", "scripted"] = "none"
    """`openai` any OpenAI-compatible endpoint, `llama` a GGUF file in process, `scripted` answers from a file."""
    base_url: str = ""
    """Endpoint of `openai`, up to and including the version, such as http://localhost:8080/v1."""
    model: str = ""
    """Model name sent to the endpoint."""
    api_key: SecretStr | None = None
    """Bearer token of the endpoint, if it wants one."""
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """What the endpoint calls the limit of an answer's length."""
    model_path: str = ""
    """GGUF file of `llama`."""
    script: str = ""
    """JSON file of `scripted`: a list of answers."""
    context_tokens: int = Field(default=16_384, ge=1024)
    """Context window of the model; prompt and answer share it."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads of `llama`; its own choice by default."""
    temperature: float | None = Field(default=None, ge=0, le=2)
    """Sampling temperature; the model's default when not given."""
    max_tokens: int = Field(default=1024, ge=16)
    """Tokens of one answer."""
    max_calls: int = Field(default=4, ge=1, le=50)
    """Calls per draft, useless answers included."""
    budget_tokens: int = Field(default=60_000, ge=1)
    """Tokens per draft, prompts and answers together; no call is made that could go over."""
    budget_cost: float = Field(default=1.0, ge=0)
    """Money per draft, in the currency of the prices below; no call is made that could go over."""
    price_in: float = Field(default=0.0, ge=0)
    """Price of a million prompt tokens."""
    price_out: float = Field(default=0.0, ge=0)
    """Price of a million answer tokens."""
    call_timeout_s: float = Field(default=120.0, gt=0)
    """Longest one call may take, retries included."""
    attempt_timeout_s: float = Field(default=60.0, gt=0)
    """Longest one HTTP request may take."""
    samples: int = Field(default=2, ge=1, le=20)
    """Distinct patches wanted per draft."""
    seed: int = 1
    """Seed of the first call; each further call adds one."""
    max_files: int = Field(default=5, ge=1)
    """Files one patch may change."""
    max_lines: int = Field(default=200, ge=1)
    """Lines one patch may add and remove together."""


class ModelFixer:
    """Drafts with a model. Needs nothing of the workbench: it reads the case's bare repository and never writes
    a ref."""

    name = "model"

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        provider: Provider | None = None,
        nonce: Callable[[], str] = lambda: secrets.token_hex(8),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings or Settings()
        self._provider = provider
        self._nonce, self._monotonic = nonce, monotonic
        self._opening = threading.Lock()

    def draft(self, case: Case, bench: Workbench, budget: Budget, note: Note) -> Iterator[Patch]:
        """Distinct patches, at most `samples`; stops, with a note, when calls, tokens, money or time are used up.

        Raises EnvironmentBroke when the case's repository can't be read; never for a fault of the model.
        """
        del bench
        try:
            provider = self._open()
        except ProviderFault as fault:
            note(f"model: {fault}")
            return
        if provider is None:
            note("model: no provider is configured")
            return
        try:
            yield from _Drafting(self._settings, provider, case, self._nonce, self._monotonic).patches(budget, note)
        except GitError as error:
            raise EnvironmentBroke(f"the repository {case.repo} can't be read: {error}") from error

    def _open(self) -> Provider | None:
        """The provider, made once: a local model is large, and an endpoint's habits are learned."""
        with self._opening:
            self._provider = self._provider or open_provider(self._settings)
            return self._provider


class _Drafting:
    """One draft: the conversation so far and what it cost."""

    def __init__(
        self, settings: Settings, provider: Provider, case: Case, nonce: Callable[[], str], now: Callable[[], float]
    ) -> None:
        self.settings, self.provider, self.case, self.nonce, self.now = settings, provider, case, nonce, now
        self.repo = BareRepo(case.repo)
        self.tree = files_of(self.repo, case.base)
        self.turns: tuple[Turn, ...] = ()
        self.seen: set[str] = set()
        self.spending = Spending(
            tokens=settings.budget_tokens, cost=settings.budget_cost,
            price_in=settings.price_in, price_out=settings.price_out,
        )  # fmt: skip

    def patches(self, budget: Budget, note: Note) -> Iterator[Patch]:
        """Distinct patches; what they cost is told in the end."""
        try:
            yield from self._asked(budget, note)
        finally:
            first, calls = self.settings.seed, self.spending.calls
            told = {"seeds": [first + call for call in range(calls)], "spent": str(self.spending)}
            budget.searched({"model": self.settings.model or self.provider.name, "candidates": calls, **told})

    def _asked(self, budget: Budget, note: Note) -> Iterator[Patch]:
        wanted = min(self.settings.samples, budget.patches)
        for call in range(self.settings.max_calls):
            if len(self.seen) >= wanted:
                return
            try:
                completion = self._ask(call, budget.deadline)
                patch = self._patch(completion)
            except ProviderFault as fault:
                note(f"model: {fault}; {self.spending}")
                return
            except Unusable as refusal:
                reason = clean(str(refusal), 300).replace("\n", " ")
                self.turns += (Turn(refused=reason),)
                note(f"model: answer {call + 1} is of no use: {reason}; {self.spending}")
                continue
            note(f"model: answer {call + 1} is a patch of {', '.join(patch.files)}; {self.spending}")
            yield patch

    def _ask(self, call: int, deadline: float) -> Completion:
        settings, left_s = self.settings, deadline - self.now()
        if left_s <= 0:
            raise ProviderFault("the time for drafting is over")
        room = max(500, settings.context_tokens - settings.max_tokens - 256)
        prompt = build_prompt(self.case, self.repo, nonce=self.nonce(), budget_tokens=room, turns=self.turns)
        tokens_in = estimate_tokens(prompt.system + prompt.user)
        if reason := self.spending.why_not(tokens_in, settings.max_tokens):
            raise ProviderFault(reason)
        completion = self.provider.complete(
            prompt, SCHEMA, max_tokens=settings.max_tokens,
            timeout_s=min(settings.call_timeout_s, left_s), seed=settings.seed + call,
        )  # fmt: skip
        self.spending = self.spending.plus(completion)
        return completion

    def _patch(self, completion: Completion) -> Patch:
        answer = parse(completion.text)
        limits = Limits(files=self.settings.max_files, lines=self.settings.max_lines)
        change = change_of(self.repo, self.case.base, self.tree, answer, limits)
        if change.tree in self.seen:
            raise Unusable("it proposes the same change once more")
        self.seen.add(change.tree)
        self.turns += (Turn(diff=change.diff),)
        return self._as_patch(change, answer)

    def _as_patch(self, change: Change, answer: Answer) -> Patch:
        words = " ".join(clean(answer.rationale, 500).split())
        return Patch(
            id=stable_id("patch", ModelFixer.name, self.case.base, change.diff), base=self.case.base, diff=change.diff,
            files=change.files, fixer=ModelFixer.name, kind="model", score=1.0 / len(self.seen),
            rationale=f"{words} [{self.provider.name}: {self.spending}]",
            parents=tuple(parent.id for parent in self.case.parents[-2:]),
        )  # fmt: skip


def open_provider(settings: Settings) -> Provider | None:
    """The provider the settings name, None for `none`. Raises `ProviderFault` when something it needs is missing."""
    if settings.provider == "openai":
        from .providers.openai import OpenAI

        _require(settings.base_url.startswith(("http://", "https://")), "base_url must be an http(s) address")
        return OpenAI(
            settings.base_url, settings.model, settings.api_key, temperature=settings.temperature,
            attempt_timeout_s=settings.attempt_timeout_s, max_tokens_field=settings.max_tokens_field,
        )  # fmt: skip
    if settings.provider == "llama":
        from .providers.llama import Llama

        _require(bool(settings.model_path), "model_path names no file")
        return Llama(
            settings.model_path,
            context_tokens=settings.context_tokens,
            threads=settings.threads,
            temperature=0.2 if settings.temperature is None else settings.temperature,
        )
    if settings.provider == "scripted":
        from .providers.scripted import Scripted

        return Scripted.from_file(settings.script)
    return None


def _require(truth: bool, message: str) -> None:
    if not truth:
        raise ProviderFault(message)
