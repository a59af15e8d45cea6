"""Alerts that others already judge: Alertmanager calls us, or is asked where it can't."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from nightshift.daemon.kit import doors
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.redact import register_secret
from nightshift.daemon.model import Service
from nightshift.daemon.ports import Call, Monitor, Receipt, Receiver, Refused
from nightshift.monitors.alertmanager.message import ALERT_LIMIT, BODY_LIMIT, SERVICE_LABELS, parse_webhook

PATHS = ("/webhooks/alertmanager",)


class Settings(BaseModel):
    """Who may call the webhook, how alerts name services, and whether Alertmanager is asked besides."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    token: SecretStr | None = None
    """Bearer token a caller must show (`http_config.authorization.credentials` of the receiver)."""
    hmac_secret: SecretStr | None = None
    """Secret with which a caller must sign the body (SHA-256 HMAC in hex); with `token` too, both are wanted."""
    hmac_header: str = Field(default="x-signature-256", min_length=1)
    """Header that holds the signature."""
    anonymous: bool = False
    """Take calls without a token; without this and without token or secret every call is refused."""
    service_labels: tuple[str, ...] = Field(default=SERVICE_LABELS, min_length=1)
    """Labels that name the service; the first one set counts."""
    poll_url: str = Field(default="", pattern=r"^(https?://.+)?$")
    """Base address of an Alertmanager that is asked for its alerts, where it can't call us; '' asks nobody."""
    poll_interval_s: float = Field(default=30.0, gt=0)
    """Seconds between questions."""
    poll_timeout_s: float = Field(default=10.0, gt=0)
    """Seconds one question may take."""
    poll_token: SecretStr | None = None
    """Bearer token shown to that Alertmanager."""


def create(settings: Settings, services: Mapping[str, Service], clock: Clock) -> Monitor | None:  # noqa: ARG001
    """What asks; None when nobody is to be asked."""
    if not settings.poll_url:
        return None
    from nightshift.monitors.alertmanager.polling import Poller

    return Poller(settings, clock)


def receiver(settings: Settings, services: Mapping[str, Service], clock: Clock) -> Receiver:  # noqa: ARG001
    """What is called."""
    return Webhook(settings)


class Webhook:
    """Reads calls; HA pairs send everything twice, the signals' keys drop that."""

    name = "alertmanager"
    paths: tuple[str, ...] = PATHS
    methods: tuple[str, ...] = ("POST",)
    body_limit = BODY_LIMIT

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        for secret in (settings.token, settings.hmac_secret):
            if secret:
                register_secret(secret.get_secret_value())

    def read(self, call: Call) -> Receipt:
        """The alerts of one call. Raises Refused (wrong or missing token or signature), ValueError (wrong body)."""
        self._admit(call)
        signals = parse_webhook(call.body, self._settings.service_labels)
        return Receipt(signals=signals, body={"signals": len(signals)})

    def _admit(self, call: Call) -> None:
        given = self._settings
        if given.token and not doors.bearer(call.headers, given.token):
            raise Refused("alertmanager webhook: wrong or missing bearer token")
        if given.hmac_secret:
            shown = call.headers.get(given.hmac_header.lower(), "")
            if not doors.signed(call.body, shown, given.hmac_secret):
                raise Refused(f"alertmanager webhook: wrong or missing signature in {given.hmac_header}")
        if not (given.token or given.hmac_secret or given.anonymous):
            raise Refused("alertmanager webhook: no token is configured; set one, or `anonymous: true`")


__all__ = ["ALERT_LIMIT", "BODY_LIMIT", "PATHS", "Settings", "Webhook", "create", "parse_webhook", "receiver"]
