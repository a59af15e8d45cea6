"""What may be written down of a signal: no secrets, and no more than a person would read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from nightshift.daemon.kit.redact import redact
from nightshift.daemon.model import Frame, Signal

SAMPLE_CHARS, MESSAGE_CHARS, TITLE_CHARS, LOCAL_CHARS, CODE_CHARS, NAME_CHARS = 16_384, 4_096, 300, 2_048, 500, 300
EXCERPT_CHARS = 2_048
MAX_FRAMES, MAX_LOCALS, MAX_LABELS = 64, 50, 40


def clean(signal: Signal) -> Signal:
    """The signal redacted and cut: first cut at twice the cap, so that no secret is halved at the final cut."""
    return replace(
        signal, key=signal.key[:300], title=_text(signal.title, TITLE_CHARS),
        message=_text(signal.message, MESSAGE_CHARS), sample=_text(signal.sample, SAMPLE_CHARS),
        exception=_storable(signal.exception[:NAME_CHARS]), frames=tuple(map(_frame, _middle_out(signal.frames))),
        labels=_labels(signal.labels),
    )  # fmt: skip


def title(signal: Signal) -> str:
    """A signal's title as it may be written down."""
    return _text(signal.title, TITLE_CHARS)


def excerpt(signal: Signal) -> str:
    """What is kept of one of many signals."""
    return _text(signal.sample or signal.message or signal.title, EXCERPT_CHARS)


def storable(text: str) -> str:
    """Text as a database takes it; almost all of it is so already."""
    return text if text.isascii() and "\0" not in text else _storable(text)


def _text(text: str, cap: int) -> str:
    return _storable(redact(text[: cap * 2])[:cap])


def _storable(text: str) -> str:
    """Without NUL, which PostgreSQL refuses, and lone surrogates, which are no UTF-8."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _named(name: str, value: str, cap: int) -> str:
    """A value whose name may tell that it is a secret."""
    hidden = redact(f"{name}={value[: cap * 2]}")
    return _storable(hidden.removeprefix(f"{name}=")[:cap])


def _labels(labels: Mapping[str, str]) -> dict[str, str]:
    return {_storable(k[:100]): _named(k[:100], v, NAME_CHARS) for k, v in list(labels.items())[:MAX_LABELS]}


def _frame(frame: Frame) -> Frame:
    named = tuple((_storable(k[:100]), _named(k[:100], v, LOCAL_CHARS)) for k, v in frame.locals[:MAX_LOCALS])
    return replace(frame, path=_storable(frame.path[:1000]), function=_storable(frame.function[:NAME_CHARS]),
                   code=_text(frame.code, CODE_CHARS), locals=named)  # fmt: skip


def _middle_out(frames: tuple[Frame, ...]) -> tuple[Frame, ...]:
    return frames if len(frames) <= MAX_FRAMES else frames[:16] + frames[-(MAX_FRAMES - 16) :]
