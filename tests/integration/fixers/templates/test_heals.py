"""Sample repositories of many shapes are healed at rank 1 by the edit a person would make."""

from __future__ import annotations

from nightshift.daemon.model import Diagnosis, Frame
from nightshift.fixers.templates.fixer import Settings, TemplateFixer
from nightshift.fixers.testing import ScriptedFixer, keeps_contract
from nightshift.sandboxes.reproduce import SandboxReproducer

MEAN = '"""Totals."""\n\n\ndef mean(xs):\n    # the average\n    return sum(xs) / (len(xs) - 1)\n'
MEAN_TEST = "from stats import mean\n\n\ndef test_mean():\n    assert mean([1, 2, 3]) == 2\n\n\ndef test_other():\n    assert mean([0, 0]) == 0\n"


def test_one_module_and_the_contract(patient) -> None:
    sick = patient({"stats.py": MEAN, "test_stats.py": MEAN_TEST})
    case = sick.case()
    bench = SandboxReproducer(sick.sandboxes).bench(case)
    patches = keeps_contract(TemplateFixer(), case, bench)
    assert patches[0].files == ("stats.py",)
    assert "return sum(xs) / len(xs)\n" in sick.text(patches[0])
    assert patches[0].rationale.startswith(
        "in `stats.mean`, use `len(xs)` instead of `(len(xs) - 1)` (line 6); 1 of 1 failing"
    )
    assert keeps_contract(ScriptedFixer([{"stats.py": MEAN.replace(" - 1", "")}]), case, bench)


def test_src_layout_with_fixtures_parameters_and_classes(patient) -> None:
    sick = patient({
        "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["src"]\n',
        "src/shop/__init__.py": "from shop.cart import Cart\n",
        "src/shop/cart.py": "from shop import money\n\n\nclass Cart:\n    def __init__(self):\n        self.lines = []\n\n"
        "    def add(self, price, count=1):\n        self.lines.append((price, count))\n\n"
        "    @property\n    def total(self):\n        return money.rounded(sum(p * c for p, c in self.lines))\n",
        "src/shop/money.py": "import functools\n\n\n@functools.lru_cache\ndef rounded(amount):\n    return round(amount, 1)\n",
        "tests/conftest.py": "import pytest\nfrom shop import Cart\n\n\n@pytest.fixture\ndef cart():\n    return Cart()\n",
        "tests/test_cart.py": "import pytest\n\n\n@pytest.mark.parametrize('price,count,total', [(1.25, 1, 1.25), (2, 2, 4), (0.11, 3, 0.33)])\n"
        "def test_total(cart, price, count, total):\n    cart.add(price, count)\n    assert cart.total == total\n",
    })  # fmt: skip
    assert "round(amount, 2)" in sick.heal()[0]


def test_unittest_classes(patient) -> None:
    sick = patient({
        "words.py": "def longest(words):\n    best = ''\n    for word in words:\n        if len(word) < len(best):\n            best = word\n    return best\n",
        "test_words.py": "import unittest\nfrom words import longest\n\n\nclass TestLongest(unittest.TestCase):\n    def setUp(self):\n"
        "        self.words = ['a', 'abc', 'ab']\n\n    def test_longest(self):\n        self.assertEqual(longest(self.words), 'abc')\n\n"
        "    def test_none(self):\n        self.assertEqual(longest([]), '')\n",
    })  # fmt: skip
    assert "len(word) > len(best)" in sick.heal()[0]


def test_what_lies_outside_of_functions(patient) -> None:
    sick = patient({
        "rates.py": "TAX = 0.8\nNAMES = {'a': 1}\n\n\nclass Price:\n    digits = 2\n\n    def gross(self, net, rate=TAX):\n        return round(net * (1 + rate), self.digits)\n",
        "test_rates.py": "import rates\n\n\ndef test_tax():\n    assert rates.Price().gross(10) == 12.0\n\n\ndef test_given():\n"
        "    assert rates.Price().gross(10, 0.5) == 15.0\n\n\ndef test_constant():\n    assert 0.19 < rates.TAX < 0.21\n",
    })  # fmt: skip
    assert any("TAX = 0.2\n" in text for text in sick.heal())


