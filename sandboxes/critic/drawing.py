"""Draws inputs that look like the recorded ones: new values of the same shape, and recorded ones slightly changed.

Everything comes from one seeded source, so that the same case draws the same inputs on every machine. The strategies
follow Hypothesis (small values, edges of ranges and repetitions first; MacIver et al., JOSS 2019), which is not used
itself: see docs/decisions/critic.md.
"""

from __future__ import annotations

import contextlib
import copy
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from nightshift.sandboxes.critic.inputs import DRAWN, Input
from nightshift.sandboxes.critic.shapes import Dicts, Objects, Sequences, Shape, shape_of

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_PLAIN = (type(None), bool, int, str)


def drawn(recorded: Sequence[Input], count: int, source: random.Random) -> Iterator[Input]:
    """Up to `count` new inputs for one function, none twice, none of the recorded ones."""
    if not recorded or not recorded[0].arguments:
        return
    known = {each.key() for each in recorded}
    model = recorded[0]
    same = [each for each in recorded if [n for n, _ in each.arguments] == [n for n, _ in model.arguments]]
    shapes = [shape_of([each.arguments[at][1] for each in same]) for at in range(len(model.arguments))]
    given = 0
    for turn in range(count * 4):
        if given >= count:
            return
        values = _mutated(same, shapes, source) if turn % 2 else [draw(shape, source) for shape in shapes]
        names = [name for name, _ in model.arguments]
        made = replace(model, arguments=tuple(zip(names, values, strict=True)), source=DRAWN, tests=())
        if (key := made.key()) not in known:
            known.add(key)
            given += 1
            yield made


def _mutated(recorded: Sequence[Input], shapes: Sequence[Shape], source: random.Random) -> list[Any]:
    """A recorded call with one argument changed a little, or taken from another call."""
    values = [copy.deepcopy(value) for _, value in source.choice(recorded).arguments]
    at = source.randrange(len(values))
    if len(recorded) > 1 and source.random() < 0.25:
        values[at] = source.choice(recorded).arguments[at][1]
    else:
        for _ in range(source.choice((1, 1, 2))):
            values[at] = mutated(values[at], shapes[at], source)
    return values


def draw(shape: Shape, source: random.Random) -> Any:
    """A value of that shape."""
    ways: list[Any] = []
    if shape.none:
        ways.append(lambda: None)
    if shape.bools:
        ways.append(lambda: source.random() < 0.5)
    if shape.ints:
        ways += [lambda: _int(shape.ints, source)] * 3
    if shape.floats:
        ways += [lambda: _float(shape, source)] * 3
    if shape.texts:
        ways += [lambda: _text(shape.texts, source)] * 3
    ways += [lambda some=some: _sequence(some, source) for some in shape.sequences] * 3
    if shape.dicts:
        ways += [lambda: _dict(shape.dicts, source)] * 3
    ways += [lambda some=some: _object(some, source) for some in shape.objects] * 3
    if shape.others:
        ways += [lambda: source.choice(shape.others)] * 2
    return source.choice(ways)() if ways else None


