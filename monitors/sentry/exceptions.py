"""The exceptions of an event, named as their language prints them: SDKs take names apart differently than traces do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nightshift.daemon.kit.frames import in_app
from nightshift.daemon.model import Frame
from nightshift.monitors.logs.traceback import MAX_FRAMES, Raised
from nightshift.monitors.sentry.recorded import locals_of

MAX_VALUES, MESSAGE_CHARS, PATH_CHARS, NAME_CHARS = 20, 4000, 300, 200
_OUTERMOST = 16
_COLUMNS = frozenset(("node", "javascript"))
_QUALIFIED = frozenset(("python", "java"))
_CAUSES = frozenset(("cause", "__cause__", "__context__", "InnerException"))
_NET_NAME = re.compile(r"([^\s(]+)(?:\(|$)")


@dataclass(kw_only=True)
class Thrown(Raised):
    """One exception; columns stand beside the frames (0: unknown)."""

    columns: list[int] = field(default_factory=list)


def thrown(event: Mapping[str, Any], platform: str) -> list[Thrown]:
    """Causes first, then what was raised, then the members of a group."""
    values = _values(event.get("exception"))[:MAX_VALUES]
    meta = _values(obj(event.get("_meta")).get("exception"), meta=True)
    groups, found = _groups(values), []
    for number, value in enumerate(values):
        mechanism = obj(value.get("mechanism"))
        if mechanism.get("type") == "suppressed":
            continue
        one = _one(value, meta[number] if number < len(meta) else {}, platform)
        one.member = _member(mechanism, groups)
        if not one.empty():
            found.append(one)
    return sorted(found, key=lambda one: one.member)


def obj(value: object) -> dict[str, Any]:
    """An object as it is, anything else as an empty one."""
    return value if isinstance(value, dict) else {}


def _one(value: Mapping[str, Any], meta: Mapping[str, Any], platform: str) -> Thrown:
    found = obj(value.get("stacktrace")).get("frames")
    marks = obj(obj(meta.get("stacktrace")).get("frames"))
    frames = list(enumerate(found)) if isinstance(found, list) else []
    frames = [pair for pair in frames if isinstance(pair[1], dict)]
    if len(frames) > MAX_FRAMES:
        frames = [*frames[:_OUTERMOST], *frames[_OUTERMOST - MAX_FRAMES :]]
    return Thrown(
        exception=_type(value, platform), message=str(value.get("value") or "")[:MESSAGE_CHARS],
        frames=[_frame(frame, marks.get(str(number)) if marks else None, platform) for number, frame in frames],
        columns=[_positive(frame.get("colno")) for _, frame in frames] if platform in _COLUMNS else [],
    )  # fmt: skip


def _frame(frame: Mapping[str, Any], meta: object, platform: str) -> Frame:
    path = _path(frame, platform)
    own = in_app(path) and frame.get("in_app") is not False
    return Frame(
        path=path, line=_positive(frame.get("lineno")), function=_function(frame, platform),
        code=str(frame.get("context_line") or "").strip()[:500],
        locals=locals_of(frame, meta, python=platform == "python") if own else (),
    )  # fmt: skip


def _positive(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**9 else 0


def _path(frame: Mapping[str, Any], platform: str) -> str:
    """What a trace names: Java's the file alone, others' the path; of a very long one its end."""
    named = frame.get("filename") if platform == "java" else frame.get("abs_path") or frame.get("filename")
    path = str(named or "" if platform == "java" else named or frame.get("module") or "")
    if path[:1] == "/" and len(path) <= PATH_CHARS and "\n" not in path:
        return path
    return path.removeprefix("file://").removeprefix("app:///").replace("\n", " ")[-PATH_CHARS:]


def _type(value: Mapping[str, Any], platform: str) -> str:
    """Elsewhere the type is whole, and `module` an assembly or a namespace that is part of it already."""
    kind, module = str(value.get("type") or "")[:300], str(value.get("module") or "")[:300]
    dotted = platform in _QUALIFIED and kind and module and module not in ("builtins", "__main__")
    return f"{module}.{kind}"[:300] if dotted else kind


# ---------------------------------------------------------------- names of functions


def _function(frame: Mapping[str, Any], platform: str) -> str:
    name, named = str(frame.get("function") or "")[:300], _NAMES.get(platform)
    if named:
        name = named(name, frame)
    return name.replace("\n", " ")[:NAME_CHARS]


def _module(frame: Mapping[str, Any]) -> str:
    return str(frame.get("module") or "")[:300]


def _python(name: str, _: Mapping[str, Any]) -> str:
    """SDKs send qualified names, tracebacks show the last part: `Cart.total`, `total.<locals>.<lambda>`."""
    return f"<{name.rpartition('<')[2]}" if name.endswith(">") else name.rpartition(".")[2]


def _dotted(name: str, frame: Mapping[str, Any]) -> str:
    module = _module(frame)
    return f"{module}.{name}" if module and name else name


def _node(name: str, _: Mapping[str, Any]) -> str:
    """SDKs write `?` for what V8 calls anonymous or does not name."""
    return "" if name in ("?", "<anonymous>") else re.sub(r"\?$", "<anonymous>", name)


def _net(name: str, frame: Mapping[str, Any]) -> str:
    """`Price`, or what the SDK calls enhanced: `decimal Acme.Shop.Cart.Price(string sku)`."""
    found = _NET_NAME.search(name.partition("(")[0].rpartition(" ")[2] or name)
    short, module = found[1] if found else name, _module(frame)
    return short if "." in short.strip(".") or not module else f"{module}.{short}"


def _ruby(name: str, frame: Mapping[str, Any]) -> str:
    module = _module(frame)
    return f"{module}#{name}" if module and name else name


def _php(name: str, _: Mapping[str, Any]) -> str:
    return name.replace("::", "->")


_NAMES = {
    "python": _python, "java": _dotted, "go": _dotted, "node": _node, "javascript": _node, "csharp": _net,
    "ruby": _ruby, "php": _php,
}  # fmt: skip


# ---------------------------------------------------------------- how exceptions belong together


def _values(found: object, *, meta: bool = False) -> list[dict[str, Any]]:
    """SDKs send `{values: [...]}`, some a list, old ones one object; `_meta` numbers its values."""
    if isinstance(found, dict):
        inner = found.get("values", None if meta else [found] if found.get("type") or found.get("value") else [])
        if meta and isinstance(inner, dict):
            return [obj(inner.get(str(n))) for n in range(MAX_VALUES)]
        found = inner
    return [value for value in found if isinstance(value, dict)] if isinstance(found, list) else []


def _groups(values: list[dict[str, Any]]) -> frozenset[int]:
    mechanisms = (obj(value.get("mechanism")) for value in values)
    return frozenset(
        m["exception_id"] for m in mechanisms if m.get("is_exception_group") and _number(m.get("exception_id"))
    )


def _member(mechanism: Mapping[str, Any], groups: frozenset[int]) -> int:
    parent, own = mechanism.get("parent_id"), mechanism.get("exception_id")
    if str(mechanism.get("source")) in _CAUSES or not _number(parent) or not isinstance(own, int) or not _number(own):
        return 0
    return own if parent in groups else 0


def _number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
