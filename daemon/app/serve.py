"""The daemon's life: everything is started in order of need and stopped in reverse. SIGTERM checkpoints and exits 0."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial

from nightshift.daemon.app import compose
from nightshift.daemon.app.books import Bookshelf
from nightshift.daemon.app.channels import notifiers
from nightshift.daemon.app.control import Control
from nightshift.daemon.app.dispatch import Dispatcher
from nightshift.daemon.app.lock import sole_owner
from nightshift.daemon.app.logs import configure
from nightshift.daemon.app.outbox import Outbox
from nightshift.daemon.app.reporting import Reporting
from nightshift.daemon.app.upkeep import forget, heard, upkeep
from nightshift.daemon.config import Config
from nightshift.daemon.eyes import monitors
from nightshift.daemon.intake.intake import Intake
from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.kit.ending import busy, leave, until_told
from nightshift.daemon.kit.redact import redact
from nightshift.daemon.missions.engine import Engine
from nightshift.daemon.missions.parts import Parts
from nightshift.daemon.missions.steps import Steps
from nightshift.daemon.ports import EnvironmentBroke, Monitor, Refused
from nightshift.daemon.store.store import Store
from nightshift.monitors.rewatch import watch_on

log = logging.getLogger(__name__)
NODE = "node-1"
_STOP_S = 5.0


def serve(config: Config, make_steps: Callable[[Parts], Steps] = Steps, over: threading.Event | None = None) -> int:
    """Run until SIGTERM or SIGINT; 0 after an orderly end, 2 when the state folder belongs to another daemon, 3 when
    something it needs to begin is not there.

    With a step still under way the process ends here, as kill -9 would end it: the step runs again at the next start.
    """
    over = over or until_told()
    configure()
    status = _serve(config, make_steps, over)
    if busy():
        leave(status)
    return status


def _serve(config: Config, make_steps: Callable[[Parts], Steps], over: threading.Event) -> int:
    try:
        with sole_owner(config.state_dir), running(config, make_steps) as control:
            control.serve(over)
    except (Refused, EnvironmentBroke) as error:
        print(f"nightshift run: {redact(str(error))}", file=sys.stderr)
        return 2 if isinstance(error, Refused) else 3
    log.info("stopped; unfinished missions go on at the next start")
    return 0


@contextmanager
def running(config: Config, make_steps: Callable[[Parts], Steps]) -> Iterator[Control]:
    """Everything but the HTTP server."""
    with ExitStack() as stack:
        store = Store.open(config.store_path)
        stack.callback(store.close)
        clock, stop = SystemClock(), threading.Event()
        sandboxes = compose.sandboxes(config)
        stack.callback(sandboxes.close)
        channels = notifiers(config, clock)
        outbox = Outbox(store, channels, clock)
        shelf = Bookshelf(config, store, clock, tuple(channels.values()))
        parts = compose.parts(config, store, clock, sandboxes, shelf, list(channels), outbox.wake)
        steps = make_steps(parts)
        engine = Engine(config.state_dir / "missions.db", NODE, steps)
        engine.launch()
        stack.callback(engine.close)
        desk = compose.desk(config, parts, engine.start)
        dispatcher = Dispatcher(store, engine, clock, desk.for_incident)
        intake = compose.intake(config, store, clock, dispatcher.incident, list(channels))
        dispatcher.resume()
        intake.pending()
        reporting = Reporting(config, store, clock, list(channels), outbox.wake)
        stack.enter_context(reporting.scheduled())
        chores: dict[str, Callable[[], object]] = {
            "reap sandboxes whose owners are gone": sandboxes.reap,
            "forget old signals": partial(forget, store, clock),
            "go on with missions whose progress could not be written": engine.revive,
            "start missions that could not be started": dispatcher.start_waiting,
            "end storms that are over, raise alerts that never stopped": intake.tidy,
            "announce incidents that have no mission": lambda: len(intake.pending()),
            "ask Prometheus for runbooks": lambda: heard(intake, desk.signals()),
        }
        work: dict[str, Callable[[threading.Event], None]] = {"outbox": outbox.run, "upkeep": partial(upkeep, chores)}
        watching = monitors(config, clock)
        stack.callback(_stop_threads, stop, outbox, _start(work, watching, intake, store, stop))
        log.info("watching %d service(s) with %s", len(config.services), ", ".join(watching) or "no monitor")
        if not (config.services and watching):
            log.warning("nothing can be seen: name services and their logs in the configuration")
        yield Control(config, store, engine, sandboxes, intake, shelf, desk, parts.forge)


def _start(
    work: Mapping[str, Callable[[threading.Event], None]],
    watching: Mapping[str, Monitor],
    intake: Intake,
    store: Store,
    stop: threading.Event,
) -> list[threading.Thread]:
    threads = [threading.Thread(target=run, args=(stop,), name=name, daemon=True) for name, run in work.items()]
    for name, monitor in watching.items():
        target = partial(watch_on, monitor, intake, store.offsets.all, stop)
        threads.append(threading.Thread(target=target, name=f"monitor-{name}", daemon=True))
    for thread in threads:
        thread.start()
    return threads


def _stop_threads(stop: threading.Event, outbox: Outbox, threads: list[threading.Thread]) -> None:
    """Threads that don't end in time are left: what they had taken is durable, what they had not comes again."""
    stop.set()
    outbox.wake()
    deadline = time.monotonic() + _STOP_S
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
