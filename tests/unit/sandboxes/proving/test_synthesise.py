"""Tests made from recorded locals: what is made, and all that must not be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nightshift.daemon.model import Case, Diagnosis, Frame
from nightshift.sandboxes.synthesise import ON_PURPOSE, synthesise


def made(bare, files: dict, *frames: Frame, exception: str = "KeyError"):
    bare.commit(files)
    case = Case(id="c", repo=bare.repo.path, base=bare.head, diagnosis=Diagnosis(exception=exception, frames=frames))
    return synthesise(case, bare.repo, list(files))


def frame(path: str, line: int, function: str, **values: str) -> Frame:
    return Frame(path=path, line=line, function=function, locals=tuple(values.items()))


PLAIN = "def f(a, *, b=1):\n    return a[b]\n"


def test_a_plain_call(bare) -> None:
    found = made(bare, {"m.py": PLAIN}, frame("m.py", 2, "f", a="{'k': [1, (2, None)]}", b="-3"))
    (draft,) = found.drafts
    assert "from m import f" in draft.text
    assert "f(a={'k': [1, (2, None)]}, b=-3)" in draft.text
    compile(draft.text, draft.path, "exec")


@pytest.mark.parametrize(
    "value",
    [
        "<object at 0x7f>",
        "'abc...",
        "[1, 2, ...]",
        "'[redacted]'",
        "'[Filtered]'",
        "open('x')",
        "__import__('os')",
        "x",
    ],
)
def test_values_that_do_not_say_everything(bare, value: str) -> None:
    found = made(bare, {"m.py": PLAIN}, frame("m.py", 2, "f", a=value, b="1"))
    assert not found.drafts
    assert "a " in found.reason


def test_values_that_were_not_recorded(bare) -> None:
    assert "does not carry" in made(bare, {"m.py": PLAIN}, frame("m.py", 2, "f")).reason


@pytest.mark.parametrize("line", ["raise KeyError(a)", "assert a", "raise"])
def test_a_crash_on_purpose(bare, line: str) -> None:
    text = f"def f(a):\n    {line}\n"
    assert made(bare, {"m.py": text}, frame("m.py", 2, "f", a="1")).reason == ON_PURPOSE


@pytest.mark.parametrize("line", ["a = a[1]", "a.append(1); a[0]", "a['k'] = 1; a[0]", "del a[0]; a[0]", "a += [1]"])
def test_a_parameter_that_changed_on_the_way(bare, line: str) -> None:
    text = f"def f(a):\n    {line}\n    return a[9]\n"
    assert "changes a" in made(bare, {"m.py": text}, frame("m.py", 3, "f", a="[1]")).reason


def test_it_walks_outward_to_a_caller_that_can_be_rebuilt(bare) -> None:
    text = "def outer(n):\n    return inner(open, n)\n\n\ndef inner(how, n):\n    return {}[n]\n"
    found = made(bare, {"m.py": text}, frame("m.py", 2, "outer", n="3"),
                 frame("m.py", 6, "inner", how="<built-in function open>", n="3"))  # fmt: skip
    assert "outer(n=3)" in found.drafts[0].text


def test_positional_only_and_stars(bare) -> None:
    text = "def f(a, /, b, *rest, c, **more):\n    return {}[a]\n"
    found = made(bare, {"m.py": text},
                 frame("m.py", 2, "f", a="1", b="2", rest="(3,)", c="4", more="{'d': 5}"))  # fmt: skip
    assert "f(1, 2, *(3,), c=4, **{'d': 5})" in found.drafts[0].text


def test_types_whose_repr_is_their_source(bare) -> None:
    found = made(bare, {"m.py": PLAIN}, frame("m.py", 2, "f", a="[Decimal('1.5'), datetime.date(2024, 2, 30)]", b="1"))
    assert "from decimal import Decimal" in found.drafts[0].text
    assert "import datetime" in found.drafts[0].text


def test_async_and_generators_are_driven(bare) -> None:
    text = "async def f(a):\n    return a[0]\n\n\ndef g(a):\n    yield a[0]\n"
    assert "asyncio.run(f(a=[]))" in made(bare, {"m.py": text}, frame("m.py", 2, "f", a="[]")).drafts[0].text
    assert "for _ in g(a=[]):" in made(bare, {"m.py": text}, frame("m.py", 6, "g", a="[]")).drafts[0].text


METHODS = """\
from dataclasses import dataclass

