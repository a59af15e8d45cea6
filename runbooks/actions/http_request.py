"""One HTTP request to a host the configuration lists. It carries the run's key as Idempotency-Key; what is not safe to
send twice is not sent again after a run was cut off, unless the book says so."""

from __future__ import annotations

import json as json_format
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from nightshift.daemon.kit.redact import redact
from nightshift.daemon.ports import EnvironmentBroke, Refused

from ..action import Action, Evidence, Output
from ..context import Context
from ..errors import ActionFailed, nearest
from .calling import called_here, of_url

_MOST_BYTES = 64 * 1024
_SAFE = ("GET", "HEAD", "PUT", "DELETE")
_OURS = ("host", "content-length", "transfer-encoding", "connection", "idempotency-key")


class Arguments(BaseModel):
    """What to send where."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    url: str = Field(min_length=8, max_length=4096)
    """The address; its host must be among `runbooks.limits.hosts`. Redirects are not followed."""
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    """The method."""
    headers: dict[str, str] = {}
    """Further headers."""
    bearer: str = Field(default="", max_length=60, json_schema_extra={"literal": True})
    """Name of a token in `runbooks.limits.tokens` to send."""
    body: Any = None
    """What to send: a text as it is, anything else as JSON."""
    statuses: tuple[int, ...] = ()
    """Statuses that mean success; none listed: 200 to 299."""
    contains: str = Field(default="", max_length=1000)
    """Text the answer must hold."""
    repeat: bool = False
    """Whether a POST or PATCH may be sent once more when a run was cut off and nobody knows whether it arrived."""

    @field_validator("headers")
    @classmethod
    def _plain(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if not name.replace("-", "").isalnum() or not name.isascii() or name.lower() in _OURS:
                raise ValueError(f"the header '{name}' can't be set")
            if not text.isprintable() or not text.isascii():
                raise ValueError(f"the header '{name}' must be printable ASCII")
        return value


class HttpRequest(Action):
    """`http.request`."""

    name: ClassVar[str] = "http.request"
    accepts: ClassVar[type[BaseModel]] = Arguments
    gives: ClassVar[tuple[str, ...]] = ("http_status", "body", "json")

    def describe(self, arguments: Arguments, context: Context) -> str:
        """See Action."""
        del context
        return f"{arguments.method} {redact(arguments.url)}"

    def run(
        self, arguments: Arguments, context: Context, *, key: str, evidence: Evidence, repeated: bool, timeout_s: float
    ) -> Output:
        """Gives `http_status`, `body` (64 KiB at most) and `json` (null when it is none)."""
        del evidence
        if repeated and arguments.method not in _SAFE and not arguments.repeat:
            raise ActionFailed("it was cut off before; nobody knows whether it arrived, and `repeat` is not set")
        status, body = _sent(arguments, context, key, timeout_s)
        text = f"{arguments.method} {redact(urlsplit(arguments.url).path)[:200]} answered {status}"
        if not (status in arguments.statuses if arguments.statuses else 200 <= status < 300):
            if status in (429, 502, 503, 504) and arguments.method in _SAFE:
                raise EnvironmentBroke(text)
            raise ActionFailed(f"{text}: {redact(body)[:300]}")
        if arguments.contains not in body:
            raise ActionFailed(f"{text}, without '{arguments.contains}'")
        return Output(text=text, values={"http_status": status, "body": redact(body), "json": _json(body)})


def _sent(arguments: Arguments, context: Context, key: str, timeout_s: float) -> tuple[int, str]:
    import httpx

    called, scheme = of_url(context, arguments.url), urlsplit(arguments.url).scheme
    headers = {**arguments.headers, "Host": called.header(scheme), "Idempotency-Key": key, **_token(arguments, context)}
    content = None if arguments.body is None else arguments.body
    if content is not None and not isinstance(content, str):
        content = json_format.dumps(content)
        headers.setdefault("Content-Type", "application/json")
    options: dict[str, Any] = {"extensions": {"sni_hostname": called.host}} if scheme == "https" else {}
    try:
        with (
            httpx.Client(timeout=timeout_s, follow_redirects=False, trust_env=False) as client,
            client.stream(arguments.method, called.pinned(arguments.url), headers=headers, content=content,
                          **options) as answer,
        ):  # fmt: skip
            body = b""
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > _MOST_BYTES:
                    raise ActionFailed(f"the answer is larger than {_MOST_BYTES} bytes")
            return answer.status_code, body.decode("utf-8", "replace")
    except httpx.TimeoutException:
        raise ActionFailed(f"no answer within {timeout_s:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise EnvironmentBroke(f"{called.host} can't be reached: {type(error).__name__}") from None


def _token(arguments: Arguments, context: Context) -> dict[str, str]:
    if not arguments.bearer:
        return {}
    known = context.limits.tokens
    if arguments.bearer not in known:
        raise Refused(f"there is no token '{arguments.bearer}' in runbooks.limits{nearest(arguments.bearer, known)}")
    if urlsplit(arguments.url).scheme != "https" and not called_here(arguments.url):
        raise Refused("a token is only sent over https, or to this machine")
    return {"Authorization": f"Bearer {known[arguments.bearer].get_secret_value()}"}


def _json(body: str) -> Any:
    try:
        return json_format.loads(body)
    except ValueError:
        return None
