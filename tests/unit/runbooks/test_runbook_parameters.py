import pytest

from nightshift.daemon.model import Signal
from nightshift.runbooks.book import Match, Parameter, Runbook, Step, cooling_down
from nightshift.runbooks.errors import BookError
from nightshift.runbooks.matching import match
from nightshift.runbooks.parameters import bind

STEP = Step.model_validate({"name": "tell", "action": "notify", "with": {"title": "x"}})


def book(name="b", **fields):
    return Runbook(name=name, description="d", steps=(STEP,), **fields)


DECLARED = book(
    parameters={
        "unit": Parameter(),
        "count": Parameter(type="integer", default=2),
        "share": Parameter(type="number", default=0.5),
        "hard": Parameter(type="boolean", default=False),
        "kind": Parameter(default="a", choices=("a", "b")),
    }
)


def test_text_becomes_what_is_declared_and_defaults_fill_in():
    bound = bind(DECLARED, {"unit": "shop.service", "count": "7", "share": "0.25", "hard": "yes", "kind": "b"})
    assert bound == {"unit": "shop.service", "count": 7, "share": 0.25, "hard": True, "kind": "b"}
    assert bind(DECLARED, {"unit": "x"}) == {"unit": "x", "count": 2, "share": 0.5, "hard": False, "kind": "a"}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, "'unit' must be given"),
        ({"unit": "x", "cuont": 1}, "no parameter 'cuont', nearest valid name: 'count'"),
        ({"unit": "x", "count": "many"}, "'count' must be a whole number"),
        ({"unit": "x", "count": True}, "'count' must be a whole number"),
        ({"unit": "x", "count": "9" * 50}, "'count' must be a whole number"),
        ({"unit": "x", "share": "nan"}, "'share' must be a number"),
        ({"unit": "x", "hard": "perhaps"}, "'hard' must be true or false"),
        ({"unit": "x", "kind": "c"}, "'kind' must be one of a, b"),
        ({"unit": "x; rm -rf /"}, "'unit' does not match"),
        ({"unit": "$(id)"}, "'unit' does not match"),
        ({"unit": "a\nb"}, "'unit' must be printable"),
        ({"unit": "x" * 1001}, "'unit' must be printable and at most 1000"),
        ({"unit": ["x"]}, "'unit' must be a text"),
    ],
    ids=range(13),
)
def test_anything_else_is_refused_before_anything_happens(given, reason):
    with pytest.raises(BookError) as error:
        bind(DECLARED, given)
    assert reason in error.value.problems[0]


def signal(**fields):
    return Signal(**({"key": "k", "source": "s", "service": "shop", "title": "t", "at_ms": 1} | fields))


BOOKS = {
    b.name: b
    for b in (
        book("by-name"),
        book("by-exception", match=Match(exception="Refused")),
        book("by-both", match=Match(exception="Refused", service="shop")),
        book("by-label", match=Match(labels={"team": "tea"})),
        book("by-text", match=Match(regex=r"out of (memory|stock)")),
    )
}


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({}, []),
        ({"exception": "shop.errors.Refused"}, ["by-both", "by-exception"]),
        ({"exception": "Refused", "service": "other"}, ["by-exception"]),
        ({"exception": "NotRefused"}, []),
        ({"labels": {"team": "tea"}}, ["by-label"]),
        ({"labels": {"team": "coffee"}}, []),
        ({"sample": "we are out of stock"}, ["by-text"]),
        ({"labels": {"runbook": "by-name"}}, ["by-name"]),
        ({"labels": {"runbook_url": "https://wiki/books/by-name.md?x=1#top", "team": "tea"}}, ["by-name", "by-label"]),
        ({"labels": {"runbook": "nowhere"}}, []),
    ],
    ids=range(10),
)
def test_matching(fields, names):
    assert [b.name for b in match(BOOKS, signal(**fields))] == names


def test_cooling_down_says_how_long():
    calm = book(cool_down_s=60)
    assert cooling_down(calm, None, 10**12) == ""
    assert cooling_down(calm, 10**12 - 61_000, 10**12) == ""
    assert cooling_down(calm, 10**12 - 20_000, 10**12) == "runbook b ran 20 s ago, wait 40 s"
