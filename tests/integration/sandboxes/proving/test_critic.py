"""The critic on real patches, real repositories and in real sandboxes: right ones, overfitted ones, hostile ones."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from nightshift.daemon.model import Diagnosis, Frame, Patch, Reproduction
from nightshift.daemon.ports import EnvironmentBroke
from nightshift.sandboxes.critic import GateCritic
from nightshift.sandboxes.tester import GateTester
from nightshift.sandboxes.tester.all_gates import ALL_GATES

pytestmark = pytest.mark.engine

MEAN = '''\
def mean(values):
    """The arithmetic mean, 0 of nothing.

    >>> mean([1, 2, 6])
    3.0
    """
    return sum(values) / len(values)


def report(values):
    """One line.

    >>> report([2, 2])
    'mean 2.0'
    """
    return f"mean {mean(values)}"
'''
TESTS = """\
from calc.stats import mean

def test_mean():
    assert mean([4, 6]) == 5

def test_nothing():
    assert mean([]) == 0
"""
RETURN = "    return sum(values) / len(values)\n"
RIGHT = MEAN.replace(RETURN, "    if not values:\n        return 0\n" + RETURN)
SAME = MEAN.replace(RETURN, "    return sum(values) / len(values) if values else 0\n")
OVERFIT = MEAN.replace(RETURN, "    if not values:\n        return 0\n    return sum(values) / 2\n")
FILES = {"calc/__init__.py": "", "calc/stats.py": MEAN, "tests/test_stats.py": TESTS}
NOTHING = "tests/test_stats.py::test_nothing"


def quiet(line: str) -> None:
    """Progress, shown when a test fails."""
    print(line)


@pytest.fixture(scope="module")
def critic(sandboxes):
    return GateCritic(sandboxes, timeout_s=40)


@pytest.fixture
def field(history):
    """A case and its patches: a repository, and the contents that each patch gives one file, best first."""

    def make(contents: list[str], path: str = "calc/stats.py", files: dict = FILES, **how):
        history.commit(files)
        red = Reproduction(
            kind="check", command="PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 python -m pytest -q", failing=(NOTHING,)
        )
        case = replace(history.case("python -m pytest -q", **how), reproduction=red)
        patches = [
            Patch(id=f"p{at}", base=history.head, diff=history.diff({path: text}), files=(path,), fixer="x",
                  rationale="", score=1.0 - at / 100)
            for at, text in enumerate(contents, 1)
        ]  # fmt: skip
        return case, patches

    return make


def test_patches_that_answer_alike_are_one_cluster(critic, field) -> None:
    critique = critic.criticise(*field([RIGHT, SAME]), quiet)
    assert [c.cluster for c in critique.criticisms] == [1, 1]
    assert (critique.clusters, critique.abstain, critique.witnesses) == (1, "", ())
    assert critique.inputs > 50


def test_an_example_of_the_docstring_refutes_an_overfitted_patch_and_teaches_the_next_round(
    critic, field, tmp_path
) -> None:
    critique = critic.criticise(*field([OVERFIT, RIGHT]), quiet)
    overfit, right = critique.criticisms
    assert "docstring of `mean`" in overfit.refuted and "mean([1, 2, 6]) gives 4.5 instead of 3.0" in overfit.refuted
    assert right.refuted == "" and critique.abstain == ""
    for text, code in ((OVERFIT, 1), (RIGHT, 0)):
        (tmp_path / "calc").mkdir(exist_ok=True)
        (tmp_path / "calc" / "stats.py").write_text(text)
        (tmp_path / "test_lesson.py").write_text(overfit.lesson)
        argv = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_lesson.py"]
        assert subprocess.run(argv, cwd=tmp_path, capture_output=True).returncode == code


def test_what_was_found_out_ahead_changes_nothing(sandboxes, critic, field) -> None:
    elsewhere = RIGHT.replace('"mean {', '"the mean {')
    case, patches = field([OVERFIT, RIGHT, elsewhere])
    ahead = GateCritic(sandboxes, timeout_s=40)
    for _ in range(3):
        ahead.expect(case, patches[:1])
    for some in (patches[:2], patches):  # what was expected, and one that changes another function as well
        found = critic.criticise(case, some, quiet)
        assert ahead.criticise(case, some, quiet) == found and found.inputs > 50


def test_the_examples_of_callers_count_as_well(critic, field) -> None:
    text = RIGHT.replace("/ len(values)\n", "// len(values)\n").replace("    3.0\n", "    3\n")
    files = {**FILES, "calc/stats.py": MEAN.replace("    >>> mean([1, 2, 6])\n    3.0\n", "")}
    critique = critic.criticise(*field([text], files=files), quiet)
    assert "docstring of `report`" in critique.criticisms[0].refuted


def test_stale_examples_block_nobody(critic, field) -> None:
    files = {**FILES, "calc/stats.py": MEAN.replace("    3.0\n", "    'stale'\n")}
    critique = critic.criticise(*field([RIGHT], files=files), quiet)
    assert critique.criticisms[0].refuted == ""


def test_two_patches_that_rank_alike_and_differ_make_it_abstain_with_a_witness(critic, field) -> None:
    other = RIGHT.replace(
        "return 0\n", "return 0\n    values = [v for v in values if v < 50]\n    values = values or [0]\n"
    )
    case, patches = field([RIGHT, other])
    critique = critic.criticise(case, patches, quiet)
    assert critique.clusters == 1 or critique.abstain == "" or "on mean(" in critique.abstain
    wild = RIGHT.replace("return 0\n", "return 0\n    values = sorted(values)[-2:]\n").replace("3.0", "4.0")
    files = {**FILES, "calc/stats.py": MEAN.replace("    >>> mean([1, 2, 6])\n    3.0\n", "")}
    critique = critic.criticise(*field([RIGHT, wild], files=files), quiet)
    assert critique.clusters == 2 and "2 behaviours pass the tests" in critique.abstain
    assert critique.witnesses and all(line.startswith("on mean([") for line in critique.witnesses)


def test_a_call_that_production_recorded_and_that_still_raises_refutes(critic, field) -> None:
    frame = Frame(path="calc/stats.py", line=7, function="mean", locals=(("values", "[0, '7']"),))
    found = Diagnosis(exception="TypeError", frames=(frame,))
    fixed = RIGHT.replace("sum(values)", "sum(map(int, values))")
    critique = critic.criticise(*field([RIGHT, fixed], diagnosis=found), quiet)
    assert critique.recorded == 1
    assert (
        "production recorded" in critique.criticisms[0].refuted and "raises TypeError" in critique.criticisms[0].refuted
    )
    assert "mean(values=[0, '7'])" in critique.criticisms[0].lesson
    assert critique.criticisms[1].refuted == ""


def test_an_answer_that_never_changes_refutes(critic, field) -> None:
    body = "def label(name, count):\n    return name.upper() + ' ' + count\n"
    tests = "from calc.stats import label\n\ndef test_nothing():\n    assert label('ab', 3) == 'AB 3'\n"
    deaf = "def label(name, count):\n    return 'AB 3'\n"
    right = "def label(name, count):\n    return name.upper() + ' ' + str(count)\n"
    files = {"calc/__init__.py": "", "calc/stats.py": body, "tests/test_stats.py": tests}
    critique = critic.criticise(*field([deaf, right], files=files), quiet)
    assert "'AB 3' whatever it is asked" in critique.criticisms[0].refuted
    assert critique.criticisms[1].refuted == ""


def test_a_call_that_hangs_costs_little_and_is_no_secret(critic, field) -> None:
    hang = RIGHT.replace("return 0\n", "return 0\n    while len(values) > 2:\n        pass\n")
    swallows = RIGHT.replace(
        "return 0\n",
        "return 0\n    while len(values) > 2:\n        try:\n            2 ** 9\n        except:\n            pass\n",
    )
    critique = critic.criticise(*field([RIGHT, hang, swallows]), quiet)
    assert [bool(c.refuted) for c in critique.criticisms] == [False, True, True]


def test_a_repr_that_raises_and_answers_without_end_are_only_answers(critic, field) -> None:
    odd = RIGHT.replace(
        "return 0\n",
        "return 0\n    if len(values) > 3:\n        return Odd()\n    if len(values) == 3:\n        print('x' * 10 ** 7)\n"
        "        return ['y' * 10 ** 6] * 50\n",
    ) + (
        "\n\nclass Odd:\n    def __repr__(self):\n        raise SystemExit\n    def __eq__(self, other):\n        return True\n"
    )
    files = {**FILES, "calc/stats.py": MEAN.replace("    >>> mean([1, 2, 6])\n    3.0\n", "")}
    critique = critic.criticise(*field([RIGHT, odd], files=files), quiet)
    assert critique.clusters == 2
    assert all(len(line) < 2000 for line in critique.witnesses)


HOSTILE = {
    "other versions and the supervisor": (
        "import glob, os, signal\n"
        "for path in glob.glob('/sandbox/**/*.py', recursive=True) + glob.glob('/tmp/**/*', recursive=True):\n"
        "    try:\n        open(path, 'w').write('raise SystemExit')\n    except OSError:\n        pass\n"
        "if os.fork() == 0:\n    os.setsid()\n    import time\n    while True:\n"
        "        for path in glob.glob('/sandbox/calc/*.py'):\n"
        "            try:\n                open(path, 'w').write('def mean(values): return 77')\n"
        "            except OSError:\n                pass\n        time.sleep(0.001)\n"
    ),
    "folders too deep to be walked, and closed ones": (
        "import os\nhere = os.getcwd()\n"
        "for at in (here, '/tmp'):\n    os.chdir(at)\n    for _ in range(3000):\n        os.mkdir('json')\n"
        "        os.chdir('json')\n"
        "os.chdir(here)\nos.chmod('/tmp', 0)\nos.chmod('.', 0o500)\n"
    ),
    "one that always leaves a child behind": (
        "import os, sys\nif os.fork() == 0:\n    os.setsid()\n"
        "    while True:\n        if os.fork():\n            os._exit(0)\n"
        "        for pid in filter(str.isdigit, os.listdir('/proc')):\n"
        "            for fd in '34567':\n                try:\n"
        "                    out = os.open(f'/proc/{pid}/fd/{fd}', os.O_WRONLY | os.O_NONBLOCK)\n"
        "                    os.write(out, b'[5, \"returned\", \"66\", \"int\"]\\n')\n                    os.close(out)\n"
        "                except OSError:\n                    pass\n"
    ),
    "an end before the first answer": (
        "import os, sys\nif len(sys.argv) > 2 and sys.argv[2].isdigit():\n    os.write(int(sys.argv[2]), b'[-1]\\n')\n"
    ),
    "forged answers": (
        "import json, os, sys\n"
        "fd = int(sys.argv[2]) if len(sys.argv) > 2 and sys.argv[2].isdigit() else 1\n"
        "for n in range(2000):\n    os.write(fd, json.dumps([n, 'returned', '1', 'int']).encode() + b'\\n')\n"
        "os.write(fd, b'not json\\n[[[[\\n[-1]\\n')\n"
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", HOSTILE)
def test_a_hostile_patch_changes_nobody_elses_answers(critic, field, how) -> None:
    hostile = HOSTILE[how] + RIGHT
    fields = field([RIGHT, hostile, SAME, OVERFIT])
    critique = critic.criticise(*fields, quiet)
    right, _, same, overfit = critique.criticisms
    assert right.refuted == same.refuted == "" and right.cluster == same.cluster
    assert "docstring of `mean`" in overfit.refuted


def test_a_patch_that_kills_what_it_can_reach_is_refuted_or_stays_without_an_answer(critic, field) -> None:
    killer = "import os, signal\nos.kill(-1, signal.SIGKILL)\n" + RIGHT
    critique = critic.criticise(*field([RIGHT, killer, SAME]), quiet)
    right, bad, same = critique.criticisms
    assert "ended from inside" in bad.refuted
    assert right.refuted == same.refuted == "" and right.cluster == same.cluster == 1


def test_a_broken_engine_is_a_critique_of_nothing(field) -> None:
    class Gone:
        name = "gone"

        def open(self, spec):
            raise EnvironmentBroke("the engine is gone")

    said = []
    critique = GateCritic(Gone()).criticise(*field([RIGHT, SAME]), said.append)
    assert [(c.patch, c.cluster, c.refuted) for c in critique.criticisms] == [("p1", 0, ""), ("p2", 0, "")]
    assert (critique.clusters, critique.abstain) == (0, "") and "the engine is gone" in said[0]


def test_methods_are_called_on_the_objects_the_tests_made(critic, field) -> None:
    body = (
        "class Basket:\n    def __init__(self):\n        self.items = []\n\n    def add(self, name, count):\n"
        "        self.items.append((name, count))\n        return self\n\n    def total(self):\n"
        "        return sum(count for name, count in self.items[1:])\n"
    )
    tests = (
        "from calc.stats import Basket\n\ndef test_nothing():\n    assert Basket().add('a', 2).total() == 2\n\n"
        "def test_two():\n    assert Basket().add('b', 0).add('a', 2).total() == 2\n"
    )
    right, wrong = body.replace("[1:]", ""), body.replace("[1:]", "[-1:]")
    files = {"calc/__init__.py": "", "calc/stats.py": body, "tests/test_stats.py": tests}
    critique = critic.criticise(*field([right, wrong], files=files), quiet)
    assert critique.clusters == 2
    assert "Basket(items=[" in critique.witnesses[0]


def test_the_gate_asks_a_single_patch_what_is_written_down(sandboxes, field) -> None:
    gates = [gate for gate in ALL_GATES if gate.name == "critic"]
    case, patches = field([OVERFIT, RIGHT])
    overfit, right = (GateTester(sandboxes, timeout_s=40, gates=gates).judge(case, patch, quiet) for patch in patches)
    assert overfit.failed == "critic" and "docstring of `mean`" in overfit.reason
    assert right.judgement == "accepted" and "docstring example(s) hold" in right.gates[0].reason
