"""Notices in a Slack channel, through an incoming webhook: Block Kit within its limits, nobody pinged by a log line."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.redact import redact, register_secret
from nightshift.daemon.model import Health
from nightshift.daemon.ports import EnvironmentBroke, Notice, Notifier, Refused
from nightshift.daemon.reports.clean import clean_text, one_line
from nightshift.daemon.reports.outgoing import target
from nightshift.daemon.reports.webhook import RETRYABLE

if TYPE_CHECKING:
    from slack_sdk.webhook import WebhookClient

HEADER_LIMIT, SECTION_LIMIT, BLOCK_LIMIT = 150, 3000, 50
"""Block Kit's limits in characters of a header, characters of a section's text, blocks of a message."""
_SIGNS = {"info": "🌙", "warning": "✋", "error": "🆘", "critical": "🆘"}
_log = logging.getLogger("nightshift.slack.client")
_log.setLevel(logging.CRITICAL)  # the client writes the secret address into its log


class Settings(BaseModel):
    """The incoming webhook."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: SecretStr
    """The webhook's address; whoever has it can post, so it is a secret."""
    allow_private: bool = False
    """Also call loopback and private addresses and plain http (Slack-compatible servers in your own network)."""
    timeout_s: int = Field(default=10, ge=1)
    """Seconds one delivery may wait."""
    buttons: bool = False
    """Add buttons to notices that wait for a person; the Slack app has to send them to `/hooks/slack`
    (`runbooks.slack`)."""


def create(settings: Settings, clock: Clock) -> Notifier:  # noqa: ARG001
    """The notifier."""
    return SlackNotifier(settings)


class SlackNotifier:
    """Posts to one channel. Slack knows no idempotency keys: the outbox sends each notice once."""

    name = "slack"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        register_secret(settings.url.get_secret_value())

    def send(self, notice: Notice) -> None:
        """Deliver. Raises `EnvironmentBroke` to try again, `Refused` when Slack won't ever take it."""
        url = self._settings.url.get_secret_value()
        target(url, allow_private=self._settings.allow_private)
        fallback = escape(clean_text(f"{one_line(notice.title)}\n{notice.text}"))[:SECTION_LIMIT]
        try:
            answer = _client(url, self._settings.timeout_s).send(text=_whole(fallback), blocks=self._blocks(notice))
        except (OSError, ValueError) as error:
            raise EnvironmentBroke(redact(f"slack is not reachable: {type(error).__name__} {error}")[:300]) from None
        if answer.status_code in RETRYABLE:
            raise EnvironmentBroke(f"slack answered {answer.status_code}")
        if answer.status_code != 200 or answer.body.strip() != "ok":
            raise Refused(redact(f"slack refused the notice: {answer.status_code} {one_line(answer.body)}")[:200])

    def _blocks(self, notice: Notice) -> list[dict[str, Any]]:
        blocks = blocks_of(notice)
        mission = notice.data.get("mission")
        waits = any(mark in notice.key for mark in (":waiting:", ":asks:"))
        if not (self._settings.buttons and mission and waits):
            return blocks
        return [*blocks[: BLOCK_LIMIT - 1], buttons_of(str(mission))]

    def probe(self) -> Health:
        """Whether the address may be called and resolves; nothing is posted."""
        try:
            where = target(self._settings.url.get_secret_value(), allow_private=self._settings.allow_private)
        except (Refused, EnvironmentBroke) as error:
            return Health(ok=False, what="slack", detail=redact(str(error)), fix="check the webhook's address")
        return Health(ok=True, what="slack", detail=f"{where.host} at {where.address}")


def blocks_of(notice: Notice) -> list[dict[str, Any]]:
    """A header and one section per paragraph, within Block Kit's limits; what does not fit is counted."""
    title = one_line(clean_text(f"{_SIGNS.get(notice.severity, '🌙')} {notice.title}"))
    head = {"type": "plain_text", "text": _whole(escape(title)[:HEADER_LIMIT])}
    blocks: list[dict[str, Any]] = [{"type": "header", "text": head}]
    sections = [
        {"type": "section", "text": {"type": "mrkdwn", "text": piece, "verbatim": True}}
        for piece in _pieces(clean_text(notice.text, 200_000))
    ]
    room = BLOCK_LIMIT - len(blocks)
    if len(sections) > room:
        left = len(sections) - (room - 1)
        more = {"type": "context", "elements": [{"type": "mrkdwn", "text": f"… {left} more"}]}
        return blocks + sections[: room - 1] + [more]
    return blocks + sections


def buttons_of(mission: str) -> dict[str, Any]:
    """Approve and reject, as the daemon's `/hooks/slack` understands them."""

    def button(verb: str, style: str) -> dict[str, Any]:
        text = {"type": "plain_text", "text": verb.capitalize()}
        return {"type": "button", "text": text, "style": style, "action_id": f"nightshift:{verb}", "value": mission}

    return {"type": "actions", "elements": [button("approve", "primary"), button("reject", "danger")]}


def escape(text: str) -> str:
    """Text without mentions, channel calls or links: the three characters Slack's documentation names are escaped."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _pieces(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n{2,}", text.strip()):
        rest = escape(paragraph.strip())
        while rest:
            piece = _whole(rest[:SECTION_LIMIT])
            yield piece
            rest = rest[len(piece) :]


def _whole(text: str) -> str:
    """The text without an entity that was cut in half at its end."""
    return re.sub(r"&[a-z]{0,3}$", "", text) or text


def _client(url: str, timeout_s: int) -> WebhookClient:
    """Slack's own client, made to follow no redirect and to leave retries to the outbox."""
    import urllib.request

    from slack_sdk.webhook import WebhookClient, WebhookResponse

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object, **__: object) -> None:
            return None

    class Straight(WebhookClient):
        def _perform_http_request_internal(self, url: str, req: urllib.request.Request) -> WebhookResponse:
            opener = urllib.request.build_opener(Stay, urllib.request.ProxyHandler(_proxies(self.proxy)))
            with opener.open(req, timeout=self.timeout) as answer:
                body = answer.read(65536).decode("utf-8", "replace")
                return WebhookResponse(url=url, status_code=answer.status, body=body, headers=dict(answer.headers))

    return Straight(url, timeout=timeout_s, retry_handlers=[], logger=_log)


def _proxies(proxy: str | None) -> dict[str, str]:
    return {"http": proxy, "https": proxy} if proxy else {}
