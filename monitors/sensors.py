"""What sensors elsewhere have seen: lines of JSON, one a signal, under the name the sensor's token stands for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.redact import register_secret
from nightshift.daemon.model import Service, Signal, load
from nightshift.daemon.ports import Call, Receipt, Receiver, Refused
from nightshift.monitors import doors
from nightshift.monitors.unpack import unpack

PATHS = ("/api/signals",)
BODY_LIMIT, UNPACKED_LIMIT, SIGNAL_LIMIT = 4 << 20, 32 << 20, 20_000
VERSION = 1
_FUTURE_MS = 300_000


class Sensor(BaseModel):
    """One that may forward."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    """Its name; it becomes the label `sensor`."""
    token: SecretStr
    """What it must show."""


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
    return Forwarded(settings, clock)


class Forwarded:
    """Port `Receiver`. Keys get the sensor's name in front: the same path on two machines is two files."""

    name = "sensors"
    paths: tuple[str, ...] = PATHS
    methods: tuple[str, ...] = ("POST",)
    body_limit = BODY_LIMIT

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._clock = clock
        self._known = {sensor.name: sensor.token for sensor in settings.known}
        for sensor in settings.known:
            register_secret(sensor.token.get_secret_value())

    def read(self, call: Call) -> Receipt:
        """One batch. Raises Refused (unknown sensor, wrong token), ValueError (not understood)."""
        name = call.headers.get("x-nightshift-sensor", "")
        token = self._known.get(name)
        if token is None or not doors.bearer(call.headers, token):
            raise Refused("sensors: unknown sensor, or wrong or missing token")
        lines = unpack(call.body, call.headers.get("content-encoding", ""), UNPACKED_LIMIT).splitlines()
        _check(lines)
        signals = [self._signal(line, name) for line in lines[1:] if line.strip()]
        return Receipt(signals=signals, body={"signals": len(signals)})

    def _signal(self, line: bytes, name: str) -> Signal:
        try:
            signal = load(Signal, json.loads(line))
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"a signal can't be read: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        except (ValueError, RecursionError):
            raise ValueError("a line is no JSON") from None
        if not (signal.key and signal.source and signal.service and signal.title) or signal.count < 1:
            raise ValueError("a signal without key, source, service, title or count")
        at_ms = max(0, min(signal.at_ms, self._clock.now_ms() + _FUTURE_MS))
        labels = {**signal.labels, "sensor": name}
        return replace(signal, key=f"{name}/{signal.key}", at_ms=at_ms, labels=labels)


def _check(lines: list[bytes]) -> None:
    """Raises ValueError unless the first line is a header this version understands."""
    try:
        head = json.loads(lines[0]) if lines else None
    except (ValueError, RecursionError):
        head = None
    if not isinstance(head, dict) or head.get("version") != VERSION:
        raise ValueError(f"the first line must be a header of version {VERSION}; is the sensor newer?")
    if len(lines) > SIGNAL_LIMIT + 1:
        raise ValueError(f"{len(lines) - 1} signals; at most {SIGNAL_LIMIT} are read")