def test_a_default_argument(patient) -> None:
    sick = patient({
        "pad.py": "def pad(text, width=8, *, fill='-'):\n    return text.ljust(width, fill)\n",
        "test_pad.py": "from pad import pad\n\n\ndef test_default():\n    assert pad('a') == 'a--------'\n\n\ndef test_given():\n    assert pad('a', 2, fill='.') == 'a.'\n",
    })  # fmt: skip
    assert "width=9" in sick.heal()[0]


def test_a_crash_at_import_is_healed_too(patient) -> None:
    sick = patient({
        "table.py": "LIMITS = dict(low=1, high=9)\nSPAN = LIMITS['hihg'] - LIMITS['low']\n\n\ndef inside(n):\n    return n <= SPAN\n",
        "test_table.py": "from table import inside\n\n\ndef test_inside():\n    assert inside(8)\n\n\ndef test_outside():\n    assert not inside(9)\n",
    })  # fmt: skip
    assert any("LIMITS['high']" in text or 'LIMITS["high"]' in text for text in sick.heal())


def test_a_check_that_is_no_pytest_run(patient) -> None:
    sick = patient({
        "area.py": "def area(w, h):\n    return w + h\n",
        "check.py": "import area\nassert area.area(3, 4) == 12\nassert area.area(5, 1) == 5\n",
    })  # fmt: skip
    frame = Frame(path="area.py", line=2, function="area")
    case = sick.case("python check.py", diagnosis=Diagnosis(frames=(frame,), exception="AssertionError"))
    assert "return w * h" in sick.text(sick.draft(case, patches=1)[0])


def test_the_crash_site_is_guarded(patient) -> None:
    sick = patient({
        "orders.py": "def labels(orders, names):\n    out = []\n    for order in orders:\n        out.append(names[order['customer']].title())\n    return out\n",
        "test_orders.py": "from orders import labels\n\nNAMES = {1: 'ann', 2: None}\n\n\ndef test_known():\n    assert labels([{'customer': 1}], NAMES) == ['Ann']\n\n\n"
        "def test_nameless():\n    assert labels([{'customer': 2}, {'customer': 1}], NAMES) == ['Ann']\n",
    })  # fmt: skip
    assert "is None" in sick.heal()[0] or "is not None" in sick.heal()[0]


def test_line_ends_and_encodings_survive(patient) -> None:
    source = "# -*- coding: latin-1 -*-\r\ndef f(a, b):\r\n    é = 'ü'\r\n    return a - b"
    test = "from odd import f\n\n\ndef test_f():\n    assert f(2, 3) == 5\n\n\ndef test_g():\n    assert f(2, 0) == 2\n"
    sick = patient({"odd.py": source.encode("latin-1"), "test_odd.py": test})
    assert sick.heal()[0] == source.encode("latin-1").decode("latin-1").replace("a - b", "a + b")


def test_two_edits_when_one_is_not_enough(patient) -> None:
    sick = patient({
        "shapes.py": "def area(w, h):\n    return w + h\n\n\ndef edge(w, h):\n    return 2 * (w - h)\n",
        "test_shapes.py": "from shapes import area, edge\n\n\ndef test_area():\n    assert area(3, 4) == 12\n\n\ndef test_edge():\n    assert edge(3, 4) == 14\n\n\n"
        "def test_both():\n    assert (area(1, 5), edge(1, 5)) == (5, 12)\n",
    })  # fmt: skip
    patch = sick.draft(sick.case(), patches=1)[0]
    assert "return w * h" in sick.text(patch) and "return 2 * (w + h)" in sick.text(patch)
    assert "; and in `shapes.edge`" in patch.rationale


def test_nothing_found_and_nothing_to_do(patient) -> None:
    contradiction = "from stats import mean\n\n\ndef test_it():\n    assert mean([1]) == 1\n    assert mean([1]) == 2\n"
    sick = patient({"stats.py": MEAN, "test_stats.py": contradiction})
    assert sick.draft(sick.case(), settings=Settings(partial=0)) == []
    assert "exhausted" in sick.notes[-1]
    green = patient({"stats.py": MEAN, "test_stats.py": "def test_ok():\n    pass\n"})
    assert green.draft(green.case()) == []


def test_only_tests_to_edit_means_no_patch(patient) -> None:
    sick = patient(
        {"test_only.py": "def helper(x):\n    return x + 2\n\n\ndef test_it():\n    assert helper(1) == 2\n"}
    )
    assert sick.draft(sick.case()) == []
    assert sick.notes == ["templates: no Python files to edit"]
