"""The worker's parts that need no sandbox: swapping code, restoring state, counting lines, reading 3.8 syntax."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path

import pytest

from nightshift.fixers.templates.conversation import worker_files
from nightshift.fixers.templates.worker.evaluate import Candidate, Plan
from nightshift.fixers.templates.worker.search import Search
from nightshift.fixers.templates.worker.spectrum import Recorder, Spectrum
from nightshift.fixers.templates.worker.state import State
from nightshift.fixers.templates.worker.swap import Module, NeedsReload, Swapper, apply_edits, print_of

CODE = '''\
from __future__ import annotations
import functools

LIMIT = 3


def deco(f):
    @functools.wraps(f)
    def inner(*a):
        return f(*a)
    return inner


def add(a, b=1):
    return a + b


@deco
def twice(a):
    return a * 2


@functools.lru_cache
def cached(a):
    return a + 1


def outer(n):
    def inner(m):
        return n + m
    return inner


KEPT = outer(10)


class Box:
    """A box."""

    size = 2

    def __init__(self, x):
        self.__x = x

    @property
    def value(self):
        return self.__x + self.size
'''


class Loaded:
    def __init__(self, path: Path) -> None:
        path.write_text(CODE)
        spec = importlib.util.spec_from_file_location("sick_module", path)
        assert spec is not None and spec.loader is not None
        self.module = importlib.util.module_from_spec(spec)
        sys.modules["sick_module"] = self.module
        spec.loader.exec_module(self.module)
        self.swapper = Swapper({"m.py": Module("m.py", str(path))})

    def plan(self, old: str, new: str):
        at = CODE.index(old)
        return self.swapper.plan([("m.py", at, at + len(old), new)])

    def put(self, old: str, new: str) -> None:
        for function, name, value in self.plan(old, new):
            setattr(function, name, value)
        self.swapper.clear_caches()


@pytest.fixture
def loaded(tmp_path: Path):
    yield Loaded(tmp_path / "m.py")
    del sys.modules["sick_module"]


@pytest.mark.parametrize(("old", "new", "call", "want"), [
    ("a + b", "a - b", lambda m: m.add(5), 4),
    ("a, b=1", "a, b=7", lambda m: m.add(5), 12),
    ("a * 2", "a * 3", lambda m: m.twice(5), 15),
    ("a + 1", "a + 2", lambda m: m.cached(5), 7),
    ("n + m", "n - m", lambda m: (m.outer(5)(2), m.KEPT(2)), (3, 8)),
    ("self.__x + self.size", "self.__x * self.size", lambda m: m.Box(5).value, 10),
    ("    return a + b\n", "    if b:\n        return 0\n    return a + b\n", lambda m: (m.add(1), m.twice(3)), (0, 6)),
])  # fmt: skip
def test_every_reference_sees_the_swap(loaded, old, new, call, want) -> None:
    loaded.module.cached(5)
    loaded.put(old, new)
    assert call(loaded.module) == want


@pytest.mark.parametrize(("old", "new"), [("LIMIT = 3", "LIMIT = 4"), ("size = 2", "size = 3"), ("@deco\n", "\n"),
                                          ("import functools\n", "import functools\nimport os\n")])  # fmt: skip
def test_what_is_no_function_body_needs_a_reload(loaded, old, new) -> None:
    with pytest.raises(NeedsReload):
        loaded.plan(old, new)


def test_equal_behaviour_has_an_equal_print_and_no_change_is_no_swap(loaded) -> None:
    assert loaded.plan("a + b", "(a + b)") == []
    assert print_of(loaded.plan("a + b", "a - b")) == print_of(loaded.plan("return a + b", "return (a - b)"))
    assert print_of(loaded.plan("a + b", "a - b")) != print_of(loaded.plan("a + b", "b - a"))
    with pytest.raises(SyntaxError):
        loaded.plan("a + b", "a +")


def test_edits_apply_from_the_back() -> None:
    assert apply_edits("abcdef", [(0, 1, "XX"), (4, 5, ""), (6, 6, "!")]) == "XXbcdf!"


def test_state_is_restored_in_place(loaded) -> None:
    module = loaded.module
    module.TABLE, module.DEEP = {"a": 1}, {"x": [1, {2}]}
    state, table, deep = State([module]), module.TABLE, module.DEEP
    module.TABLE["b"] = 2
    module.DEEP["x"].append(3)
    module.DEEP["x"][1].add(9)
    module.LIMIT = 99
    module.NEW = 1
    module.Box.size = 7
    state.restore()
    assert (module.TABLE, module.DEEP, module.LIMIT, module.Box.size) == ({"a": 1}, {"x": [1, {2}]}, 3, 2)
    assert module.TABLE is table and module.DEEP is deep and not hasattr(module, "NEW")


def test_defaults_of_parameters_are_restored(loaded) -> None:
    exec("def gather(x, found=[], *, seen={}):\n    found.append(x)\n    seen[x] = x", vars(loaded.module))
    state = State([loaded.module])
    loaded.module.gather(1)
    assert loaded.module.gather.__defaults__ == ([1],)
    state.restore()
    assert (loaded.module.gather.__defaults__, loaded.module.gather.__kwdefaults__) == (([],), {"seen": {}})


def test_segments_keep_what_passed_before_the_failure_apart(loaded) -> None:
    module = loaded.module
    recorder = Recorder({module.add.__code__.co_filename: "m.py"})

    def test() -> None:
        module.add(1)
        module.outer(1)
        module.Box(1)

    recorder.begin(test.__code__)
    recorder.start()
    try:
        test()
    finally:
        recorder.stop()
    filled = [{line for _, line in segment} for segment in recorder.segments if segment]
    first = CODE[: CODE.index("return a + b")].count("\n") + 1
    assert len(filled) == 3 and filled[0] == {first} and first not in filled[1] | filled[2]


def test_the_failing_segment_is_most_suspicious() -> None:
    spectrum = Spectrum()
    spectrum.add([{("m.py", 1)}, {("m.py", 2)}], failed=True)
    spectrum.add([{("m.py", 1)}], failed=False)
    found = spectrum.suspicion()["m.py"]
    assert found[2] == 1.0 and 0 < found[1] < 0.5


def test_the_worker_is_python_3_8_and_standard_library_only() -> None:
    files = worker_files()
    assert "nightshift_worker/main.py" in files
    for name, text in files.items():
        tree = ast.parse(text, name, feature_version=(3, 8))
        imported = {
            (n.module or "").split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and not n.level
        }
        imported |= {a.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        assert imported - {"pytest", "_pytest"} <= sys.stdlib_module_names, name


def test_a_better_ranked_candidate_still_counts_after_a_find() -> None:
    said: list[dict] = []
    plan = Plan(failing=[0], passing=[], cpu={}, lines={}, full=False, failing_cpu=0.0, full_cpu=0.0)
    search = Search(None, plan, {}, {"answers": -1, "cores": 1}, said.append)
    search.losers = [Candidate(3, (), cpu=6.0)]
    assert not search._better_waits()  # nothing found yet
    search._good(Candidate(9, ()), 77)
    assert search._better_waits()
    search.losers = [Candidate(12, (), cpu=6.0), Candidate(3, (), cpu=40.0)]
    assert not search._better_waits()
    search._good(Candidate(11, ()), 77)  # the same code, ranked worse
    search._good(Candidate(4, ()), 77)  # the same code, ranked better
    assert ([m["n"] for m in said], search.found) == ([9, 4], 1)


def test_after_a_find_what_is_far_less_likely_is_not_tried() -> None:
    plan = Plan(failing=[0], passing=[], cpu={}, lines={}, full=False, failing_cpu=0.0, full_cpu=0.0)
    search = Search(None, plan, {}, {"answers": -1, "cores": 1}, lambda _: None)
    search.fresh.extend([Candidate(5, (), score=0.2), Candidate(6, (), score=0.1)])
    search._good(Candidate(4, (), score=0.6), 77)
    assert not search._rest_unlikely(0.25)  # 0.2 may still be the better choice
    search.fresh.popleft()
    assert search._rest_unlikely(0.25)
    assert not search._rest_unlikely(0.0)
    search.losers = [Candidate(3, (), cpu=6.0, score=0.6)]
    assert not search._rest_unlikely(0.25)  # ranked before the find, it only was out of time


def test_only_the_best_of_many_endless_candidates_get_more_time() -> None:
    plan = Plan(failing=[0], passing=[], cpu={}, lines={}, full=False, failing_cpu=0.0, full_cpu=0.0)
    search = Search(None, plan, {}, {"answers": -1, "cores": 1}, lambda _: None)
    for n in range(1000):
        search._lost(Candidate(n, ()))
    a_little = [c for c in search.losers if c.cpu < 40]
    assert [c.n for c in a_little] == list(range(len(a_little))) and 50 < len(a_little) < 400
    for candidate in a_little:
        search._lost(candidate)
    a_lot = [c for c in search.losers if c.cpu == 40]
    assert [c.n for c in a_lot] == list(range(len(a_lot))) and 4 < len(a_lot) < 50
    search._lost(a_lot[0])
    assert len([c for c in search.losers if c.cpu == 40]) == len(a_lot)


def test_slow_tests_leave_fewer_second_tries_but_always_some() -> None:
    few = {}
    for failing_cpu in (0.0, 0.04, 40.0):
        plan = Plan(failing=[0], passing=[], cpu={}, lines={}, full=False, failing_cpu=failing_cpu, full_cpu=0.0)
        search = Search(None, plan, {}, {"answers": -1, "cores": 1}, lambda _: None)
        for n in range(300):
            search._lost(Candidate(n, (("m.py", n, n, "x"),)))
        few[failing_cpu] = [c.n for c in search.losers]
    assert few[0.0] == list(range(160))
    assert few[40.0] == list(range(16)) == few[0.04]


def test_what_was_endless_alone_is_not_retried_with_each_partner() -> None:
    plan = Plan(failing=[0], passing=[], cpu={}, lines={}, full=False, failing_cpu=0.0, full_cpu=0.0)
    search = Search(None, plan, {}, {"answers": -1, "cores": 1}, lambda _: None)
    endless, other = ("m.py", 1, 2, "while"), ("m.py", 90, 91, "y")
    for cpu in (1.0, 6.0, 40.0):
        search._lost(Candidate(0, (endless,), cpu=cpu))
    search.losers = []
    pairs = [Candidate(n, (endless, ("m.py", 5 + n, 5 + n, "x"))) for n in range(1, 60)]
    assert not search._hopeless(pairs[0])
    for pair in pairs[:40]:
        search._lost(pair)
    assert not search.losers
    assert search._hopeless(pairs[50])
    assert not search._hopeless(Candidate(99, (endless,)))
    search._lost(Candidate(98, (other, ("m.py", 5, 5, "x"))))  # neither was endless alone
    assert [c.n for c in search.losers] == [98]


def test_grading_takes_no_second_try() -> None:
    plan = Plan(failing=[0], passing=[], cpu={}, lines={}, full=False, failing_cpu=0.0, full_cpu=0.0)
    search = Search(None, plan, {}, {"answers": -1, "cores": 1}, lambda _: None)
    search._lost(Candidate(0, (("m.py", 1, 2, "x"),), mode="grade"))
    assert not search.losers


def test_once_narrowed_only_code_that_ran_before_is_recorded(tmp_path: Path) -> None:
    path = str(tmp_path / "narrow.py")
    made: dict[str, object] = {}
    exec(compile("def a(x):\n    return x\n\n\ndef b(x):\n    return a(x)\n", path, "exec"), made)
    recorder = Recorder({path: "narrow.py"})
    for call, expected in ((made["a"], {2}), (made["b"], {2})):
        recorder.begin(None)
        recorder.start()
        call(1)
        recorder.stop()
        recorder.narrow()
        assert {line for _, line in recorder.lines() if line > 1} == expected
