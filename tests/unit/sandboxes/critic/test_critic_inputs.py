"""Shapes of recorded arguments, and inputs drawn after them."""

from __future__ import annotations

import json
import random

from hypothesis import given
from hypothesis import strategies as st

from nightshift.sandboxes.critic.drawing import draw, drawn, mutated
from nightshift.sandboxes.critic.inputs import DRAWN, TEST, Input, call_input
from nightshift.sandboxes.critic.inside import source
from nightshift.sandboxes.critic.shapes import shape_of

SPACE: dict = {"__name__": "inside"}
exec(source("values"), SPACE)
encode, decode = SPACE["encode"], SPACE["decode"]
ATOMS = st.none() | st.booleans() | st.integers(-9, 99) | st.text("abc 1", max_size=5)
KEYS = ATOMS | st.floats(-9, 9) | st.tuples(ATOMS, ATOMS) | st.binary(max_size=2) | st.integers(1 << 60, 1 << 61)
VALUES = st.recursive(
    KEYS | st.sets(KEYS, max_size=3) | st.frozensets(KEYS, max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(KEYS, inner, max_size=3)
        | st.lists(st.fixed_dictionaries({"id": inner}, optional={"name": inner}), max_size=3)
    ),
    max_leaves=8,
)  # fmt: skip


def call(*values, name="f") -> Input:
    arguments = tuple((f"a{at}", encode(value)) for at, value in enumerate(values))
    return Input(module="m", name=name, arguments=arguments, shape=(len(values), 0, False, False), source=TEST)


def many(*values, count=200) -> list:
    shape = shape_of([encode(value) for value in values])
    source_ = random.Random(1)
    return [decode(draw(shape, source_)) for _ in range(count)]


def test_numbers_stay_in_a_widened_range_and_never_turn_negative_by_themselves() -> None:
    found = many(3, 10)
    assert all(0 <= n <= 30 and type(n) is int for n in found) and {3, 10, 0} <= set(found)
    assert any(n < -3 for n in many(-3, 10))


def test_texts_use_the_recorded_alphabet() -> None:
    assert {"", "ab"} & set(many("ab", "abba"))
    assert all(len(text) < 14 for text in many("1:30", "12:05"))


def test_none_and_kinds_are_those_that_were_seen() -> None:
    assert {type(value) for value in many(None, 3, "x")} == {type(None), int, str}


def test_what_was_always_sorted_or_distinct_stays_so() -> None:
    found = many([1, 4, 9], [2, 3], [5, 7, 8, 9])
    assert all(values == sorted(set(values)) for values in found) and len({len(v) for v in found}) > 3
    assert any(values != sorted(values) for values in many([3, 1], [1, 2]))


def test_records_keep_their_places_and_their_keys() -> None:
    assert all(type(a) is str and type(b) is int for a, b in many(("x", 1), ("y", 2)))
    found = many({"name": "x", "age": 3}, {"name": "y", "age": 4, "mail": "z"}, {"name": "z", "age": 9})
    assert all({"name", "age"} <= set(each) <= {"name", "age", "mail"} for each in found)
    assert any("mail" in each for each in found)


def test_objects_are_drawn_by_attribute() -> None:
    value = ["object", [["m", "Box"], [["size", 3], ["name", "x"]]]]
    made = draw(shape_of([value]), random.Random(1))
    assert made[1][0] == ["m", "Box"] and [name for name, _ in made[1][1]] == ["size", "name"]


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=4), st.integers(0, 99))
def test_whatever_was_recorded_the_same_seed_draws_the_same_json_none_twice(rows, seed) -> None:
    recorded = [call(*row) for row in rows]
    first, second = (list(drawn(recorded, 20, random.Random(seed))) for _ in range(2))
    assert first == second
    keys = [each.key() for each in first]
    assert len(set(keys)) == len(keys) and not set(keys) & {each.key() for each in recorded}
    assert all(each.source == DRAWN and json.loads(each.key()) and each.shown() for each in first)


@given(VALUES, st.integers(0, 99))
def test_a_changed_value_can_be_built(value, seed) -> None:
    data = encode(value)
    decode(mutated(data, shape_of([data]), random.Random(seed)))


def test_calls_are_shown_as_people_write_them() -> None:
    assert call([1, 2.5], ("a",), {"k": {1}}).shown() == "f([1, 2.5], ('a',), {'k': {1}})"
    assert len(call("x" * 5000).shown()) < 200


def test_rows_that_make_no_sense_are_no_inputs() -> None:
    good = {"module": "m", "args": {"b": 1, "a": 2}, "order": ["b", "a"], "shape": [2, 0, False, False], "test": "t"}
    assert call_input(good, "f").arguments == (("b", 1), ("a", 2))
    for bad in ({"args": 3}, {"args": {"a": 1}, "shape": [2, 0, False, False]}, {"args": {}, "shape": "x"}):
        assert call_input(bad, "f") is None
