"""The list+watch of one resource in one namespace: nothing missed, nothing kept of an object but its digest."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

import orjson

from nightshift.daemon.kit.backoff import Backoff
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.redact import redact
from nightshift.daemon.ports import EnvironmentBroke, Refused
from nightshift.monitors.interrupt import Interrupt
from nightshift.monitors.kubernetes.api import Api, Expired, Missing, lines
from nightshift.monitors.kubernetes.desk import Desk
from nightshift.monitors.kubernetes.resources import Resource
from nightshift.monitors.kubernetes.subject import uid_of
from nightshift.monitors.shapes import rows, table, text

if TYPE_CHECKING:
    from nightshift.monitors.kubernetes.settings import Settings

_log = logging.getLogger(__name__)


class States:
    """Each state of the world is one line in the log, however many watches meet it and how often."""

    def __init__(self) -> None:
        self._now: dict[str, str] = {}
        self._lock = threading.Lock()

    def say(self, who: str, state: str) -> None:
        """`state`: what is wrong; '' = it works."""
        with self._lock:
            before, others = self._now.get(who), set(self._now.values())
            self._now[who] = state
        if state and state not in others:
            _log.warning("%s", state)
        elif not state and before != "":
            _log.info("kubernetes %s: watching", who)


class Feed:
    """Runs in a thread of its own until `stop`."""

    def __init__(
        self, *, resource: Resource, namespace: str, settings: Settings, api: Api, clock: Clock, backoff: Backoff,
        desk: Desk, states: States, stop: threading.Event,
    ) -> None:  # fmt: skip
        self.where = f"{resource.name} in {namespace}" if namespace else resource.name
        self.desk, self.listed = desk, False
        self._resource, self._namespace, self._settings, self._api = resource, namespace, settings, api
        self._clock, self._backoff, self._states, self._stop = clock, backoff, states, stop
        self._interrupt = Interrupt(stop, f"kubernetes-{resource.name}")
        self._version, self._paged = "", True

    def run(self) -> None:
        """Blocks until `stop`; whatever is wrong with the world is a state, said once and tried again."""
        while not self._stop.is_set():
            try:
                self._cycle()
            except Expired:
                _log.info("kubernetes %s: the watch expired (410), listing again", self.where)
                self._version = ""
                self._stop.wait(self._backoff.next_s())
            except (EnvironmentBroke, Refused) as trouble:
                self._pause(str(trouble))
            except OSError as error:  # the sink's: what it did not take is seen again
                self._pause(f"kubernetes {self.where}: could not be delivered: {error}"[:300])

    def _pause(self, state: str) -> None:
        if not self._stop.is_set():
            self._states.say(self.where, state)
            self.listed = True  # as far as it may; others need not wait for it
            self._stop.wait(self._backoff.next_s())

    def _cycle(self) -> None:
        if not self._version:
            self._relist()
        while not self._stop.is_set():
            start = self._clock.monotonic()
            self._follow()
            if self._clock.monotonic() - start < 1:  # a proxy that ends every watch at once
                self._stop.wait(self._backoff.next_s())

    # ------------------------------------------------------------ list

    def _relist(self) -> None:
        alive: set[str] = set()
        token: str | None = None
        while not self._stop.is_set():
            page = self._page(token)
            things = rows(page.get("items"))
            self.desk.observe(things)
            alive.update(uid_of(thing) for thing in things)
            meta = table(page, "metadata")
            version, token = text(meta.get("resourceVersion")) or "0", text(meta.get("continue"))
            if not token:
                self._complete(alive, version)
                return

    def _page(self, token: str | None) -> Any:
        limit = self._settings.page if self._paged else None
        try:
            answer = self._get("list", self._settings.timeout_s, limit=limit, **({"continue": token} if token else {}))
            page = self._read(answer)
        except Expired:
            self._paged = False  # the pages came too slowly for the server: all in one, next time
            raise
        if not isinstance(page, dict):
            raise EnvironmentBroke(f"kubernetes {self.where}: the list is no list")
        return page

    def _read(self, answer: Any) -> Any:
        from urllib3.exceptions import HTTPError

        try:
            return orjson.loads(answer.data)
        except orjson.JSONDecodeError:
            raise EnvironmentBroke(f"kubernetes {self.where}: the list is not JSON") from None
        except (HTTPError, OSError) as error:
            raise EnvironmentBroke(f"kubernetes {self.where}: the list broke off ({type(error).__name__})") from None
        finally:
            answer.close()

    def _complete(self, alive: set[str], version: str) -> None:
        self.desk.keep(alive)
        self.desk.seen(now=not self.listed)
        if not alive and not self.listed and self._resource.name == "pods":
            chosen = self._settings.label_selector or self._settings.field_selector
            _log.info("kubernetes %s: there are none%s yet", self.where, f" that match {chosen}" * bool(chosen))
        self._version, self._paged, self.listed = version, True, True

    # ------------------------------------------------------------ watch

    def _follow(self) -> None:
        """One watch until the server ends it. Raises Expired on 410, EnvironmentBroke when the line drops."""
        from urllib3.exceptions import HTTPError, ReadTimeoutError

        watch_s = self._settings.watch_s
        response = self._get(
            "watch", watch_s + min(30.0, watch_s), watch="true", allowWatchBookmarks="true",
            resourceVersion=self._version, timeoutSeconds=round(watch_s) or 1,
        )  # fmt: skip
        self._states.say(self.where, "")
        try:
            with self._interrupt.guarding(response.shutdown):
                self._lines(response)
        except ReadTimeoutError:
            _log.debug("kubernetes %s: a silent watch is opened again", self.where)
        except HTTPError as error:
            raise EnvironmentBroke(f"kubernetes {self.where}: the watch broke ({type(error).__name__})") from None
        finally:
            response.close()

    def _lines(self, response: Any) -> None:
        for line in lines(response):
            if self._stop.is_set():
                return
            self._event(line)

    def _event(self, line: bytes) -> None:
        try:
            event = orjson.loads(line)
            kind, thing = event["type"], event["object"]
            meta = thing.get("metadata")
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            raise EnvironmentBroke(f"kubernetes {self.where}: the watch sent something that is no event") from None
        if kind == "ERROR":
            if thing.get("code") == 410:
                raise Expired
            raise EnvironmentBroke(f"kubernetes {self.where}: {redact(text(thing.get('message')))[:200]}")
        self._backoff.reset()
        if kind in ("ADDED", "MODIFIED"):
            self.desk.observe([thing])
        elif kind == "DELETED":
            self.desk.gone([thing])
        self._version = text(table(meta).get("resourceVersion")) or self._version
        self.desk.seen()

    def _get(self, verb: str, read_s: float, **query: Any) -> Any:
        path, right = self._resource.path(self._namespace), self._resource.right(verb, self._namespace)
        if self._resource.selected:
            query["labelSelector"] = self._settings.label_selector
        if self._resource.name == "pods":
            query["fieldSelector"] = self._settings.field_selector
        elif self._resource.name == "events":
            query["fieldSelector"] = "type=Warning"
        try:
            return self._api.get(path, right, read_s=read_s, **query)
        except Missing:
            raise EnvironmentBroke(f"kubernetes {self.where}: the API server does not have them") from None
