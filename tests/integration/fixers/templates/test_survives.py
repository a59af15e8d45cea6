"""Candidates that hang, recurse, eat memory or kill their process cost time, never the search."""

from __future__ import annotations

from nightshift.fixers.templates.fixer import Settings

QUICK = Settings(linger_s=0.1, partial=0)


def test_hanging_base_and_hanging_candidates(patient) -> None:
    sick = patient({
        "find.py": "def place(items, wanted):\n    low, high = 0, len(items)\n    while low < high:\n        middle = (low + high) // 2\n"
        "        if items[middle] < wanted:\n            low = middle\n        else:\n            high = middle\n    return low\n",
        "test_find.py": "from find import place\n\n\ndef test_front():\n    assert place([1, 3, 5], 0) == 0\n\n\ndef test_back():\n    assert place([1, 3, 5], 6) == 3\n\n\n"
        "def test_between():\n    assert place([1, 3, 5, 7], 4) == 2\n\n\ndef test_late():\n    assert place([1, 2, 3, 9, 10], 9) == 3\n",
    })  # fmt: skip
    patches = sick.draft(sick.case(), patches=1, settings=QUICK)
    assert "low = middle + 1" in sick.text(patches[0])


def test_sleepers_and_handlers_that_catch_everything(patient) -> None:
    sick = patient({
        "wait.py": "import time\n\n\ndef total(n):\n    done = 0\n    while n:\n        try:\n            time.sleep(0.0001)\n            done += 2\n"
        "            n -= 1\n        except:\n            pass\n    return done\n",
        "test_wait.py": "from wait import total\n\n\ndef test_total():\n    assert total(3) == 3\n\n\ndef test_none():\n    assert total(0) == 0\n",
    })  # fmt: skip
    assert "done += 1" in sick.text(sick.draft(sick.case(), patches=1, settings=QUICK)[0])


def test_recursion_without_end(patient) -> None:
    sick = patient({
        "deep.py": "import sys\nsys.setrecursionlimit(100_000)\n\n\ndef depth(n):\n    if n <= 0:\n        return 1\n    return 1 + depth(n - 1)\n",
        "test_deep.py": "from deep import depth\n\n\ndef test_three():\n    assert depth(3) == 3\n\n\ndef test_many():\n    assert depth(50) == 50\n\n\ndef test_none():\n    assert depth(0) == 0\n",
    })  # fmt: skip
    patches = sick.draft(sick.case(), patches=1, settings=QUICK)
    assert "return 0" in sick.text(patches[0])


def test_memory_without_end(patient) -> None:
    sick = patient({
        "grow.py": "def bits(n):\n    out = [1]\n    while len(out) < n:\n        out += out\n    return out[: n + 1]\n",
        "test_grow.py": "from grow import bits\n\n\ndef test_three():\n    assert bits(3) == [1, 1, 1]\n\n\ndef test_one():\n    assert bits(1) == [1]\n",
    })  # fmt: skip
    patches = sick.draft(sick.case(), patches=1, settings=QUICK)
    names: dict = {}
    exec(sick.text(patches[0]), names)
    assert names["bits"](5) == [1] * 5


def test_candidates_that_end_their_process(patient) -> None:
    sick = patient({
        "leave.py": "import os\n\n\ndef check(n):\n    if n == 77:\n        os._exit(0)\n    return n > 3\n",
        "test_leave.py": "from leave import check\n\n\ndef test_three():\n    assert check(3)\n\n\ndef test_two():\n    assert not check(2)\n",
    })  # fmt: skip
    patches = sick.draft(sick.case(), patches=1, settings=QUICK)
    assert "n >= 3" in sick.text(patches[0]) or "n > 2" in sick.text(patches[0])


def test_state_that_candidates_leave_behind(patient) -> None:
    sick = patient({
        "memo.py": "SEEN = {}\n\n\ndef square(n):\n    if n not in SEEN:\n        SEEN[n] = n + n\n    return SEEN[n]\n",
        "test_memo.py": "from memo import square\n\n\ndef test_three():\n    assert square(3) == 9\n\n\ndef test_two():\n    assert square(2) == 4\n",
    })  # fmt: skip
    patches = sick.draft(sick.case(), patches=1, settings=QUICK)
    assert "n * n" in sick.text(patches[0]) or "n ** 2" in sick.text(patches[0])


THREADS = """import threading
import unittest

import pool


class TestPool(unittest.TestCase):
    def test_threads(self):
        barrier = threading.Barrier(6)
        workers = [threading.Thread(target=barrier.wait) for _ in range(6)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        self.assertEqual(pool.share(4, 2), 2)

    def test_each(self):
        for many in (1, 2, 3):
            with self.subTest(many=many):
                self.assertEqual(pool.share(6, many), 6 // many)

    def test_rest(self):
        for many in (4, 5):
            with self.subTest(many=many):
                self.assertEqual(pool.rest(6, many), 6 % many)
"""


def test_threads_and_subtests_of_unittest(patient) -> None:
    sick = patient({
        "pool.py": "def share(work, many):\n    return work // (many + 1)\n\n\ndef rest(work, many):\n    return work - many * (work // many)\n",
        "test_pool.py": THREADS,
    })  # fmt: skip
    found = sick.heal(check="python -m unittest")
    assert "return work // many\n" in found[0]


def test_the_middle_of_a_long_suite_is_not_waited_for(patient) -> None:
    slow = "import time\nimport pytest\n\n\n@pytest.mark.parametrize('n', range(400))\ndef test_slow(n):\n    time.sleep(0.2)\n"
    sick = patient({
        "area.py": "def area(w, h):\n    return w + h\n",
        "test_area.py": "from area import area\n\n\ndef test_area():\n    assert area(3, 4) == 12\n\n\ndef test_two():\n    assert area(2, 2) == 4\n",
        "test_slow.py": slow,
    })  # fmt: skip
    case = sick.case(failing=("test_area.py::test_area",))
    assert "return w * h" in sick.text(sick.draft(case, patches=1, settings=Settings(others_s=1.0))[0])
