"""Parameters given as text or values, checked against what the book declares before anything happens."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from .book import Parameter, Runbook, Value
from .errors import BookError, nearest

_MAX_CHARS = 1000
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def bind(book: Runbook, given: Mapping[str, Any]) -> dict[str, Value]:
    """Every parameter of the book with its value and type. Raises BookError with one line for each that is wrong."""
    problems = [
        f"{book.name}: no parameter '{name}'{nearest(name, book.parameters)}"
        for name in given
        if name not in book.parameters
    ]
    bound: dict[str, Value] = {}
    for name, parameter in book.parameters.items():
        value = given.get(name, parameter.default)
        try:
            bound[name] = convert(parameter, value)
        except ValueError as error:
            problems.append(f"{book.name}: parameter '{name}' {error}")
    if problems:
        raise BookError(problems)
    return bound


def convert(parameter: Parameter, value: Any) -> Value:
    """A value as the parameter's type; raises ValueError with a reason that reads on after the name."""
    if value is None:
        raise ValueError("must be given")
    made = _CONVERTERS[parameter.type](value)
    if parameter.choices and made not in parameter.choices:
        raise ValueError(f"must be one of {', '.join(map(str, parameter.choices))}")
    if isinstance(made, str) and not re.fullmatch(parameter.pattern, made):
        raise ValueError(f"does not match {parameter.pattern}")
    return made


def _string(value: Any) -> str:
    if isinstance(value, (Mapping, list, tuple)):
        raise ValueError("must be a text")
    text = str(value)
    if len(text) > _MAX_CHARS or not text.isprintable():
        raise ValueError(f"must be printable and at most {_MAX_CHARS} characters long")
    return text


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"[+-]?\d{1,18}", str(value).strip()):
        raise ValueError("must be a whole number")
    return int(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not re.fullmatch(r"[+-]?\d{1,15}(\.\d{1,15})?", str(value).strip()):
        raise ValueError("must be a number")
    return float(value)


def _boolean(value: Any) -> bool:
    text = str(value).strip().lower()
    if text not in (*_TRUE, *_FALSE):
        raise ValueError("must be true or false")
    return text in _TRUE


_CONVERTERS: Mapping[str, Callable[[Any], Value]] = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
}
