"""The API server through the official client, and what its refusals mean in words people can act on.

The client's `Watch` is left aside: it retries 410 by itself from an expired version, builds a model object per event
and can't be stopped while it waits. Its typed calls are, too: 5,000 pods as model objects cost seconds.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nightshift.daemon.kit.redact import redact
from nightshift.daemon.ports import EnvironmentBroke, Refused

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

    from nightshift.monitors.kubernetes.settings import Settings

_CONNECT_S = 10.0
_LINE_BYTES = 16 << 20


class Expired(Exception):
    """410: the resource version (or the continue token) is too old, list again."""


class Missing(Exception):
    """404 or 400: there is no such thing (a log of a container that is gone)."""


@dataclass(frozen=True, kw_only=True)
class Right:
    """What a call needs: a verb on a resource of an API group, in a namespace ('' = all, or none at all)."""

    verb: str
    group: str
    resource: str
    namespace: str = ""

    def __str__(self) -> str:
        where = f"a Role in {self.namespace}" if self.namespace else "a ClusterRole"
        rule = f'- {{apiGroups: ["{self.group}"], resources: [{self.resource}], verbs: [{self.verb}]}}'
        return f"grant verb '{self.verb}' on '{self.resource}' with {where} ({rule})"


class Api:
    """One connection pool for all watches. Credentials are read again when the server does not take them any more."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._lock = settings, threading.Lock()
        self._client: ApiClient | None = None

    def get(self, path: str, right: Right, *, read_s: float, **query: Any) -> Any:
        """A response whose body is still to be read (`.data`, or `lines`).

        Raises Expired, Missing, Refused (a right or the credentials), EnvironmentBroke (anything else).
        """
        try:
            return self._ask(path, right, read_s, query)
        except _Unauthorized:
            with self._lock:
                self._client = None  # tokens rotate: the file may hold a new one by now
        try:
            return self._ask(path, right, read_s, query)
        except _Unauthorized:
            raise Refused("kubernetes does not accept the credentials (401)") from None

    def _ask(self, path: str, right: Right, read_s: float, query: dict[str, Any]) -> Any:
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        try:
            return self._connected().call_api(
                path, "GET", query_params=[(k, v) for k, v in query.items() if v not in (None, "")],
                header_params={"Accept": "application/json, */*"}, auth_settings=["BearerToken"],
                _preload_content=False, _return_http_data_only=True, _request_timeout=(_CONNECT_S, read_s),
            )  # fmt: skip
        except ApiException as error:
            raise _explained(error.status, right, str(error.reason)) from None
        except (HTTPError, OSError) as error:
            raise EnvironmentBroke(f"kubernetes is not reachable: {type(error).__name__}") from None

    def _connected(self) -> ApiClient:
        with self._lock:
            if self._client is None:
                self._client = _connect(self._settings)
            return self._client


class _Unauthorized(Exception):
    """401."""


def _explained(status: int | None, right: Right, reason: str) -> Exception:
    where = right.namespace or "all namespaces"
    if status == 410:
        return Expired()
    if status == 401:
        return _Unauthorized()
    if status == 403:
        return Refused(f"kubernetes {where}: may not {right.verb} {right.resource}: {right}")
    if status in (400, 404) and right.resource == "pods/log":
        return Missing()
    return EnvironmentBroke(
        f"kubernetes {where}: {right.verb} {right.resource} failed: {status} {redact(reason)[:200]}"
    )


def lines(response: Any) -> Iterator[bytes]:
    """Complete lines of a chunked answer, as they come. Raises Expired for a line no object can be as long as."""
    rest = bytearray()
    for chunk in response.stream(amt=None, decode_content=True):
        rest += chunk
        if b"\n" not in chunk:
            if len(rest) > _LINE_BYTES:
                raise Expired
            continue
        *whole, last = bytes(rest).split(b"\n")
        rest = bytearray(last)
        yield from (line for line in whole if line.strip())


def _connect(settings: Settings) -> ApiClient:
    """A client of its own; raises EnvironmentBroke when there is no usable configuration."""
    from kubernetes import client, config

    made = client.Configuration()
    try:
        if settings.kubeconfig:
            config.load_kube_config(
                str(settings.kubeconfig), settings.context or None, client_configuration=made, persist_config=False
            )
        else:
            config.load_incluster_config(client_configuration=made)
    except (config.ConfigException, OSError, ValueError, KeyError, TypeError) as error:
        raise EnvironmentBroke(f"kubernetes: no usable configuration: {redact(str(error))[:200]}") from None
    made.retries, made.connection_pool_maxsize = 0, 256
    return client.ApiClient(made)
