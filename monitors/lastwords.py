"""What a dead container said last: the end of its log, and the exception it died of, if the log ends with one."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace

from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.model import Signal

_AFTER_LINES = 40


@dataclass(frozen=True, kw_only=True)
class LastWords:
    """The end of a log as text, and the crash told in it (None: it ends without one)."""

    sample: str = ""
    crash: Signal | None = None


def last_words(raw: bytes, *, service: str, clock: Clock, name: str, most: int = 65536) -> LastWords:
    """Read the end of a finished log. A trace with more than 40 lines behind it was survived: it is no crash.

    Traces go through the pipeline that reads log files, so the same defect has the same frames, wherever it is seen.
    """
    from nightshift.monitors.logs import read_signals

    raw = raw.replace(b"\r\n", b"\n")  # what a terminal adds
    sample = raw[-most:].decode("utf-8", "replace")
    told = [s for s in read_signals(io.BytesIO(raw), service=service, clock=clock, name=name) if s.kind == "crash"]
    if not told or not told[-1].exception or _lines_behind(sample, told[-1]) > _AFTER_LINES:
        return LastWords(sample=sample)
    return LastWords(sample=sample, crash=told[-1])


def _lines_behind(text: str, crash: Signal) -> int:
    """Lines after the one that names the exception; of a trace that names it first, its frames are among them."""
    said = f"{crash.exception}: {crash.message}".partition("\n")[0]
    at = max(text.rfind(said if crash.message else crash.exception), text.rfind(crash.exception))
    return max(0, text.count("\n", at) - 1 - len(crash.frames)) if at >= 0 else 0


def with_last_words(signal: Signal, words: LastWords, *, blame: bool = True) -> Signal:
    """The signal with the log's end as its sample and, where the code is to `blame`, what it died of."""
    crash = words.crash
    if crash is None or not blame:
        return replace(signal, sample=words.sample or signal.sample)
    traced = {k: v for k, v in crash.labels.items() if k != "log"}
    return replace(
        signal, sample=words.sample, exception=crash.exception, frames=crash.frames, title=crash.title,
        message=crash.message, labels={**traced, **signal.labels, "state": signal.message[:500]},
    )  # fmt: skip
