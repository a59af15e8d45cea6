"""Any OpenAI-compatible endpoint over plain HTTP: a client of our own, as the SDK retries by itself, costs 70 MB
and reads answers of any size."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from nightshift.daemon.kit.clock import Clock, SystemClock
from nightshift.daemon.kit.redact import redact, register_secret

from ..cleaning import visible
from ..protocol import Completion, Prompt, ProviderFault, Schema, estimate_tokens

if TYPE_CHECKING:
    import httpx
    from pydantic import SecretStr

MAX_BODY = 1 << 20
_RETRIES = 2
_BACKOFF_S = 0.5
_MAX_BACKOFF_S = 10.0
_MODES = ("json_schema", "json_object", "plain")


class _Retry(Exception):
    """Worth another try; `after_s` is what the endpoint asked for."""

    def __init__(self, reason: str, after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.after_s = after_s


class _BadRequest(Exception):
    """The endpoint did not understand the request, perhaps only its response format."""


class OpenAI:
    """A chat model behind ``{base_url}/chat/completions``. Time-outs, 429 and 5xx are tried at most twice more."""

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key: SecretStr | None = None,
        *,
        temperature: float | None = None,
        attempt_timeout_s: float = 60.0,
        max_tokens_field: str = "max_tokens",
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.name = f"openai:{model}"
        self._url = base_url.rstrip("/") + "/chat/completions"
        self._model, self._api_key, self._temperature = model, api_key, temperature
        self._attempt_timeout_s, self._max_tokens_field = attempt_timeout_s, max_tokens_field
        self._clock, self._jitter = clock or SystemClock(), jitter
        self._mode = 0
        if api_key:
            register_secret(api_key.get_secret_value())

    def complete(self, prompt: Prompt, schema: Schema, *, max_tokens: int, timeout_s: float, seed: int) -> Completion:
        """See `Provider.complete`. An endpoint that refuses a JSON schema is asked for JSON, then for plain text;
        what it took is remembered."""
        deadline = self._clock.monotonic() + timeout_s
        for mode in range(self._mode, len(_MODES)):
            body = self._body(prompt, schema, max_tokens, seed, _MODES[mode])
            try:
                answer = self._persist(body, deadline)
            except _BadRequest as refusal:
                if mode == len(_MODES) - 1:
                    raise ProviderFault(str(refusal)) from None
                continue
            self._mode = mode
            return _completion(answer, prompt)
        raise AssertionError("the last mode returns or raises")

    def _body(self, prompt: Prompt, schema: Schema, max_tokens: int, seed: int, mode: str) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}],
            self._max_tokens_field: max_tokens,
            "seed": seed,
            "stream": False,
        }
        if self._temperature is not None:
            body["temperature"] = self._temperature
        if mode == "json_schema":
            named = {"name": "answer", "strict": True, "schema": dict(schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": named}
        elif mode == "json_object":
            body["response_format"] = {"type": "json_object"}
        return body

    def _persist(self, body: dict[str, Any], deadline: float) -> dict[str, Any]:
        for attempt in range(_RETRIES + 1):
            left = deadline - self._clock.monotonic()
            try:
                return self._attempt(body, min(left, self._attempt_timeout_s))
            except _Retry as retry:
                wait = max(_BACKOFF_S * 2**attempt * (0.5 + self._jitter()), retry.after_s)
                if attempt == _RETRIES or wait > _MAX_BACKOFF_S or self._clock.monotonic() + wait >= deadline:
                    raise ProviderFault(f"{retry} (tried {attempt + 1} times)") from None
                self._clock.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def _attempt(self, body: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        if timeout_s <= 0:
            raise ProviderFault("no time left to ask the model")
        with _faults_translated():
            status, headers, data = self._post(json.dumps(body).encode(), timeout_s)
        if status == 429 or status >= 500:
            raise _Retry(f"the endpoint answered {status}", _retry_after_s(headers))
        if status in (400, 422):
            raise _BadRequest(f"the endpoint answered {status}: {_said(data)}")
        if status != 200:
            what = "redirects, which is refused" if 300 <= status < 400 else f"answered {status}: {_said(data)}"
            raise ProviderFault(f"the endpoint {what}")
        return _object(data)

    def _post(self, content: bytes, timeout_s: float) -> tuple[int, Mapping[str, str], bytes]:
        import httpx

        until = self._clock.monotonic() + timeout_s
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if self._api_key:
            headers["Authorization"] = f"Bearer {self._api_key.get_secret_value()}"
        with (
            httpx.Client(timeout=timeout_s, follow_redirects=False, trust_env=False) as client,
            client.stream("POST", self._url, content=content, headers=headers) as response,
        ):
            return response.status_code, dict(response.headers), self._read(response, until)

    def _read(self, response: httpx.Response, until: float) -> bytes:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise ProviderFault("the endpoint compresses its answer unasked, which is refused")
        data = bytearray()
        for chunk in response.iter_raw():
            data += chunk
            if len(data) > MAX_BODY:
                raise ProviderFault(f"the answer is larger than {MAX_BODY} bytes")
            if self._clock.monotonic() > until:
                raise _Retry("the endpoint did not answer in time")
        return bytes(data)


@contextlib.contextmanager
def _faults_translated() -> Iterator[None]:
    import httpx

    try:
        yield
    except httpx.TimeoutException:
        raise _Retry("the endpoint did not answer in time") from None
    except httpx.TransportError as error:
        raise _Retry(f"the endpoint can't be reached or broke off: {type(error).__name__}") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ProviderFault(f"the endpoint can't be asked: {type(error).__name__}") from None


def _retry_after_s(headers: Mapping[str, str]) -> float:
    value = headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() and len(value) < 6 else 0.0


def _said(data: bytes) -> str:
    return redact(visible(data[:2000].decode("utf-8", "replace"))).replace("\n", " ")[:200]


def _object(data: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(data)
    except (ValueError, RecursionError):
        raise ProviderFault("the endpoint's answer is not JSON") from None
    if not isinstance(parsed, dict):
        raise ProviderFault("the endpoint's answer is not a JSON object")
    return parsed


def _completion(answer: dict[str, Any], prompt: Prompt) -> Completion:
    try:
        text = answer["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        raise ProviderFault("the endpoint's answer holds no choices[0].message.content") from None
    if not isinstance(text, str):
        raise ProviderFault("the endpoint's answer holds no text")
    usage = answer.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    return Completion(
        text=text,
        tokens_in=_count(counts.get("prompt_tokens"), prompt.system + prompt.user),
        tokens_out=_count(counts.get("completion_tokens"), text),
    )


def _count(value: Any, text: str) -> int:
    sane = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9
    return value if sane else estimate_tokens(text)