@dataclass
class Cart:
    items: list

    def first(self):
        return self.items[0]

class Bare:
    def get(self, key):
        return {}[key]

class Held:
    def __init__(self, db):
        self.db = db

    def get(self, key):
        return self.db[key]

    @staticmethod
    def pick(key):
        return {}[key]
"""


def test_a_dataclass_is_rebuilt_from_its_repr(bare) -> None:
    found = made(bare, {"m.py": METHODS}, frame("m.py", 8, "first", self="Cart(items=[])"))
    assert "Cart(items=[]).first()" in found.drafts[0].text


def test_a_class_without_state_is_simply_made(bare) -> None:
    found = made(bare, {"m.py": METHODS}, frame("m.py", 12, "get", self="<m.Bare object at 0x1>", key="'k'"))
    assert "Bare().get(key='k')" in found.drafts[0].text


def test_a_class_with_hidden_state_is_not_guessed(bare) -> None:
    found = made(bare, {"m.py": METHODS}, frame("m.py", 19, "get", self="<m.Held object at 0x1>", key="'k'"))
    assert not found.drafts


def test_a_static_method_needs_no_instance(bare) -> None:
    found = made(bare, {"m.py": METHODS}, frame("m.py", 23, "pick", key="'k'"))
    assert "Held.pick(key='k')" in found.drafts[0].text


@pytest.mark.parametrize(
    ("files", "path", "line"),
    [
        ({"src/shop/__init__.py": "", "src/shop/cart.py": PLAIN}, "src/shop/cart.py", "from shop.cart import f"),
        ({"shop/cart.py": PLAIN, "main.py": "from shop.cart import f\n"}, "shop/cart.py", "from shop.cart import f"),
        ({"shop/cart.py": PLAIN, "shop/main.py": "import cart\n"}, "shop/cart.py", "from cart import f"),
        ({"app.py": PLAIN}, "app.py", "from app import f"),
        ({"pkg/__init__.py": PLAIN}, "pkg/__init__.py", "from pkg import f"),
    ],
)
def test_the_import_path(bare, files: dict, path: str, line: str) -> None:
    assert line in made(bare, files, frame(path, 2, "f", a="[]", b="1")).drafts[0].text


def test_the_new_test_lies_beside_the_others(bare) -> None:
    files = {"m.py": PLAIN, "tests/unit/test_m.py": "", "tests/unit/test_n.py": "", "test_o.py": ""}
    (draft,) = made(bare, files, frame("m.py", 2, "f", a="[]", b="1")).drafts
    assert draft.path.startswith("tests/unit/test_nightshift_")
    assert "parents[2]" in draft.text


def test_hostile_sources_are_survived(bare) -> None:
    deep = "x = " + "(" * 5000 + ")" * 5000
    for text in (b"\xff\xfe\0", b"def f(:", deep.encode(), b""):
        assert not made(bare, {"m.py": text}, frame("m.py", 2, "f", a="1")).drafts


def test_lambdas_modules_and_nested_functions_are_left(bare) -> None:
    text = "def f(a):\n    def g(b):\n        return {}[b]\n    return g(a)\n\nx = {}\n"
    found = made(bare, {"m.py": text}, frame("m.py", 6, "<module>"), frame("m.py", 3, "g", b="1"))
    assert not found.drafts
    case_frames = (frame("m.py", 4, "f", a="1"), frame("m.py", 3, "g", b="1"))
    assert "f(a=1)" in made(bare, {"m.py": text}, *case_frames).drafts[0].text


def test_a_traceback_of_files_that_are_not_there(bare) -> None:
    found = made(bare, {"m.py": PLAIN}, replace(frame("gone.py", 2, "f", a="1")))
    assert found.reason == "the traceback's files are not there"
