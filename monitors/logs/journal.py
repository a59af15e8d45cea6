"""The systemd journal as a source, asked through `journalctl`: what a service prints line by line is put together
again, what it logs as one entry is one piece, and a cursor says where to go on."""

from __future__ import annotations

import fnmatch
import logging
import re
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.model import Signal
from nightshift.monitors.logs.output import Output
from nightshift.monitors.logs.rules import compiled
from nightshift.monitors.logs.scan import Prefilter

if TYPE_CHECKING:
    from nightshift.daemon.kit.clock import Clock
    from nightshift.monitors.logs.settings import Journal, Settings

_log = logging.getLogger(__name__)
_FIELDS = (
    "MESSAGE", "PRIORITY", "_PID", "_STREAM_ID", "_HOSTNAME", "_SYSTEMD_UNIT", "_SYSTEMD_USER_UNIT",
    "SYSLOG_IDENTIFIER", "CONTAINER_NAME", "CONTAINER_ID_FULL",
)  # fmt: skip
_LABELS = {"_HOSTNAME": "host", "CONTAINER_NAME": "container", "CONTAINER_ID_FULL": "container_id"}
_LINE_BYTES = 16 << 20
_STREAMS = 256
_TRAIL = 100_000
_LEVELS = ("EMERG", "ALERT", "CRITICAL", "ERROR", "WARNING")
_LEVEL = re.compile(r"\b(emerg|alert|crit|critical|fatal|panic|err|error|warn|warning|notice|info|debug|trace)\b", re.I)
_CURSOR = re.compile(r"s=([0-9a-f]+);i=([0-9a-f]+);")


