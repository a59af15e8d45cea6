"""What people do to our requests, told by a forge's webhook: they speak, push, merge, close.

A signature covers the body and nothing else, so whoever replays a delivery can give it another id (a header): what was
heard is known by its body's digest, for good, and bodies that tell of a time long past are not heard at all.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import SecretStr

from nightshift.daemon.forges import hooks_gitea, hooks_github, hooks_gitlab
from nightshift.daemon.forges.desk import PREFIX
from nightshift.daemon.forges.heard import Heard
from nightshift.daemon.kit import doors
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.redact import redact, register_secret
from nightshift.daemon.model import ForgeEvent, ForgeEventKind
from nightshift.daemon.ports import Call, Receipt, Refused

BODY_LIMIT = 4 << 20
WINDOW_S = 3600.0
"""How old what is told may be: as long as forges take to deliver again, and no longer."""
_TEXT = 500
_CALLED = re.compile(r"(?im)^\s*(?:@?nightshift)\s*:\s*(.+?)\s*$")
Reader = Callable[[Mapping[str, str], dict[str, Any]], Heard | None]
READERS: dict[str, Reader] = {"github": hooks_github.read, "gitlab": hooks_gitlab.read, "gitea": hooks_gitea.read}
_SIGNATURES = ("x-hub-signature-256", "x-gitea-signature", "x-forgejo-signature")


class ForgeHook:
    """Port `Receiver` at ``/webhooks/forges/NAME``. What means nothing to us is answered 200 with the reason."""

    methods: tuple[str, ...] = ("POST",)
    body_limit = BODY_LIMIT

    def __init__(self, name: str, kind: str, secret: SecretStr, clock: Clock, window_s: float = WINDOW_S) -> None:
        self.name = f"forges.{name}"
        self.paths: tuple[str, ...] = (f"/webhooks/forges/{name}",)
        self._forge, self._kind, self._secret = name, kind, secret
        self._clock, self._window_s = clock, window_s
        register_secret(secret.get_secret_value())

    def read(self, call: Call) -> Receipt:
        """One delivery. Raises Refused (not signed), ValueError (no JSON)."""
        if not self._admits(call):
            raise Refused(f"{self.name}: the signature or token is wrong or missing")
        heard = READERS[self._kind](call.headers, _object(call.body))
        why = "nothing that concerns a request of ours" if heard is None else self._ignored(heard)
        if heard is None or why:
            return _ignored(why)
        event = self._event(heard, hashlib.sha256(call.body).hexdigest()[:32])
        if event is None:
            return _ignored("not said to nightshift")
        return Receipt(events=[event], body={"heard": event.kind.value})

    def _admits(self, call: Call) -> bool:
        if self._kind == "gitlab":
            return doors.same(call.headers.get("x-gitlab-token", ""), self._secret)
        shown = next((call.headers[name] for name in _SIGNATURES if call.headers.get(name)), "")
        return doors.signed(call.body, shown, self._secret)

    def _ignored(self, heard: Heard) -> str:
        at_s, now_s = heard.at_s, self._clock.now_ms() / 1000
        if at_s and now_s - at_s > self._window_s:
            return f"it tells of something {(now_s - at_s) / 60:.0f} minutes ago"
        if not heard.branch.startswith(PREFIX) and not (heard.number and not heard.branch):
            return "not about a branch of ours"
        return "the branch is in a fork" if heard.source.lower() != heard.repository.lower() else ""

    def _event(self, heard: Heard, digest: str) -> ForgeEvent | None:
        said = ""
        if heard.kind is ForgeEventKind.SAID:
            found = _CALLED.search(heard.text)
            if found is None:
                return None
            said = redact(found[1])[:_TEXT]
        return ForgeEvent(
            key=f"{self._forge}:{digest}", forge=self._forge, repository=heard.repository, kind=heard.kind,
            branch=heard.branch, number=heard.number, actor=heard.actor, text=said, head=heard.head,
            at_ms=round(heard.at_s * 1000) or self._clock.now_ms(),
        )  # fmt: skip


def _ignored(why: str) -> Receipt:
    return Receipt(body={"heard": "", "ignored": why})


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("the body is no JSON; set the webhook's content type to application/json") from None
    if not isinstance(found, dict):
        raise ValueError("the body is no object")
    return found
