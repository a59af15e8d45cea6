"""The container monitor: follows the engine's events from where it left off, and looks for itself after an absence.

The engine remembers its last 256 events only (health checks alone fill that in minutes), so after an absence the
containers are looked at as well; both ways lead to the same key.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Any

from nightshift.daemon.kit.backoff import Backoff
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.model import Service, Signal
from nightshift.daemon.ports import EnvironmentBroke, Sink
from nightshift.monitors.docker import engine as engines
from nightshift.monitors.docker.loops import Loops
from nightshift.monitors.docker.memory import load
from nightshift.monitors.docker.telling import Told, resolved, telling
from nightshift.monitors.docker.whom import Whom, listed
from nightshift.monitors.interrupt import Interrupt
from nightshift.monitors.shapes import number, rows, table, text, texts, unix_ms

if TYPE_CHECKING:
    from docker import APIClient

    from nightshift.monitors.docker.settings import Settings

_log = logging.getLogger(__name__)
_AFTER, _MEMORY = "docker:after_ns", "docker:memory"
_ASKED = frozenset({"2", "3", "9", "15"})
_ASKED_CODES = frozenset({130, 131, 137, 143})
_ASKED_NS, _STARVED_NS = 600 * 10**9, 10 * 10**9
_KILLED = 137
_TICK_S = 1.0
_EARLY_MS = 1000


class DockerMonitor:
    """An engine that is away, or restarts, is a state: logged once, and what happened meanwhile is caught up with."""

    name = "docker"

    def __init__(
        self, settings: Settings, services: Mapping[str, Service], clock: Clock, random: Random | None = None
    ) -> None:
        self._settings, self._services, self._clock = settings, services, clock
        self._backoff = Backoff(random=random)

    def watch(self, sink: Sink, checkpoints: Mapping[str, str], stop: threading.Event) -> None:
        """Blocks until `stop`."""
        run = _Run(self._settings, self._services, self._clock, sink, checkpoints, stop)
        ticker = threading.Thread(target=run.ticking, name="docker-ticks", daemon=True)
        ticker.start()
        try:
            while not stop.is_set():
                self._follow(run, stop)
                stop.wait(self._backoff.next_s())
        finally:
            if stop.is_set():
                ticker.join()
                run.tick(all_of_them=True)

    def _follow(self, run: _Run, stop: threading.Event) -> None:
        try:
            run.follow(self._backoff)
        except engines.troubles() as trouble:
            if not self._backoff.tries and not stop.is_set():
                _log.warning("the container engine is away, will keep trying: %s", str(trouble)[:200])


class _Run:
    """What is remembered between reconnections. The lock keeps events and ticks apart."""

    def __init__(
        self, settings: Settings, services: Mapping[str, Service], clock: Clock, sink: Sink,
        checkpoints: Mapping[str, str], stop: threading.Event,
    ) -> None:  # fmt: skip
        self._settings, self._clock, self._sink, self._stop = settings, clock, sink, stop
        self._whom, self._loops = Whom(settings, services), Loops(settings, clock)
        saved = checkpoints.get(_AFTER, "")
        self._after_ns = int(saved) if saved.isascii() and saved.isdigit() else 0
        self._saved = checkpoints.get(_MEMORY, "")
        self._memory = load(self._saved)
        self._interrupt = Interrupt(stop, "docker")
        self._seen: deque[tuple[int, str, str]] = deque(maxlen=1024)
        self._lock = threading.Lock()
        self._said_none = False

    def follow(self, backoff: Backoff) -> None:
        """Catch up, then follow until the stream ends. Raises as `engine.troubles` when the engine is away."""
        with engines.connected(self._settings) as engine:
            self._catch_up(engine)
            if backoff.tries:
                _log.info("the container engine answers again")
                backoff.reset()
            stream = engines.events(engine, self._after_ns)
            with self._interrupt.guarding(stream.close):
                for event in stream:
                    self._event(engine, event)
        if not self._stop.is_set():
            raise EnvironmentBroke("its event stream ended")

    # ------------------------------------------------------------ delivery

    def _deliver(self, signals: Sequence[Signal], after_ns: int) -> None:
        """Signals, place and memory become durable together, or all is as before. Raises as the sink does."""
        memory = self._memory.dump()
        marks = {_AFTER: str(after_ns), **({_MEMORY: memory} if memory != self._saved else {})}
        try:
            self._sink(signals, marks)
        except BaseException:  # not told: it comes again, and must then mean the same
            self._memory = load(self._saved)
            raise
        self._saved, self._after_ns = memory, after_ns

    def ticking(self) -> None:
        """Until `stop`: restart loops that are due are told although nothing new happens."""
        while not self._stop.wait(_TICK_S):
            self.tick()

    def tick(self, *, all_of_them: bool = False) -> None:
        """Tell the loops that are due, or all that wait."""
        with self._lock:
            due = self._loops.due(self._memory, all_of_them=all_of_them)
            try:
                if due:
                    self._deliver(due, self._after_ns)
            except Exception as error:  # noqa: BLE001 - a thread's edge; they still wait, in memory and on record
                _log.warning("a restart loop could not be delivered, will try again: %s", str(error)[:200])

    # ------------------------------------------------------------ events

    def _event(self, engine: APIClient, event: object) -> str:
        """Tell what an event means; returns the container's id if it died."""
        at_ns, action = number(table(event).get("timeNano")), text(table(event).get("Action"))
        actor = table(event, "Actor")
        container, attributes = text(actor.get("ID")), texts(actor.get("Attributes"))
        died = container if action == "die" else ""
        if (at_ns, container, action) in self._seen or not self._whom.ours(attributes):
            return died
        with self._lock:
            told = Told(engine=engine, container=container, attributes=attributes, at_ns=at_ns)
            signals = self._meaning(told, action)
            self._deliver(signals, max(self._after_ns, at_ns))
        self._seen.append((at_ns, container, action))
        return died

    def _meaning(self, told: Told, action: str) -> list[Signal]:
        memory, container = self._memory, told.container
        if action == "start":
            memory.began[container] = told.at_ns
            memory.restarts[container] = number(engines.inspected(told.engine, container).get("RestartCount"))
            memory.starved.pop(container, None)
        elif action == "kill":
            if told.attributes.get("signal", "9") in _ASKED:
                memory.asked[container] = told.at_ns  # somebody stops it on purpose: what follows is no crash
        elif action == "destroy":
            return self._destroyed(container, told.at_ns // 10**6)
        elif action == "oom":
            return self._starved(told)
        elif action == "die":
            return self._died(told)
        elif action.startswith("health_status"):
            return self._health(told, action.partition(":")[2].strip())
        return []

    def _destroyed(self, container: str, at_ms: int) -> list[Signal]:
        ill = self._memory.unhealthy.get(container)
        waiting = self._loops.of(self._memory, container)
        self._memory.forget(container)
        return [*waiting, *([resolved(ill, at_ms)] if ill else [])]

    def _starved(self, told: Told) -> list[Signal]:
        """Some process of it was killed for its memory: perhaps not the one whose end is the container's."""
        before = self._memory.starved.get(told.container, 0)
        self._memory.starved[told.container] = told.at_ns
        if before and told.at_ns - before < _STARVED_NS:  # the kernel tells the same kill more than once
            return []
        return self._loops.add(self._memory, told.container, self._signal(told, "oom", repeated=bool(before)))

    def _died(self, told: Told) -> list[Signal]:
        memory, code = self._memory, number(told.attributes.get("exitCode"))
        asked_ns, starved_ns = memory.asked.pop(told.container, 0), memory.starved.pop(told.container, 0)
        asked = asked_ns and told.at_ns - asked_ns < _ASKED_NS
        signals = []
        if code and not asked and not (starved_ns and code == _KILLED):
            signals = self._loops.add(memory, told.container, self._signal(told, "exit"))
        memory.began.pop(told.container, None)
        memory.ended[told.container] = told.at_ns
        return signals

    def _signal(self, told: Told, kind: str, *, repeated: bool = False) -> Signal:
        state = table(engines.inspected(told.engine, told.container), "State")
        code = number(told.attributes.get("exitCode"))
        if kind == "exit" and state.get("OOMKilled") is True and code == _KILLED:
            kind = "oom"
        began_ms, at_ms = self._memory.began.get(told.container, 0) // 10**6, told.at_ns // 10**6
        started = text(state.get("StartedAt"))
        shown = 0 < unix_ms(started) <= at_ms  # else that run is over, and this is the start of the next one
        run = started if shown and not repeated else str(told.at_ns)
        since_ms = max(0, (unix_ms(started) if shown else began_ms) - _EARLY_MS)  # it writes before it counts as begun
        since_ms = max(since_ms, self._memory.ended.get(told.container, 0) // 10**6 + 1)
        return telling(
            told, kind=kind, key=f"docker:{told.container}:{kind}:{run}", whom=self._whom, settings=self._settings,
            clock=self._clock, since_ms=since_ms,
        )  # fmt: skip

    def _health(self, told: Told, status: str) -> list[Signal]:
        memory, container = self._memory, told.container
        if status == "unhealthy" and container not in memory.unhealthy:
            signal = telling(
                told, kind="unhealthy", key=f"docker:{container}:unhealthy:{told.at_ns}", whom=self._whom,
                settings=self._settings, clock=self._clock, since_ms=max(0, told.at_ns // 10**6 - 600_000),
            )  # fmt: skip
            memory.unhealthy[container] = {
                "key": signal.key, "service": signal.service, "title": signal.title, "labels": dict(signal.labels),
            }  # fmt: skip
            return [signal]
        if status == "healthy" and (ill := memory.unhealthy.pop(container, None)) is not None:
            return [resolved(ill, told.at_ns // 10**6)]
        return []

    # ------------------------------------------------------------ after an absence

    def _catch_up(self, engine: APIClient) -> None:
        """Everything up to now: the events the engine still has, then what it has forgotten the events of."""
        now_ns = unix_ms(table(engine.info()).get("SystemTime")) * 1_000_000
        if not now_ns:
            raise EnvironmentBroke("it does not say what time it is")
        died: Counter[str] = Counter()
        if self._after_ns:
            died.update(filter(None, (self._event(engine, e) for e in engines.events(engine, self._after_ns, now_ns))))
        answer = engine.containers(all=True)
        ours = {uid: attributes for uid, attributes in listed(answer).items() if self._whom.ours(attributes)}
        self._say_none(ours)
        with self._lock:
            signals = [
                s for uid in set(self._memory.unhealthy) - set(ours) for s in self._destroyed(uid, now_ns // 10**6)
            ]
            self._memory.keep(ours)
            for row in rows(answer):
                if (uid := text(row.get("Id"))) in ours:
                    told = Told(engine=engine, container=uid, attributes=ours[uid], at_ns=now_ns)
                    signals += [*self._forgotten(told, row, died[uid]), *self._health(told, _health_of(row))]
            # a second of overlap, because an event may be published a little after its time; _seen drops the doubles
            self._deliver(signals, max(self._after_ns, now_ns - 10**9))

    def _say_none(self, ours: Mapping[str, object]) -> None:
        if not ours and not self._said_none:
            self._said_none = True
            _log.warning(
                "docker: no container belongs to a known service yet: name services, label containers "
                "nightshift.service=NAME, or set monitors.docker.every_container"
            )

    def _forgotten(self, told: Told, row: Mapping[str, Any], died: int) -> list[Signal]:
        """Deaths of one container since the checkpoint that no event told of."""
        look = engines.inspected(told.engine, told.container)
        state, count = table(look, "State"), number(look.get("RestartCount"))
        before = self._memory.restarts.get(told.container, 0)
        self._memory.restarts[told.container] = count
        at_ms = unix_ms(state.get("FinishedAt"))
        if not self._after_ns or at_ms * 1_000_000 <= self._after_ns:
            return []
        if row.get("State") in ("exited", "dead", "restarting"):
            return [] if died else self._dead(told, state, at_ms)
        missed = count - before - died
        if missed < 1:
            return []
        told = told.at(at_ms * 1_000_000)
        key = f"docker:{told.container}:exit:{text(state.get('StartedAt'))}:restarts"
        return [
            telling(told, kind="restarts", key=key, whom=self._whom, settings=self._settings, clock=self._clock,
                    since_ms=self._after_ns // 10**6, count=missed)
        ]  # fmt: skip

    def _dead(self, told: Told, state: Mapping[str, Any], at_ms: int) -> list[Signal]:
        code, starved = number(state.get("ExitCode")), state.get("OOMKilled") is True
        asked = code in _ASKED_CODES and not starved  # whether somebody stopped it isn't recorded anywhere
        if not code or asked:
            return []
        told = told.at(at_ms * 1_000_000, exitCode=str(code))
        return self._loops.add(self._memory, told.container, self._signal(told, "exit"))


def _health_of(row: Mapping[str, Any]) -> str:
    status = text(row.get("Status"))
    return next((word for word in ("unhealthy", "healthy") if f"({word})" in status), "")


def reachable(settings: Settings) -> str:
    """Which engine answers, in words, for a check by hand; raises EnvironmentBroke."""
    try:
        with engines.connected(settings) as engine:
            return f"Docker {engine.version()['Version']}"
    except engines.troubles() as error:
        raise EnvironmentBroke(str(error)[:200]) from None
