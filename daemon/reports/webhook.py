"""Notices as signed JSON for programs: the receiver can check who sent it, how old it is, and whether it has it."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.redact import redact, register_secret
from nightshift.daemon.model import Health
from nightshift.daemon.ports import EnvironmentBroke, Notice, Notifier, Refused
from nightshift.daemon.reports.clean import clean_json
from nightshift.daemon.reports.outgoing import Target, target

RETRYABLE = frozenset({408, 425, 429, *range(500, 600)})
"""Status codes after which the same delivery is worth another try."""


class Settings(BaseModel):
    """Where notices are posted and with what they are signed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    """The receiver; https, or http with `allow_private`."""
    secret: SecretStr
    """Key of the HMAC-SHA256 signature."""
    allow_private: bool = False
    """Also call loopback and private addresses, and plain http. Link-local ones are never called."""
    ca_file: Path | None = None
    """Certificates to verify the receiver with instead of the usual ones; verification is never off."""
    timeout_s: float = Field(default=10.0, gt=0)
    """Seconds to connect and to wait for each part of the answer."""


def create(settings: Settings, clock: Clock) -> Notifier:
    """The notifier."""
    return WebhookNotifier(settings, clock)


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """``sha256=<hex>`` over ``<timestamp>.<body>``; receivers compute the same and compare in constant time."""
    return "sha256=" + hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


class WebhookNotifier:
    """Posts ``{"key", "title", "text", "severity", "data"}``; receivers drop a key they have."""

    name = "webhook"

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        register_secret(settings.secret.get_secret_value())

    def send(self, notice: Notice) -> None:
        """Deliver once. Raises `EnvironmentBroke` to try again, `Refused` when another try can't help."""
        raw = {"key": notice.key, "title": notice.title, "text": notice.text, "severity": notice.severity}
        body = json.dumps(clean_json({**raw, "data": notice.data}), ensure_ascii=False).encode()
        status = self._post(target(self._settings.url, allow_private=self._settings.allow_private), notice.key, body)
        if status in RETRYABLE:
            raise EnvironmentBroke(f"webhook answered {status}")
        if 300 <= status < 400:
            raise Refused(f"webhook answered {status}: redirects are not followed, configure the final address")
        if status >= 400:
            raise Refused(f"webhook refused the notice: {status}")

    def _post(self, where: Target, key: str, body: bytes) -> int:
        """Post to the judged address; the certificate is checked against the host's name."""
        import ssl

        import httpx

        timestamp = str(self._clock.now_ms() // 1000)
        headers = {
            "Host": where.host_header, "Content-Type": "application/json", "User-Agent": "nightshift",
            "X-Nightshift-Key": key, "X-Nightshift-Timestamp": timestamp,
            "X-Nightshift-Signature": sign(self._settings.secret.get_secret_value(), timestamp, body),
        }  # fmt: skip
        more = {"sni_hostname": where.host} if where.scheme == "https" else {}
        ca_file = self._settings.ca_file
        try:
            verify = ssl.create_default_context(cafile=ca_file) if ca_file else True
            # trust_env off: a proxy of the environment would resolve the name again
            with (
                httpx.Client(timeout=self._settings.timeout_s, trust_env=False, verify=verify) as client,
                client.stream("POST", where.pinned_url, content=body, headers=headers, extensions=more) as answer,
            ):
                return answer.status_code
        except (httpx.HTTPError, OSError) as error:
            raise EnvironmentBroke(redact(f"webhook is not reachable: {type(error).__name__} {error}")[:300]) from None

    def probe(self) -> Health:
        """Whether the address may be called and resolves; nothing is sent."""
        try:
            where = target(self._settings.url, allow_private=self._settings.allow_private)
        except Refused as error:
            return Health(ok=False, what="webhook", detail=str(error), fix="set another url, or allow_private: true")
        except EnvironmentBroke as error:
            return Health(ok=False, what="webhook", detail=str(error), fix="check the host name and the network")
        return Health(ok=True, what="webhook", detail=f"{where.host} at {where.address}")
