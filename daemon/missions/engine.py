"""The durable engine: the only module that knows DBOS. Why it was chosen and how it must be set up: docs/decisions.

Measured traps built in here: a pinned application version (an upgrade must not orphan missions), JSON values
(pickles are code), WAL, unlimited recovery attempts, workflows always enqueued, async so that waiting costs nothing.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections.abc import Callable, Coroutine, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from dbos import DBOS, SetWorkflowID
from dbos._error import DBOSNonExistentWorkflowError
from dbos._serialization import Serializer

from nightshift.daemon.missions.durable import Json, performed, valued
from nightshift.daemon.missions.heal import Heal
from nightshift.daemon.missions.operate import Operate
from nightshift.daemon.missions.steps import OPERATING, Steps
from nightshift.daemon.model import Stage
from nightshift.daemon.ports import EnvironmentBroke
from nightshift.daemon.store.database import STORE_ERRORS

if TYPE_CHECKING:
    from dbos import DBOSConfig

APPLICATION_VERSION = "missions-1"
QUEUE = "missions"
TOPIC = "signals"
POLL_S = 1.0
T = TypeVar("T")

log = logging.getLogger(__name__)


class JsonSerializer(Serializer):
    """Plain JSON; anything else is refused when it is written, not when it is read."""

    def serialize(self, data: Any) -> str:
        return json.dumps(data, default=_error)

    def deserialize(self, serialized_data: str) -> Any:
        value = json.loads(serialized_data)
        if isinstance(value, dict) and "__error__" in value:
            return RuntimeError(value["__error__"])
        return value

    def name(self) -> str:
        return "nightshift_json"


def _error(value: Any) -> Any:
    if isinstance(value, BaseException):
        return {"__error__": f"{type(value).__name__}: {value}"}
    raise TypeError(f"{type(value).__name__} is not JSON: steps take and return plain values")


class _Run:
    """`Durable` over DBOS, inside one workflow."""

    def __init__(self, lost: Callable[[str], None]) -> None:
        self._lost = lost

    async def step(self, name: str, work: Callable[..., Json], *args: Any) -> Json:
        async def in_thread() -> Json:
            return await asyncio.to_thread(performed, f"{DBOS.workflow_id}:{DBOS.step_id}", work, *args)

        return valued(await self._recorded(DBOS.run_step_async({"name": name}, in_thread)))

    async def receive(self, timeout_s: float) -> Mapping[str, str] | None:
        message = await self._recorded(DBOS.recv_async(TOPIC, timeout_seconds=timeout_s))
        return message if isinstance(message, dict) else None

    async def sleep(self, seconds: float) -> None:
        await self._recorded(DBOS.sleep_async(seconds))

    async def _recorded(self, doing: Coroutine[Any, Any, T]) -> T:
        """What can't be remembered must not be acted on: the run stops here, unfinished, and is resumed later."""
        try:
            return await doing
        except STORE_ERRORS as error:
            mission = DBOS.workflow_id or ""
            log.error("mission %s stands still, the engine's database can't be used: %s", mission, error)
            self._lost(mission)
            raise asyncio.CancelledError from error


class Engine:
    """Runs missions durably. One per process; `launch` also resumes what a killed process left."""

    def __init__(self, path: Path, node: str, steps: Steps, *, poll_s: float = POLL_S) -> None:
        _enable_wal(path)
        config: DBOSConfig = {
            "name": "nightshift",
            "system_database_url": f"sqlite:///{path}",
            "application_version": APPLICATION_VERSION,
            "executor_id": node,
            "serializer": JsonSerializer(),
            "log_level": "WARNING",
            "enable_otlp": False,
        }
        self._poll_s = poll_s
        self._lost: set[str] = set()
        DBOS(config=config)
        self._heal = _registered("heal", Heal, steps, self._lost.add)
        self._operate = _registered("operate", Operate, steps, self._lost.add)

    def launch(self) -> None:
        """Start the engine and take up unfinished missions."""
        DBOS.launch()
        DBOS.register_queue(QUEUE, polling_interval_sec=self._poll_s)

    def start(self, mission: str) -> None:
        """Get-or-create the mission's run."""
        with SetWorkflowID(mission):
            workflow = self._operate if mission.startswith(OPERATING) else self._heal
            DBOS.enqueue_workflow(QUEUE, workflow, mission)

    def signal(self, mission: str, verb: str, actor: str, reason: str, key: str = "") -> None:
        """Send a human signal to a mission, once under its key; raises KeyError when there is no such run."""
        try:
            DBOS.send(mission, {"verb": verb, "actor": actor, "reason": reason}, TOPIC, idempotency_key=key or None)
        except DBOSNonExistentWorkflowError as error:
            raise KeyError(mission) from error

    def revive(self) -> int:
        """Take up the missions whose progress could not be written down; returns how many. Raises as stores do."""
        lost = sorted(self._lost)
        for mission in lost:
            self._lost.discard(mission)
            try:
                DBOS.resume_workflow(mission)
            except STORE_ERRORS:
                self._lost.add(mission)
                raise
        return len(lost)

    def close(self, wait_s: int = 0) -> None:
        """Stop without waiting for steps under way: the next launch runs them again."""
        logging.getLogger("dbos").setLevel(logging.ERROR)  # it would warn of every run that is cut off here
        DBOS.destroy(workflow_completion_timeout_sec=wait_s)


def _registered(name: str, kind: type[Heal], steps: Steps, lost: Callable[[str], None]) -> Callable[[str], Any]:
    async def workflow(mission: str) -> Json:
        try:
            return await kind(_Run(lost), steps, mission).run()
        except Exception as error:  # a history this version can't go on with: nothing durable can be done any more
            log.exception("mission %s can't go on", mission)
            why = f"internal error: {type(error).__name__}: {error}"
            return await asyncio.to_thread(steps.finish, mission, Stage.ESCALATED.value, why)

    return DBOS.workflow(name=name, max_recovery_attempts=None)(workflow)


def _enable_wal(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
    except sqlite3.Error as error:
        raise EnvironmentBroke(f"{path}: {error}") from error