class EntryClock:
    """Time as the entries tell it: what was logged while we were down happened then, not now."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self.entry_ms = clock, 0

    def now_ms(self) -> int:
        return self.entry_ms or self._clock.now_ms()

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def sleep(self, seconds: float) -> None:
        self._clock.sleep(seconds)


class _Stream:
    """What one writer says: its entries as one text, and which entry each offset of the text comes from."""

    def __init__(self, output: Output) -> None:
        self.output = output
        self._starts: deque[tuple[int, str]] = deque()
        self._found: list[Signal] = []

    def add(self, data: bytes, name: str, *, whole: bool) -> int:
        """One more entry; the offset behind it."""
        scanner = self.output.scanner
        self._name_found()
        while len(self._starts) > 1 and self._starts[1][0] <= scanner.resume_at():
            self._starts.popleft()
        self._starts.append((scanner.read_at(), name))
        self.output.feed(data, whole=whole)
        return scanner.read_at()

    def take(self) -> list[Signal]:
        """Signals, named after the entry they begin in, so that reading it again counts once."""
        self._name_found()
        found, self._found = self._found, []
        return found

    def _name_found(self) -> None:
        self._found += [replace(found, key=self._named(found.key)) for found in self.output.take()]

    def _named(self, key: str) -> str:
        offset, named = int(key.rpartition(":")[2]), ""
        for start, name in self._starts:
            if start > offset and named:
                break
            named = f"{name}:{max(0, offset - start)}"
        return named or key


class JournalReader:
    """Reads `journalctl -o json`. `cursor` is the last entry behind which nothing is open."""

    def __init__(self, settings: Settings, journal: Journal, clock: Clock) -> None:
        self._settings, self._journal, self._clock = settings, journal, EntryClock(clock)
        self._prefilter = Prefilter(errors=settings.errors, rules=compiled(settings.rules, clock))
        self.key = "logs:journal:" + stable_id("j", journal.program, *journal.arguments)
        self._cursor = ""
        self._line = bytearray()
        self._streams: OrderedDict[tuple[str, ...], _Stream] = OrderedDict()
        self._trail: deque[tuple[str, _Stream | None, int]] = deque(maxlen=_TRAIL)
        self._found: list[Signal] = []
        self._heard, self._said = False, ""

    def load(self, checkpoints: Mapping[str, str]) -> None:
        """Go on where an earlier life stopped."""
        self._cursor = checkpoints.get(self.key, "")

    def argv(self) -> Sequence[str]:
        """From behind the cursor; without one from the end, or from the start when asked to."""
        if not self._heard and "cursor" in self._said:
            _log.warning("%s: going on from the end of the journal (%s)", self._journal.program, self._said)
            self._cursor = ""
        self._line.clear()
        self._trail.clear()
        self._streams.clear()
        self._heard, self._said = False, ""
        where = ["--after-cursor", self._cursor, "--no-tail"] if self._cursor else []
        first = ["--no-tail"] if self._settings.from_start else ["--lines=0"]
        return [self._journal.program, "--follow", "--output=json", "--all", "--no-pager", "--quiet",
                f"--output-fields={','.join(_FIELDS)}", *(where or first), *self._journal.arguments]  # fmt: skip

    def feed(self, data: bytes) -> None:
        """Bytes of JSON lines."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._entry(bytes(self._line + line))
            self._line.clear()
        if len(self._line) < _LINE_BYTES:
            self._line += rest

    def _entry(self, line: bytes) -> None:
        import orjson

        try:
            entry = orjson.loads(line)
        except ValueError:
            entry = None
        if not isinstance(entry, dict) or not isinstance(entry.get("__CURSOR"), str):
            self._say(line[:300].decode("utf-8", "replace"))
            return
        self._heard = True
        self._take_in(entry)

    def _say(self, text: str) -> None:
        if text.strip() and text != self._said:
            self._said = text
            _log.warning("%s says: %s", self._journal.program, text)

    def _take_in(self, entry: Mapping[str, Any]) -> None:
        cursor, unit = entry["__CURSOR"], text_of(entry.get("_SYSTEMD_USER_UNIT") or entry.get("_SYSTEMD_UNIT"))
        service = self._service(unit)
        text = text_of(entry.get("MESSAGE"))
        if not service or not text:
            self._trail.append((cursor, None, 0))
            return
        stamp = text_of(entry.get("__REALTIME_TIMESTAMP"))
        self._clock.entry_ms = int(stamp) // 1000 if stamp.isdecimal() else 0
        stream = self._stream(service, unit, entry)
        data = (_leveled(text, text_of(entry.get("PRIORITY"))) + "\n").encode("utf-8", "surrogateescape")
        found = _CURSOR.match(cursor)
        name = f"journal-{found[1]}:{int(found[2], 16)}" if found else stable_id("journal", cursor)
        end = stream.add(data, name, whole="\n" in text)
        self._trail.append((cursor, stream, end))

    def _service(self, unit: str) -> str:
        for pattern, service in self._journal.units.items():
            if fnmatch.fnmatchcase(unit, pattern):
                return service
        return self._journal.service

    def _stream(self, service: str, unit: str, entry: Mapping[str, Any]) -> _Stream:
        key = (service, unit, *(text_of(entry.get(field)) for field in ("_STREAM_ID", "_PID", "CONTAINER_ID_FULL")))
        stream = self._streams.get(key)
        if stream is None:
            labels = {label: text_of(entry[field]) for field, label in _LABELS.items() if entry.get(field)}
            name = unit or text_of(entry.get("SYSLOG_IDENTIFIER")) or "journal"
            output = Output(self._settings, self._prefilter, self._clock, service=service,
                            source=f"logs:journal:{name}", identity="journal",
                            labels={"log": f"journal:{name}", "unit": unit, **labels})  # fmt: skip
            stream = self._streams[key] = _Stream(output)
            if len(self._streams) > _STREAMS:
                _, oldest = self._streams.popitem(last=False)
                oldest.output.settle(over=True)
                self._found += oldest.take()
        self._streams.move_to_end(key)
        return stream

    def due_s(self) -> float:
        """When silence next closes something."""
        return min((stream.output.due_s() for stream in self._streams.values()), default=float("inf"))

    def settle(self, *, over: bool = False) -> None:
        """Close what silence has ended."""
        for stream in self._streams.values():
            stream.output.settle(over=over)

    def take(self) -> list[Signal]:
        """What was found since the last call."""
        found, self._found = self._found, []
        for stream in self._streams.values():
            found += stream.take()
        return found

    def checkpoints(self) -> dict[str, str]:
        """The cursor of the last entry before the oldest open event."""
        while self._trail:
            cursor, stream, end = self._trail[0]
            if stream is not None and not stream.output.idle and end > stream.output.scanner.resume_at():
                break
            self._cursor = cursor
            self._trail.popleft()
        return {self.key: self._cursor} if self._cursor else {}


def text_of(value: Any) -> str:
    """A field of the journal: text, or a list of bytes when it is no UTF-8, or a list of values."""
    if isinstance(value, list):
        if value and all(isinstance(one, int) and 0 <= one < 256 for one in value):
            return bytes(value).decode("utf-8", "replace")
        return text_of(value[0]) if value else ""
    return value if isinstance(value, str) else ""


def _leveled(text: str, priority: str) -> str:
    """The message with its priority in words, where that is bad and the message itself names no level."""
    first = text.partition("\n")[0]
    if len(priority) == 1 and "0" <= priority <= "4" and not _LEVEL.search(first[:200]) and not _is_trace(first):
        return f"{_LEVELS[int(priority)]}: {text}"
    return text


def _is_trace(line: str) -> bool:
    return line[:1] in (" ", "\t", "") or line.startswith(("Traceback", "Caused by", "goroutine ", "The above"))
