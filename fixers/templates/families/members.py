"""The wrong one of two like-named members: `delta.seconds` leaves out the days that `delta.total_seconds()` has."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nightshift.fixers.templates.kinds import kinds_of
from nightshift.fixers.templates.site import Site, in_annotation, is_load, operand
from nightshift.fixers.templates.source import Edit

TEMPLATE = "member"
_DATE = "year month day weekday() isoweekday() isoformat() isocalendar() toordinal() timetuple() ctime()"
_TIME = "hour minute second microsecond"
_PATH = (
    "name stem suffix suffixes parent parents parts anchor root drive exists() is_file() is_dir() resolve() "
    "absolute() as_posix() as_uri() iterdir() read_text() read_bytes()"
)
_MEMBERS: dict[str, tuple[str, ...]] = {
    kind: tuple(text.split())
    for kind, text in {
        "timedelta": "days seconds microseconds total_seconds()",
        "date": _DATE,
        "datetime": f"{_DATE} {_TIME} date() time() timetz() timestamp() utctimetuple()",
        "time": f"{_TIME} isoformat()",
        "PosixPath": _PATH,
        "WindowsPath": _PATH,
        "PurePosixPath": _PATH,
        "Decimal": "normalize() to_integral_value() to_integral_exact() is_zero() is_nan() is_signed() adjusted()",
        "Fraction": "numerator denominator limit_denominator()",
        "deque": "pop() popleft() copy() clear()",
        "Counter": "keys() values() items() elements() most_common() total()",
        "str": "lower() upper() casefold() swapcase() isupper() islower() strip() lstrip() rstrip() split() rsplit() "
        "splitlines() isdigit() isdecimal() isnumeric() isalpha() isalnum()",
        "bytes": "lower() upper() strip() lstrip() rstrip() split() rsplit() splitlines() isdigit() isalnum() hex()",
    }.items()
}
_GROUPS = (
    "year month day", "hour minute second microsecond", "date() time()", "name stem suffix",
    "numerator denominator", "days seconds microseconds", "pop() popleft()", "keys() values() items()",
    "exists() is_file() is_dir()", "elements() most_common() items()", "isdigit() isdecimal() isnumeric()",
)  # fmt: skip
_BESIDE = {name: group.split() for group in _GROUPS for name in group.split()}
_NAMED = {"timedelta": ("timedelta", "datetime"), "PosixPath": ("Path",), "Fraction": ("Fraction",)}
_WORD = re.compile(r"\w+")


def edits(site: Site) -> Iterator[Edit]:
    """Another member of the type seen there, called where it is a method."""
    node, parent = site.node, site.parent
    if not isinstance(node, ast.Attribute) or not is_load(node) or in_annotation(site.source, node):
        return
    called = isinstance(parent, ast.Call) and parent.func is node
    if called and (parent.args or parent.keywords):  # type: ignore[union-attr]
        return
    own = f"{node.attr}()" if called else node.attr
    options: dict[str, float] = {}
    for kind in _types(site, node, own):
        for other in _MEMBERS[kind]:
            weight = _likeness(own, other)
            if weight:
                options[other] = max(options.get(other, 0.0), weight)
    for other, weight in options.items():
        whole = parent if called else node
        text = f"{operand(site.text(node.value), 18)}.{other}"
        yield from site.replace(text, TEMPLATE, weight, node=whole)


def _types(site: Site, node: ast.Attribute, own: str) -> list[str]:
    """Types seen of the value that have the member; where none were, types that the file names and no other has it."""
    seen = kinds_of(node.value, site.known)
    if seen:
        return [kind for kind in sorted(seen) if own in _MEMBERS.get(kind, ())]
    having = [kind for kind, members in _MEMBERS.items() if own in members and kind in _NAMED]
    words = set(_WORD.findall(site.source.text)) if having else set()
    return [kind for kind in having if words & set(_NAMED[kind])]


def _likeness(own: str, other: str) -> float:
    """How easily one is taken for the other."""
    one, two = own.rstrip("()"), other.rstrip("()")
    if one == two:
        return 0.0
    if len(min(one, two, key=len)) > 2 and (one in two or two in one):
        return 0.85 if len(one) < len(two) else 0.6
    return 0.45 if other in _BESIDE.get(own, ()) else 0.0
