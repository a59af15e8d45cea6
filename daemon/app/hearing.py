"""What people do on a forge reaches the mission it is about: as the same signals that the command line sends."""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from nightshift.daemon.kit.addresses import repository_of
from nightshift.daemon.model import (
    ENDS,
    ChangeRequest,
    ChangeState,
    ForgeEvent,
    ForgeEventKind,
    Mission,
    Service,
    Stage,
)
from nightshift.daemon.ports import Forge, Refused
from nightshift.daemon.store.store import Store

log = logging.getLogger(__name__)
_REMEMBERED = 10_000
_UNDO = "-undo"
_ORDER = re.compile(r"(approve|reject|pause|resume)\b[\s:,.!-]*(.*)", re.IGNORECASE | re.DOTALL)
Signal = Callable[[str, str, str, str, str], None]
"""(mission, verb, actor, reason, key); raises KeyError, Refused."""


@dataclass(frozen=True, kw_only=True)
class _About:
    service: Service
    request: ChangeRequest
    mission: Mission


class Hearing:
    """From events of forges to signals. An event is heard once; whoever may not write to a repository is not heard."""

    def __init__(self, services: Mapping[str, Service], store: Store, forge: Forge, signal: Signal) -> None:
        self._services, self._store, self._forge, self._signal = services, store, forge, signal
        self._heard: OrderedDict[str, None] = OrderedDict()

    def __call__(self, events: Sequence[ForgeEvent]) -> None:
        """Act on events. Raises EnvironmentBroke: the forge could not be asked, nothing was taken."""
        for event in events:
            if event.key in self._heard:
                continue
            self._hear(event)
            self._heard[event.key] = None
            while len(self._heard) > _REMEMBERED:
                self._heard.popitem(last=False)

    def _hear(self, event: ForgeEvent) -> None:
        about = self._about(event)
        if about is None:
            log.info("%s told of %s #%d, which is none of ours", event.forge, event.branch, event.number)
            return
        verb, reason = self._meant(event, about)
        if not verb:
            return
        try:
            self._signal(about.mission.id, verb, f"{event.actor} on {event.forge}", reason, event.key)
        except (Refused, KeyError) as refused:
            log.info("%s by %s was not done: %s", verb, event.actor, refused)
            if event.kind is ForgeEventKind.SAID:
                self._forge.comment(about.service, about.request.key, event.key, f"Not done: {refused}")

    def _about(self, event: ForgeEvent) -> _About | None:
        """Whose request it is. Only the repository that told counts: no other can speak for a service."""
        for service in self._services.values():
            if service.forge != event.forge or repository_of(service.repo).lower() != event.repository.lower():
                continue
            for request in self._forge.list(service):
                if request.branch == event.branch or (not event.branch and request.number == event.number):
                    mission = self._store.missions.get(request.key.removesuffix(_UNDO))
                    if mission and mission.service == service.name:
                        return _About(service=service, request=request, mission=mission)
        return None

    def _meant(self, event: ForgeEvent, about: _About) -> tuple[str, str]:
        """(verb, reason); ('', '') when it means nothing: the mission is over, or what happened was our own doing."""
        if event.kind is ForgeEventKind.SAID:
            return self._spoken(event, about)
        own = about.request.key.endswith(_UNDO) or about.mission.stage in ENDS
        now = None if own else self._forge.find(about.service, about.request.key)
        if now is None or now.state is not ChangeState.OPEN:
            return "", ""
        where = f"#{about.request.number}"
        if event.kind is ForgeEventKind.PUSHED:
            theirs = self._forge.pushed_by_people(about.service, about.request.key, event.head)
            return ("take_over", f"pushed {event.head[:12]} to {event.branch}") if theirs else ("", "")
        if event.kind is ForgeEventKind.MERGED:
            waits = about.mission.stage is Stage.AWAITING_APPROVAL
            return ("merged", f"merged {where}") if waits else ("", "")
        return "reject", f"closed {where}"

    def _spoken(self, event: ForgeEvent, about: _About) -> tuple[str, str]:
        if not self._forge.may_steer(about.service, event.actor):
            log.warning("%s may not write to %s and is not heard: %s", event.actor, event.repository, event.text[:200])
            return "", ""
        found = _ORDER.match(event.text.strip())
        if found:
            return found[1].lower(), found[2].strip() or f"said on #{about.request.number}"
        return "redirect", event.text.strip()
