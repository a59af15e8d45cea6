"""The cluster monitor: one list+watch per resource and namespace, and a clock that ticks for all of them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from random import Random
from typing import TYPE_CHECKING

from nightshift.daemon.kit.backoff import Backoff
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.model import Service
from nightshift.daemon.ports import EnvironmentBroke, Refused, Sink
from nightshift.monitors.kubernetes.api import Api
from nightshift.monitors.kubernetes.desk import Counted, Desk, Objects
from nightshift.monitors.kubernetes.feed import Feed, States
from nightshift.monitors.kubernetes.finding import Subject
from nightshift.monitors.kubernetes.happenings import Happenings
from nightshift.monitors.kubernetes.ledger import Ledger
from nightshift.monitors.kubernetes.resources import Resource, watched
from nightshift.monitors.kubernetes.telling import Teller

if TYPE_CHECKING:
    from nightshift.monitors.kubernetes.settings import Settings

_log = logging.getLogger(__name__)
_TICK_S = 0.5
_END_S = 5.0


class KubernetesMonitor:
    """Each trouble is told once, in every state that shows it, also across relists and restarts of the daemon."""

    name = "kubernetes"

    def __init__(
        self, settings: Settings, services: Mapping[str, Service], clock: Clock, random: Random | None = None
    ) -> None:
        self._settings, self._services, self._clock, self._random = settings, services, clock, random

    def watch(self, sink: Sink, checkpoints: Mapping[str, str], stop: threading.Event) -> None:
        """Blocks until `stop`; an unreachable cluster or a missing right is a state, logged once, tried again."""
        halt, failed = threading.Event(), list[BaseException]()
        feeds = _Watch(self._settings, self._services, self._clock, self._random, checkpoints, sink, halt).feeds()
        if not feeds:
            _log.warning("kubernetes: nothing is watched: monitors.kubernetes.watch is empty")
        threads = [threading.Thread(target=_guarded, args=(f.run, failed), name=f.where, daemon=True) for f in feeds]
        for thread in threads:
            thread.start()
        try:
            while not failed and not stop.wait(_TICK_S):
                _tick(feeds)
        finally:
            halt.set()
            for thread in threads:  # one that waits for a slow answer ends with it, and tells nothing more
                thread.join(_END_S)
        if failed:
            raise failed[0]


def _tick(feeds: list[Feed]) -> None:
    """Events wait until it is known whom they are about."""
    ready = all(feed.listed for feed in feeds)
    for feed in feeds:
        if not ready and isinstance(feed.desk, Counted):
            continue
        try:
            feed.desk.tick()
        except OSError as error:  # the sink's: told by a later tick
            _log.warning("kubernetes %s: could not be delivered: %s", feed.where, str(error)[:200])


def _guarded(run: Callable[[], None], failed: list[BaseException]) -> None:
    try:
        run()
    except BaseException as error:  # noqa: BLE001 - a thread's edge; watch() raises it again
        failed.append(error)


class _Watch:
    """Everything of one run of the monitor."""

    def __init__(
        self, settings: Settings, services: Mapping[str, Service], clock: Clock, random: Random | None,
        checkpoints: Mapping[str, str], sink: Sink, stop: threading.Event,
    ) -> None:  # fmt: skip
        self._settings, self._services, self._clock, self._random = settings, services, clock, random
        self._checkpoints, self._sink, self._stop = checkpoints, sink, stop
        self._api, self._states = Api(settings), States()
        self._tell = Teller(settings, self._api, clock)
        self._objects: list[Objects] = []

    def feeds(self) -> list[Feed]:
        return [
            Feed(
                resource=resource, namespace=place, settings=self._settings, api=self._api, clock=self._clock,
                backoff=Backoff(random=self._random), desk=self._desk(resource, place), states=self._states,
                stop=self._stop,
            )
            for resource, place in watched(self._settings)
        ]  # fmt: skip

    def _desk(self, resource: Resource, place: str) -> Desk:
        name = f"kubernetes:{resource.name}:{place or '*'}"
        if resource.read is None:
            return Counted(Happenings(
                name=name, clock=self._clock, checkpoints=self._checkpoints, sink=self._sink,
                settings=self._settings, find=self._find,
            ))  # fmt: skip
        ledger = Ledger(
            name=name, clock=self._clock, checkpoints=self._checkpoints, sink=self._sink, tell=self._tell,
            lookback_s=self._settings.lookback_s,
        )  # fmt: skip
        self._objects.append(Objects(resource, self._settings, self._services, ledger))
        return self._objects[-1]

    def _find(self, uid: str) -> Subject | None:
        return next((found for o in self._objects if (found := o.subjects.get(uid)) is not None), None)


def reachable(settings: Settings) -> str:
    """What may be watched, in words, for a check by hand; raises EnvironmentBroke or Refused when that is nothing."""
    api, may, lacks = Api(settings), list[str](), list[Refused]()
    for resource, place in watched(settings):
        try:
            api.get(resource.path(place), resource.right("list", place), read_s=10.0, limit=1).close()
            may.append(f"{resource.name} in {place or 'all namespaces'}" if resource.namespaced else resource.name)
        except Refused as refused:
            lacks.append(refused)
    if not may:
        raise lacks[0] if lacks else EnvironmentBroke("kubernetes: nothing is configured to be watched")
    return "; ".join([", ".join(may), *map(str, lacks)])
