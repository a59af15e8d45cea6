"""What sensors elsewhere have seen: lines of JSON, one a signal, under the name the sensor's token stands for.

A sensor that has nothing to forward says so now and then; one that says nothing at all is an incident.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import replace
from weakref import WeakKeyDictionary

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from nightshift.daemon.kit import doors
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.redact import register_secret
from nightshift.daemon.model import Service, Severity, Signal, load
from nightshift.daemon.ports import Call, Monitor, Receipt, Receiver, Refused, Sink
from nightshift.monitors.unpack import unpack

PATHS = ("/api/signals",)
BODY_LIMIT, UNPACKED_LIMIT, SIGNAL_LIMIT, LINE_LIMIT = 4 << 20, 32 << 20, 20_000, 1 << 20
VERSION = 1
_FUTURE_MS = 300_000
_COUNT_MOST = 1_000_000_000
_LOOK_S = 5.0


class Sensor(BaseModel):
    """One that may forward."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    """Its name; it becomes the label `sensor`."""
    token: SecretStr
    """What it must show."""
    silent_s: float = Field(default=180.0, ge=0)
    """Without a word for so long it is an incident of kind `blind`; 0: never. Sensors speak every `heartbeat_s`."""


class Settings(BaseModel):
    """Which sensors may forward."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    known: tuple[Sensor, ...] = Field(min_length=1)
    """The sensors; names must differ."""

    @field_validator("known")
    @classmethod
    def _names_differ(cls, known: tuple[Sensor, ...]) -> tuple[Sensor, ...]:
        names = [sensor.name for sensor in known]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two sensors are called {twice[0]!r}")
        return known


def receiver(settings: Settings, services: Mapping[str, Service], clock: Clock) -> Receiver:  # noqa: ARG001
    """What is called."""
    return Forwarded(settings, clock, _heard_by(settings))


def create(settings: Settings, services: Mapping[str, Service], clock: Clock) -> Monitor:  # noqa: ARG001
    """What notices silence."""
    return Silence(settings, clock, _heard_by(settings))


Heard = dict[str, float]
"""Sensor → when it was last heard, in monotonic seconds."""

_heard: WeakKeyDictionary[Settings, Heard] = WeakKeyDictionary()


def _heard_by(settings: Settings) -> Heard:
    """Receiver and monitor are made apart from each other; their configuration is what they share."""
    return _heard.setdefault(settings, {})


class Forwarded:
    """Port `Receiver`. Keys get the sensor's name in front: the same path on two machines is two files."""

    name = "sensors"
    paths: tuple[str, ...] = PATHS
    methods: tuple[str, ...] = ("POST",)
    body_limit = BODY_LIMIT

    def __init__(self, settings: Settings, clock: Clock, heard: Heard) -> None:
        self._clock, self._heard = clock, heard
        self._known = {sensor.name: sensor.token for sensor in settings.known}
        for sensor in settings.known:
            register_secret(sensor.token.get_secret_value())

    def read(self, call: Call) -> Receipt:
        """One batch; of another version: 415. Raises Refused (unknown sensor, wrong token), ValueError (not
        understood)."""
        name = call.headers.get("x-nightshift-sensor", "")
        token = self._known.get(name)
        if token is None or not doors.bearer(call.headers, token):
            raise Refused("sensors: unknown sensor, or wrong or missing token")
        self._heard[name] = self._clock.monotonic()
        lines = unpack(call.body, call.headers.get("content-encoding", ""), UNPACKED_LIMIT).splitlines()
        version = _version(lines)
        if version != VERSION:
            return Receipt(status=415, body={"error": f"version {VERSION} is understood here, not {version}"})
        signals = [self._signal(line, name) for line in lines[1:] if line.strip()]
        return Receipt(signals=signals, body={"signals": len(signals)})

    def _signal(self, line: bytes, name: str) -> Signal:
        if len(line) > LINE_LIMIT:
            raise ValueError(f"a signal of {len(line)} bytes; at most {LINE_LIMIT} are read")
        try:
            signal = load(Signal, json.loads(line))
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"a signal can't be read: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        except (ValueError, RecursionError):
            raise ValueError("a line is no JSON") from None
        if not (signal.key and signal.source and signal.service and signal.title):
            raise ValueError("a signal without key, source, service or title")
        if not 1 <= signal.count <= _COUNT_MOST:
            raise ValueError(f"a signal that counts {signal.count}")
        latest_ms = self._clock.now_ms() + _FUTURE_MS
        return replace(signal, key=f"{name}/{signal.key}", labels={**signal.labels, "sensor": name},
                       at_ms=max(0, min(signal.at_ms, latest_ms)),
                       last_at_ms=max(0, min(signal.last_at_ms, latest_ms)))  # fmt: skip


def _version(lines: list[bytes]) -> object:
    """Of the header in the first line. Raises ValueError when it is none, and for too many lines."""
    try:
        head = json.loads(lines[0]) if lines else None
    except (ValueError, RecursionError):
        head = None
    if not isinstance(head, dict) or not isinstance(head.get("version"), int):
        raise ValueError("the first line must be a header with a version")
    if len(lines) > SIGNAL_LIMIT + 1:
        raise ValueError(f"{len(lines) - 1} signals; at most {SIGNAL_LIMIT} are read")
    return head["version"]


class Silence:
    """Port `Monitor`: who should speak and does not. What was said survives a restart, so that it is taken back."""

    name = "sensors"

    def __init__(self, settings: Settings, clock: Clock, heard: Heard) -> None:
        self._clock, self._heard, self._begun_s = clock, heard, clock.monotonic()
        self._limits = {sensor.name: sensor.silent_s for sensor in settings.known if sensor.silent_s}
        self._said_ms: dict[str, int] = {}

    def watch(self, sink: Sink, checkpoints: Mapping[str, str], stop: threading.Event) -> None:
        """Blocks until `stop`."""
        self._said_ms = {name: int(checkpoints.get(f"sensors:{name}", "0")) for name in self._limits}
        while not stop.wait(_LOOK_S):
            self.look(sink)

    def look(self, sink: Sink) -> None:
        """Say who has fallen silent and who speaks again."""
        for name, limit_s in self._limits.items():
            silent_s = self._clock.monotonic() - max(self._heard.get(name, self._begun_s), self._begun_s)
            said_ms = self._said_ms.get(name, 0)
            if silent_s >= limit_s and not said_ms:
                now_ms = self._clock.now_ms()
                text = f"sensor {name} has said nothing for {silent_s:.0f} s; what its logs hold is not seen"
                self._say(sink, name, now_ms, self._signal(name, now_ms, text))
            elif said_ms and name in self._heard and silent_s < limit_s:
                ended = self._signal(name, said_ms, f"sensor {name} speaks again", resolved=True)
                self._say(sink, name, 0, ended)

    def _say(self, sink: Sink, name: str, said_ms: int, signal: Signal) -> None:
        sink([signal], {f"sensors:{name}": str(said_ms)})
        self._said_ms[name] = said_ms

    def _signal(self, name: str, said_ms: int, message: str, *, resolved: bool = False) -> Signal:
        return Signal(
            key=f"sensors:{name}:{'over' if resolved else 'silent'}:{said_ms}", source="sensors", service="nightshift",
            title=f"sensor {name} is silent", at_ms=self._clock.now_ms(), kind="blind", severity=Severity.WARNING,
            message=message, labels={"sensor": name}, resolved=resolved,
        )  # fmt: skip