def _int(span: tuple[int, int] | None, source: random.Random) -> Any:
    low, high = span or (0, 3)
    width = max(high - low, 4)
    low_edge = low - (width // 2 + 1) if low < 0 else max(0, low - width // 2 - 1)
    way = source.random()
    if way < 0.25:
        return _whole(source.choice([low, high, low_edge, high + 1, max(low_edge, low - 1), (low + high) // 2]))
    if way < 0.55:
        return _whole(source.randint(low_edge, min(low_edge + 12, high + width)))
    return _whole(source.randint(low_edge, high + width))


def _whole(number: int) -> Any:
    return number if abs(number) < 1 << 53 else ["int", hex(number)]


def _float(shape: Shape, source: random.Random) -> Any:
    low, high = shape.floats or (0.0, 1.0)
    seen = [float(v[1]) for v in shape.samples if isinstance(v, list) and v[0] == "float"]
    places = max((len(repr(v).partition(".")[2]) for v in seen), default=1)
    if source.random() < 0.3:
        return ["float", repr(source.choice([*seen, low, high, 0.0, float(int(high))]))]
    spare = max(high - low, 1.0) / 2
    least = low - spare if low < 0 else max(0.0, low - spare)
    return ["float", repr(round(source.uniform(least, high + spare), min(places, 6)))]


def _text(texts: Sequence[str], source: random.Random) -> str:
    alphabet = sorted({char for text in texts for char in text})
    if source.random() < 0.35 or not alphabet:
        return mutated_text(source.choice(texts), texts, source)
    longest = max(map(len, texts))
    size = source.choice([0, 1, 2, 3, source.randint(0, longest + 2)])
    few = source.sample(alphabet, min(len(alphabet), source.choice([2, 3, 8])))
    return "".join(source.choice(few) for _ in range(size))


def _sequence(seen: Sequences, source: random.Random) -> Any:
    if seen.each:
        return [seen.tag, [draw(shape, source) for shape in seen.each]]
    top = max(seen.longest + 2, 3)
    size = source.choice([0, 1, 2, 3, source.randint(0, min(top, 30)), source.randint(0, min(top, 30))])
    items = [draw(seen.item, source) for _ in range(size)]
    if items and not seen.distinct and source.random() < 0.3:
        items[source.randrange(len(items))] = source.choice(items)
    return _tidy(seen, items)


def _tidy(seen: Sequences, items: list[Any]) -> Any:
    """What was always sorted or free of repetitions stays so."""
    if seen.distinct or seen.tag in ("set", "frozenset"):
        items = list({repr(item): item for item in items}.values())
    if seen.sorted:
        with contextlib.suppress(TypeError):
            items = sorted(items)
    return [seen.tag, items]


def _dict(seen: Dicts, source: random.Random) -> Any:
    if seen.fields:
        kept = [(n, s) for n, s in seen.fields if n in seen.always or source.random() < 0.6]
        return ["dict", [[name, draw(shape, source)] for name, shape in kept]]
    size = source.randint(0, min(seen.longest + 1, 12))
    pairs = {repr(key): [key, draw(seen.value, source)] for key in (draw(seen.key, source) for _ in range(size))}
    return ["dict", list(pairs.values())]


def _object(seen: Objects, source: random.Random) -> Any:
    drawn_ = [[label, draw(shape, source)] for label, shape in seen.attributes]
    body = [value for _, value in drawn_] if seen.tag == "ntuple" else drawn_
    return [seen.tag, [list(seen.where), body]]


def mutated(value: Any, shape: Shape, source: random.Random) -> Any:
    """The value with one small change, of the same kind."""
    if isinstance(value, bool):
        return not value
    if value is None:
        return draw(shape, source)
    if isinstance(value, int):
        low = 0 if shape.ints and shape.ints[0] >= 0 else -(1 << 40)
        return max(low, value + source.choice([-1, 1, -2, 2, 10, -value, value]))
    if isinstance(value, str):
        return mutated_text(value, shape.texts or (value,), source)
    return _mutated_compound(value, shape, source) if isinstance(value, list) else value


def _mutated_compound(value: list[Any], shape: Shape, source: random.Random) -> Any:
    tag, body = value
    if tag == "float":
        return ["float", repr(source.choice([float(body) + 1, float(body) / 2, -float(body), float(int(float(body)))]))]
    if tag in ("list", "tuple", "set", "frozenset"):
        seen = next((s for s in shape.sequences if s.tag == tag), None)
        return _mutated_sequence(tag, body, seen, source) if seen else value
    if tag == "dict" and shape.dicts:
        return _mutated_dict(body, shape.dicts, source)
    if tag in ("object", "ntuple"):
        return _mutated_object(value, shape, source)
    return draw(shape, source)


def _mutated_sequence(tag: str, body: list[Any], seen: Sequences, source: random.Random) -> Any:
    items = list(body)
    if seen.each:
        at = source.randrange(len(items)) if items else 0
        if items:
            items[at] = mutated(items[at], seen.each[min(at, len(seen.each) - 1)], source)
        return [tag, items]
    way = source.randrange(6) if items else 0
    at = source.randrange(len(items)) if items else 0
    if way == 0:
        items.insert(at, draw(seen.item, source))
    elif way == 1:
        del items[at]
    elif way == 2:
        items[at] = mutated(items[at], seen.item, source)
    elif way == 3:
        items.insert(at, copy.deepcopy(items[at]))
    elif way == 4:
        other = source.randrange(len(items))
        items[at], items[other] = items[other], items[at]
    else:
        items = items[:at]
    return _tidy(seen, items)


def _mutated_dict(body: list[Any], seen: Dicts, source: random.Random) -> Any:
    pairs = [list(pair) for pair in body]
    fields = dict(seen.fields)
    if not pairs:
        return _dict(seen, source)
    at = source.randrange(len(pairs))
    key = pairs[at][0]
    plain = key if isinstance(key, str) else ""  # a tuple's or a float's JSON is a list
    if source.random() < 0.25 and plain not in seen.always:
        del pairs[at]
    else:
        pairs[at][1] = mutated(pairs[at][1], fields.get(plain, seen.value), source)
    return ["dict", pairs]


def _mutated_object(value: list[Any], shape: Shape, source: random.Random) -> Any:
    tag, (where, body) = value
    seen = next((o for o in shape.objects if list(o.where) == list(where)), None)
    if seen is None or not seen.attributes:
        return value
    label, part = source.choice(seen.attributes)
    if tag == "ntuple":
        return [tag, [where, [mutated(v, part, source) if str(i) == label else v for i, v in enumerate(body)]]]
    return [tag, [where, [[n, mutated(v, part, source) if n == label else v] for n, v in body]]]


def mutated_text(text: str, texts: Sequence[str], source: random.Random) -> str:
    """A text with one character or piece changed, with letters, digits and signs kept what they are."""
    if not text:
        return source.choice(texts)[:1] if source.random() < 0.7 else " "
    at, way = source.randrange(len(text)), source.randrange(9)
    if way == 0:
        return text[:at] + text[at + 1 :]
    if way == 1:
        return text[:at] + text[at] + text[at:]
    if way in (2, 3, 4):
        return text[:at] + _like(text[at], source) + text[at + 1 :]
    if way == 5:
        return text[:at] if at else text + text
    if way == 6:
        return text.upper() if source.random() < 0.5 else text.lower()
    if way == 7:
        return text[:at] + source.choice("".join(texts) or "a") + text[at:]
    other = source.choice(texts)
    return text[:at] + other[min(at, len(other)) :]


def _like(char: str, source: random.Random) -> str:
    if char.isdigit():
        return source.choice("0123456789")
    if char.isalpha():
        made = source.choice(_LETTERS)
        return made.upper() if char.isupper() else made
    return source.choice(" .,-:_/" + char)


__all__ = ["draw", "drawn", "mutated", "mutated_text"]
