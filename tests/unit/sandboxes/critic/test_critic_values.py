"""Arguments as JSON and back, and answers as text: what the programs inside the sandbox do to values."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.sandboxes.critic.inside import source

SPACE: dict = {"__name__": "inside"}
for name in ("values", "canon"):
    exec(source(name), SPACE)
encode, decode, told = SPACE["encode"], SPACE["decode"], SPACE["told"]

ATOMS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8) | st.binary(max_size=8)
)
VALUES = st.recursive(
    ATOMS,
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=20,
)  # fmt: skip


class Colour(enum.Enum):
    RED = 1


class Slotted:
    __slots__ = ("left", "right")


class Hostile:
    def __init__(self):
        self.value = 1

    def __repr__(self):
        raise SystemExit

    def __eq__(self, other):
        raise SystemExit

    __hash__ = None


@given(VALUES)
def test_plain_values_survive_the_way_through_json(value) -> None:
    back = decode(json.loads(json.dumps(encode(value))))
    assert back == value and type(back) is type(value)


@pytest.mark.parametrize("value", [
    {1, 2}, frozenset("ab"), range(2, 9, 3), 1 + 2j, 10**40, collections.deque([1]), collections.Counter("aab"),
    collections.OrderedDict(a=1), collections.defaultdict(list, a=[1]), decimal.Decimal("1.50"),
    datetime.date(2020, 2, 29), datetime.datetime(2020, 1, 1, 3, tzinfo=datetime.UTC),
    datetime.timedelta(days=1), len, collections.OrderedDict,
])  # fmt: skip
def test_values_of_the_standard_library_survive(value) -> None:
    back = decode(json.loads(json.dumps(encode(value))))
    assert back == value and type(back) is type(value)


def test_objects_are_rebuilt_by_attributes_without_their_init() -> None:
    told_ = encode(json.JSONEncoder(indent=3))
    assert told_[0] == "object" and ["indent", 3] in told_[1][1]
    back = decode(["object", [["json.encoder", "JSONEncoder"], [["indent", 3]]]])
    assert type(back) is json.JSONEncoder and vars(back) == {"indent": 3}


@pytest.mark.parametrize("value", [lambda: 1, iter([1]), object(), (n for n in [1]), ValueError("x")])
def test_what_can_not_be_told_exactly_is_left_out(value) -> None:
    with pytest.raises(SPACE["Untellable"]):
        encode(value)


def test_endless_and_huge_values_are_left_out() -> None:
    endless: list = []
    endless.append(endless)
    for value in (endless, list(range(10_000)), "x" * 30_000):
        with pytest.raises(SPACE["Untellable"]):
            encode(value)


def test_equal_answers_have_equal_texts() -> None:
    assert told({1, 2, 3}) == told({3, 2, 1}) and told({"a": 1, "b": 2}) == told({"b": 2, "a": 1})
    assert told(1) == told(1.0) and told(0.1 + 0.2) == told(0.3)
    assert told([1]) != told((1,)) and told(True) != told(1) and told("1") != told(1)


def test_texts_are_bounded_and_huge_values_still_differ() -> None:
    assert len(told(["x" * 10**6] * 50)) < 1000 and len(told(list(range(10**6)))) < 1000
    assert told("a" * 5000 + "b") != told("a" * 5000 + "c")


def test_no_method_of_a_class_of_the_tree_is_called() -> None:
    slotted = Slotted()
    slotted.left = Hostile()
    assert told(slotted) == "Slotted(left=Hostile(value=1))"
    assert told(Colour.RED).startswith("Colour(")


def test_a_value_that_holds_itself_has_a_text() -> None:
    endless: list = [1]
    endless.append(endless)
    assert told(endless) == "[1, <again 0>]"
