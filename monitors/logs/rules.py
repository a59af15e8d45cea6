"""What users look for themselves: a regular expression, and how often within how long before it counts.

Lines are searched for the literals the expressions contain first; only lines with one are matched. Patterns that
could take more than quadratic time are refused, and only the beginning of a line is matched: logs are hostile.
"""

from __future__ import annotations

import re
import zlib
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ahocorasick_rs import BytesAhoCorasick, MatchKind

from nightshift.daemon.model import Severity, Signal
from nightshift.monitors.logs.record import read_record

if TYPE_CHECKING:
    from nightshift.daemon.kit.clock import Clock

LINE_BYTES = 1000
"""How much of a line is matched."""
_KINDS = 1000
_MAX_COST = LINE_BYTES**2
_STAMP = re.compile(
    r"^\W{0,2}(?:\d{4}[-/]\d\d[-/]\d\d[T ])?\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?Z|[+-]\d\d:?\d\d)?\W{0,2}\s+"
)
_MASK = re.compile(r"[^\s=:,;()\[\]{}'\"]*\d[^\s=:,;()\[\]{}'\"]*")
_BYTES = frozenset(range(256))
_CATEGORIES = {
    "DIGIT": frozenset(b"0123456789"), "SPACE": frozenset(b" \t\n\r\f\v"),
    "WORD": frozenset(b for b in range(256) if chr(b).isascii() and (chr(b).isalnum() or b == 95)),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Rule:
    """`count` matches within `within_s` seconds make one signal; `by_template` counts each kind of line by itself."""

    regex: str
    severity: Severity = Severity.WARNING
    title: str = ""
    service: str = ""
    count: int = 1
    within_s: float = 300.0
    by_template: bool = False


def compiled(entries: Iterable[Any], clock: Clock) -> Rules | None:
    """The rules of the settings (which are not imported here), None without any."""
    rules = tuple(
        Rule(regex=e.regex, severity=Severity(e.severity), title=e.title, service=e.service, count=e.count,
             within_s=e.within_s, by_template=e.by == "template") for e in entries
    )  # fmt: skip
    return Rules(rules, clock) if rules else None


# ------------------------------------------------------------ patterns


def checked(regex: str) -> re.Pattern[bytes]:
    """The compiled pattern. Raises ValueError, with the reason, when it is invalid or may take too long."""
    parsed = _parsed(regex)
    if parsed.getwidth()[0] == 0:
        raise ValueError(f"{regex!r} matches an empty line")
    if _cost(list(parsed), _BYTES, looped=False, regex=regex) > _MAX_COST:
        raise ValueError(f"{regex!r} has too many repetitions that may take each other's text, such as `.*.*.*`")
    return re.compile(regex.encode())


def literal(regex: str) -> bytes:
    """The longest text every match contains, b'' when there is none of three bytes."""
    runs, run = [b""], b""
    for item in _required(_parsed(regex)):
        run = run + bytes([item]) if item is not None else b""
        runs.append(run)
    best = max(runs, key=len)
    return best if len(best) >= 3 else b""


def _parsed(regex: str) -> Any:
    from re import _parser  # type: ignore[attr-defined] # the standard library's own reading of the pattern

    if not 0 < len(regex) <= 500:
        raise ValueError("a pattern has 1 to 500 characters")
    try:
        parsed = _parser.parse(regex.encode())
    except (re.error, RecursionError, OverflowError) as trouble:
        raise ValueError(f"{regex!r} is no regular expression: {trouble}") from None
    if parsed.state.flags & (re.VERBOSE | re.LOCALE):
        raise ValueError(f"{regex!r}: flags x and L are not understood")
    return parsed


def _required(parsed: Iterable[Any]) -> Iterable[int | None]:
    """The bytes of every match in order; None where anything may stand."""
    if getattr(getattr(parsed, "state", None), "flags", 0) & re.IGNORECASE:
        return
    for op, value in parsed:
        name = str(op)
        if name == "LITERAL" and value not in b'"\\\n':  # Docker's file escapes those
            yield value
        elif name == "SUBPATTERN" and not value[1]:
            yield from _required(value[3])
        elif name == "AT":
            continue
        else:
            yield None


def _cost(items: Sequence[tuple[Any, Any]], behind: frozenset[int], *, looped: bool, regex: str) -> int:
    """In how many ways a text can be shared out among repetitions that may take each other's bytes.

    `behind`: the bytes that may follow; `looped`: whether this is itself repeated. Raises ValueError.
    """
    cost = 1
    for number, (op, value) in enumerate(items):
        name = str(op)
        follows = next((s for o, v in items[number + 1 :] if (s := _first(o, v)) is not None), behind)
        if name.endswith("REPEAT"):
            least, most, body = value
            first = _first_of(body) or _BYTES
            if int(most) != least and name != "POSSESSIVE_REPEAT" and first & follows:
                if looped:
                    raise ValueError(f"{regex!r} repeats what is repeated already: that can take exponential time")
                cost *= min(int(most) - least + 1, LINE_BYTES)
            cost *= _cost(list(body), first | follows, looped=looped or int(most) > 1, regex=regex)
        elif name == "SUBPATTERN":
            cost *= _cost(list(value[3]), follows, looped=looped, regex=regex)
        elif name == "ATOMIC_GROUP":
            cost *= _cost(list(value), follows, looped=looped, regex=regex)
        elif name == "BRANCH":
            firsts = [_first_of(branch) or _BYTES for branch in value[1]]
            if looped and sum(map(len, firsts)) > len(frozenset().union(*firsts)):
                raise ValueError(f"{regex!r} repeats alternatives that begin alike: that can take exponential time")
            cost *= sum(_cost(list(branch), follows, looped=looped, regex=regex) for branch in value[1])
        elif name.startswith(("GROUPREF", "ASSERT")):
            raise ValueError(f"{regex!r}: back references and look-around are not allowed")
    return cost


def _first_of(items: Iterable[tuple[Any, Any]]) -> frozenset[int] | None:
    return next((s for op, value in items if (s := _first(op, value)) is not None), None)


def _first(op: Any, value: Any) -> frozenset[int] | None:
    """The bytes an item may begin with; None for what takes no text. What may be empty may begin with anything."""
    name = str(op)
    if name == "LITERAL":
        return frozenset((value, *bytes([value]).swapcase()))
    if name == "NOT_LITERAL":
        return _BYTES - {value}
    if name == "IN":
        return _class(value)
    if name.endswith("REPEAT"):
        return _BYTES if value[0] == 0 else _first_of(value[2])
    if name == "SUBPATTERN":
        return _first_of(value[3])
    return None if name == "AT" else _BYTES


def _class(items: Iterable[tuple[Any, Any]]) -> frozenset[int]:
    found: set[int] = set()
    negated = False
    for op, value in items:
        name = str(op)
        if name == "NEGATE":
            negated = True
        elif name == "LITERAL":
            found |= {value, *bytes([value]).swapcase()}
        elif name == "RANGE":
            found |= set(range(value[0], value[1] + 1))
        else:
            kind = str(value).removeprefix("CATEGORY_")
            bytes_ = _CATEGORIES.get(kind.removeprefix("NOT_"), _BYTES)
            found |= _BYTES - bytes_ if kind.startswith("NOT_") else bytes_
    return frozenset(_BYTES - found if negated else found)


# ------------------------------------------------------------ counting


class _Window:
    """The last matches of one kind. `more`: those since the last signal that were within its window."""

    __slots__ = ("fired_ms", "more", "times")

    def __init__(self, count: int) -> None:
        self.times: deque[int] = deque(maxlen=count)
        self.fired_ms: int | None = None
        self.more = 0

    def add(self, at_ms: int, within_ms: float) -> int:
        """How many matches a signal now stands for, 0 when it is not due."""
        if self.fired_ms is not None and 0 <= at_ms - self.fired_ms < within_ms:
            self.more += 1
            return 0
        self.times.append(at_ms)
        if len(self.times) < (self.times.maxlen or 1) or at_ms - self.times[0] > within_ms:
            return 0
        total, self.more = len(self.times) + self.more, 0
        self.fired_ms = at_ms
        self.times.clear()
        return total


class Rules:
    """All rules of a monitor, compiled; counts are shared by all its files and are not kept across restarts."""

    def __init__(self, rules: Sequence[Rule], clock: Clock) -> None:
        self._clock = clock
        self._rules = [(rule, checked(rule.regex), literal(rule.regex)) for rule in rules]
        literals = list(dict.fromkeys(text for _, _, text in self._rules if text))
        self._every = any(not text for _, _, text in self._rules)
        self._search = BytesAhoCorasick(literals or [b"\n"], matchkind=MatchKind.LeftmostFirst)
        self._windows: OrderedDict[tuple[int, str, str], _Window] = OrderedDict()

    def lines(self, buffer: bytearray, start: int, stop: int) -> Iterable[tuple[int, bytes]]:
        """The lines of `buffer[start:stop]` that may match, each once, with their places; cut to what is matched."""
        at = start
        while at < stop:
            if not self._every:
                with memoryview(buffer) as whole, whole[at:stop] as part:
                    hits = [at + first for _, first, _ in self._search.find_matches_as_indexes(part)]
                at = -1
                for hit in hits:
                    if hit >= at:
                        begin = buffer.rfind(b"\n", start, hit) + 1 or start
                        end = buffer.find(b"\n", hit, stop)
                        at = stop if end < 0 else end + 1
                        yield begin, bytes(buffer[begin : min(begin + LINE_BYTES, at)]).rstrip(b"\r\n")
                return
            end = buffer.find(b"\n", at, stop)
            end = stop if end < 0 else end
            yield at, bytes(buffer[at : min(end, at + LINE_BYTES)]).rstrip(b"\r")
            at = end + 1

    def judge(
        self, line: bytes, *, key: str, service: str, source: str, labels: Mapping[str, str],
        out: Callable[[Signal], None],
    ) -> None:  # fmt: skip
        """Match one line with every rule; a signal goes to `out` for each rule whose threshold it reaches."""
        text = ""
        for rule, pattern, needed in self._rules:
            if (needed and needed not in line) or pattern.search(line) is None:
                continue
            text = text or line.decode("utf-8", "replace")
            about, now_ms = rule.service or service, self._clock.now_ms()
            at_ms = min(read_record(text, now_ms).at_ms or now_ms, now_ms)
            kind = template(text) if rule.by_template else ""
            number = zlib.crc32(rule.regex.encode())
            total = self._window(number, about, kind, rule.count).add(at_ms, rule.within_s * 1000)
            if total:
                out(Signal(
                    key=f"{key}:rule:{number:08x}", source=source, service=about, title=_title(rule, text, total),
                    at_ms=at_ms, kind="pattern", severity=rule.severity, message=text, sample=text,
                    labels={**labels, "rule": rule.title or rule.regex, **({"template": kind} if kind else {})},
                    count=total, last_at_ms=at_ms,
                ))  # fmt: skip

    def _window(self, number: int, service: str, kind: str, count: int) -> _Window:
        window = self._windows.setdefault((number, service, kind), _Window(count))
        self._windows.move_to_end((number, service, kind))
        while len(self._windows) > _KINDS * max(1, len(self._rules)):
            self._windows.popitem(last=False)
        return window


def template(text: str) -> str:
    """The kind of a line: every token with a digit in it, as times, ids and addresses are, counts as the same."""
    return _MASK.sub("*", _STAMP.sub("", text, count=1))[:300]


def _title(rule: Rule, text: str, total: int) -> str:
    said = rule.title or template(text)
    return said[:200] if total == 1 else f"{said[:180]} ({total} times)"
