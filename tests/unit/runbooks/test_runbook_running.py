"""What a run does with conditions, turns, questions, other books and the way back; only time and people are made up."""

import json
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.daemon.ports import Refused
from nightshift.runbooks.book import cooling_down, lowest
from nightshift.runbooks.condition import check, met
from nightshift.runbooks.context import Context
from nightshift.runbooks.errors import BookError
from nightshift.runbooks.load import circles, parse_book
from nightshift.runbooks.records import MemoryRecord
from nightshift.runbooks.runner import MAX_DEPTH, Runner
from nightshift.runbooks.template import TemplateError, fill
from nightshift.runbooks.testing import FileRecord

WRITE = "import sys; open(sys.argv[1], 'a').write(sys.argv[2] + chr(10)); print(sys.argv[2])"


class World:
    """Each `write` appends a line; `keep` is a file action with an undo."""

    def __init__(self, folder):
        self.effects, self.logs = folder / "effects", folder / "logs"
        self.logs.mkdir()
        words = [f"{w}{n}" for w in "abcdxy" for n in ("", *range(5))] + ["one two", "three", "-f", "$(id)"]
        from nightshift.runbooks.limits import Limits

        self.context = Context(commands=tuple((sys.executable, "-c", WRITE, str(self.effects), w) for w in words),
                               limits=Limits(roots=(self.logs,)))  # fmt: skip
        self.record = MemoryRecord()

    def write(self, word, **more):
        argv = [sys.executable, "-c", WRITE, str(self.effects), word]
        return {"action": "command", "with": {"argv": argv, "repeat": True}, **more}

    def rotate(self, name):
        path = self.logs / name
        path.write_text(name)
        return {"name": name, "action": "file.rotate", "with": {"path": str(path)}}

    def run(self, data, key="k", params=None, books=(), **context):
        made = {book["name"]: book_of(book) for book in books}
        told = replace(self.context, books=lambda: made, **context)
        return Runner(told, self.record).run(book_of(data), params or {}, key=key)

    def lines(self):
        return self.effects.read_text().splitlines() if self.effects.exists() else []


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def book_of(data):
    return parse_book(json.dumps({"name": "b", "description": "d"} | data))


NO = {"name": "never", "action": "assert", "with": {"value": False}}


# ---------------------------------------------------------------- conditions


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("${{ a.n }}", True), ("not ${{ a.n }}", False), ("${{ a.zero }}", False), ("${{ a.none }}", False),
        ("${{ a.list }}", True), ("${{ a.n }} == 3", True), ("${{ a.n }} == 3.0", True), ("${{ a.n }} != 3", False),
        ("${{ a.n }} > 10", False), ("${{ a.n }} < 10", True), ("${{ a.text }} == ok", True),
        ("${{ a.text }} == 'ok'", True), ("${{ a.n }} >= ${{ a.n }}", True), ("${{ a.n }} > 2 and ${{ a.text }} == ok", True),
        ("${{ a.n }} > 2 and not ${{ a.n }}", False), ("${{ a.evil }} == x", False), ("${{ a.on }} == true", True),
    ],
)  # fmt: skip
def test_conditions(condition, expected):
    values = {"a.n": 3, "a.zero": 0, "a.none": None, "a.list": [1], "a.text": "ok", "a.on": True,
              "a.evil": "x == x and ${{ a.n }} == 3"}  # fmt: skip
    assert met(condition, values) is expected


@pytest.mark.parametrize("condition", ["", "1", "true or false", "${{ a.b }} or ${{ a.c }}", "${{ a.b }} == 1 == 1",
                                       "not ${{ a.b }} == 1", "__import__('os')", "${{ a.b }} =~ x", "${{ a.b"])  # fmt: skip
def test_what_is_no_condition(condition):
    with pytest.raises(TemplateError):
        check(condition)


def test_words_have_no_order():
    with pytest.raises(TemplateError, match="does not compare two numbers"):
        met("${{ a.b }} > 3", {"a.b": "many"})


@given(st.text(max_size=60))
def test_a_value_never_becomes_part_of_a_condition_or_a_text(value):
    """Whatever a value is, it is compared and put in as it is."""
    values = {"a.b": value, "a.secret": "s3cret"}
    assert met("${{ a.b }} == ${{ a.secret }}", values) is (value == "s3cret")
    assert fill("<${{ a.b }}>", values) == f"<{value}>"
    assert fill("${{ a.b }}", values) == value


def test_look_ups_walk_into_values():
    values = {"steps.q.rows": [{"pid": 7, "a.b": 1}], "steps.q.rows.0.x": "exact"}
    assert fill("${{ steps.q.rows.0.pid }}", values) == 7
    assert fill("${{ steps.q.rows.0.x }}", values) == "exact"
    for wrong in ("steps.q.rows.1.pid", "steps.q.rows.0.__class__", "steps.q.rows.-1", "steps.q.rows.pid", "steps.q"):
        with pytest.raises(TemplateError):
            fill(f"${{{{ {wrong} }}}}", values)


# ---------------------------------------------------------------- turns


def test_a_step_for_each_of_a_list_and_of_a_text(world):
    data = {
        "parameters": {"names": {"default": "c1,c2"}},
        "steps": [
            {"name": "one", "foreach": ["a1", "a2"], **world.write("${{ each.value }}")},
            {"name": "two", "foreach": "${{ params.names }}", "when": "${{ each.index }} > 0", **world.write("${{ each.value }}")},
            {"name": "three", "foreach": [], **world.write("d")},
        ],
    }  # fmt: skip
    result = world.run(data)
    assert result.ok, result
    assert world.lines() == ["a1", "a2", "c2"]
    assert [s.status for s in result.steps] == ["done", "done", "skipped"]
    assert result.steps[0].output == "a1\n\na2\n"
    assert world.run(data).steps[0].resumed
    assert world.lines() == ["a1", "a2", "c2"]


def test_too_many_turns_do_nothing_and_a_failing_one_ends_them(world):
    step = {"name": "one", "at_most": 2, **world.write("${{ each.value }}")}
    result = world.run({"steps": [{**step, "foreach": ["a1", "a2", "a3"]}]})
    assert "3 turns, at_most is 2: nothing was done" in result.reason
    result = world.run({"steps": [{**step, "foreach": ["a1", "nobody allowed this"]}]}, key="b")
    assert "turn 2: the command is not on the allow-list" in result.reason
    assert world.lines() == ["a1"]


class Killed(BaseException):
    """The process dies here."""


def test_turns_that_were_done_are_not_done_again(world, tmp_path):
    class Dies(FileRecord):
        def save(self, key, name, entry):
            super().save(key, name, entry)
            if name == "steps/one[1]" and "result" in entry:
                raise Killed

    data = {"steps": [{"name": "one", "foreach": ["a1", "a2", "a3"], **world.write("${{ each.value }}")}]}
    world.record = Dies(tmp_path / "r")
    with pytest.raises(Killed):
        world.run(data)
    world.record = FileRecord(tmp_path / "r")
    assert world.run(data).ok
    assert world.lines() == ["a1", "a2", "a3"]


# ---------------------------------------------------------------- the way back


def test_what_was_done_is_undone_last_first_where_it_can_be(world):
    data = {"steps": [world.rotate("x"), {"name": "w", **world.write("a")}, world.rotate("y"), NO]}
    result = world.run(data)
    assert result.status == "rolled_back", result
    assert [s.name for s in result.steps][-2:] == ["undo-y", "undo-x"]
    assert sorted(p.name for p in world.logs.iterdir()) == ["x", "y"]


def test_an_empty_rollback_takes_nothing_back_and_a_written_one_says_what(world):
    world.logs.joinpath("x").write_text("")
    first = world.rotate("x") | {"name": "x"}
    assert world.run({"steps": [first, NO], "rollback": []}).status == "failed"
    assert world.logs.joinpath("x.1").exists()
    second = world.rotate("y") | {"name": "y"}
    back = [{"name": "undo-y", "action": "undo", "with": {"step": "y"}}, {"name": "say", **world.write("b")}]
    assert world.run({"steps": [second, NO], "rollback": back}, key="b").status == "rolled_back"
    assert not world.logs.joinpath("y.1").exists()
    assert world.lines() == ["b"]


def test_an_undo_that_fails_is_told_and_the_others_still_happen(world):
    import shutil

    (world.logs / "deep").mkdir()
    (world.logs / "deep" / "y").write_text("y")
    gone = {"name": "y", "action": "file.rotate", "with": {"path": str(world.logs / "deep" / "y")}}
    runner = Runner(world.context, world.record)
    book = book_of({"steps": [world.rotate("x") | {"name": "x"}, gone]})
    assert runner.run(book, {}, key="k").ok
    shutil.rmtree(world.logs / "deep")
    runner.stop("k", "stop it")
    result = runner.run(book, {}, key="k")
    assert result.status == "rollback_failed"
    assert "undo of y" in result.reason
    assert world.logs.joinpath("x").read_text() == "x"


def test_a_run_that_is_stopped_before_it_began_does_nothing(world):
    runner = Runner(world.context, world.record)
    runner.stop("k", "never mind")
    result = runner.run(book_of({"steps": [{"name": "w", **world.write("a")}]}), {}, key="k")
    assert (result.status, result.reason) == ("failed", "never mind")
    assert world.lines() == []


def test_what_is_forbidden_in_the_middle_stops_even_the_way_back(world):
    stop = []
    forbidden = lambda: "the switch is thrown" if stop and world.lines() else ""  # noqa: E731
    stop.append(1)
    data = {"steps": [{"name": "w", **world.write("a")}, {"name": "x", **world.write("b")}],
            "rollback": [{"name": "y", **world.write("c")}]}  # fmt: skip
    result = world.run(data, forbidden=forbidden)
    assert result.status == "rollback_failed"
    assert "the switch is thrown" in result.reason
    assert world.lines() == ["a"]


# ---------------------------------------------------------------- one at a time, and people


def test_steps_can_be_done_one_at_a_time(world):
    book = book_of(
        {"steps": [{"name": n, **world.write(n)} for n in ("a", "b")], "verify": [{"name": "c", **world.write("c")}]}
    )
    runner, seen = Runner(world.context, world.record), []
    for _ in range(4):
        result = runner.run(book, {}, key="k", most=1)
        seen.append((result.status, world.lines()))
        if result.over:
            break
    assert seen == [("running", ["a"]), ("running", ["a", "b"]), ("done", ["a", "b", "c"])]
    assert runner.run(book, {}, key="k", most=0).status == "done"


@pytest.mark.parametrize(("verb", "status", "lines"), [("approve", "done", ["a", "b"]), ("reject", "failed", ["a"])])
def test_a_question_waits_for_its_answer(world, verb, status, lines):
    ask = {"name": "ask", "action": "ask", "with": {"question": "May I? password=hunter22"}}
    book = book_of({"steps": [{"name": "a", **world.write("a")}, ask, {"name": "b", **world.write("b")}]})
    runner = Runner(world.context, world.record)
    for _ in range(2):
        result = runner.run(book, {}, key="k")
        assert (result.status, result.asks) == ("waiting", "k/steps/ask")
        assert "hunter22" not in result.question
    runner.answer("k", "k/steps/another", {"verb": "approve", "actor": "x", "reason": ""})
    assert runner.run(book, {}, key="k").status == "waiting"
    runner.answer("k", result.asks, {"verb": verb, "actor": "ann", "reason": "so"})
    result = runner.run(book, {}, key="k")
    assert (result.status, world.lines()) == (status, lines)


# ---------------------------------------------------------------- books in books


def calls(*names, **more):
    return {"steps": [{"name": f"call-{n}", "action": "runbook", "with": {"book": n, **more}} for n in names]}


def test_a_book_runs_another_and_is_rolled_back_with_it(world):
    inner = {"name": "inner", "description": "d", "parameters": {"w": {}}, "autonomy": "act",
             "steps": [{"name": "w", **world.write("${{ params.w }}")}], "rollback": [{"name": "r", **world.write("x")}]}  # fmt: skip
    assert world.run(calls("inner", params={"w": "a1"}), books=[inner]).ok
    assert world.lines() == ["a1"]
    outer = calls("inner", params={"w": "a2"})
    outer["steps"].append(NO)
    result = world.run(outer, key="b", books=[inner])
    assert result.status == "rolled_back", result
    assert world.lines() == ["a1", "a2", "x"]


def test_books_do_not_run_each_other_in_a_circle_or_without_end(world):
    loop = [{"name": "one", "description": "d", "autonomy": "act", **calls("two")},
            {"name": "two", "description": "d", "autonomy": "act", **calls("one")}]  # fmt: skip
    assert "in a circle: b → one → two → one" in world.run(calls("one"), books=loop).reason
    assert circles({b["name"]: book_of(b) for b in loop}) == [
        "one:1: runbooks run each other in a circle: one → two → one"
    ]
    deep = [{"name": f"n{at}", "description": "d", "autonomy": "act", **calls(f"n{at + 1}")} for at in range(9)]
    assert f"more than {MAX_DEPTH} deep" in world.run(calls("n0"), key="b", books=deep).reason
    assert "there is no runbook 'nobody'" in world.run(calls("nobody"), key="c").reason


def test_a_book_that_may_not_act_alone_does_not_get_to_by_being_called(world):
    inner = {"name": "inner", "description": "d", "autonomy": "propose", "steps": [{"name": "w", **world.write("a")}]}
    assert "no person started or approved" in world.run(calls("inner"), books=[inner]).reason
    assert world.lines() == []
    assert world.run(calls("inner"), key="b", books=[inner], person="ann").ok


def test_a_question_in_an_inner_book_is_the_outer_run_s(world):
    inner = {"name": "inner", "description": "d", "autonomy": "act",
             "steps": [{"name": "ask", "action": "ask", "with": {"question": "May I?"}}, {"name": "w", **world.write("a")}]}  # fmt: skip
    made = {"inner": book_of(inner)}
    runner, outer = Runner(replace(world.context, books=lambda: made), world.record), book_of(calls("inner"))
    result = runner.run(outer, {}, key="k")
    assert (result.status, result.question) == ("waiting", "May I?")
    runner.answer("k", result.asks, {"verb": "approve", "actor": "ann", "reason": ""})
    assert runner.run(outer, {}, key="k").ok
    assert world.lines() == ["a"]


# ---------------------------------------------------------------- levels and cool-downs


@pytest.mark.parametrize(
    ("levels", "expected"),
    [(("act", "merge"), "act"), (("act", "propose"), "propose"), (("act", "earned", "merge"), "propose"),
     (("act", "nonsense"), "observe"), (("observe", "merge"), "observe"), ((), "observe")],
)  # fmt: skip
def test_the_least_autonomy_counts(levels, expected):
    assert lowest(*levels) == expected


def test_a_clock_that_was_set_back_does_not_end_a_cool_down():
    book = book_of({"steps": [NO], "cool_down_s": 60})
    assert "wait 60 s" in cooling_down(book, 1_000_000, 500_000)
    assert cooling_down(book, 1_000_000, 1_060_000) == ""
    assert cooling_down(book, None, 1) == ""


def test_the_older_word_for_act_is_understood():
    assert book_of({"steps": [NO], "autonomy": "merge"}).autonomy == "act"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"steps": [NO], "cool_down_per": ["x"]}, "there is no parameter 'x'"),
        ({"steps": [{**NO, "when": "${{ params.x }} > 3"}]}, "there is no 'params.x' here"),
        ({"steps": [{**NO, "when": "maybe"}]}, "'maybe' is no condition"),
        ({"steps": [{**NO, "with": {"value": "${{ each.value }}"}}]}, "there is no 'each.value' here"),
        ({"steps": [{"name": "u", "action": "undo", "with": {"step": "never"}}]}, "belongs into `rollback`"),
        (
            {"steps": [NO], "rollback": [{"name": "u", "action": "undo", "with": {"step": "other"}}]},
            "of one of the steps",
        ),
        (
            {"steps": [NO], "rollback": [{"name": "u", "action": "undo", "with": {"step": "never"}}]},
            "assert has no undo",
        ),
        ({"steps": [NO, {**NO, "name": "n", "when": "${{ steps.never.rows.0 }}"}]}, "there is no 'steps.never.rows.0'"),
        (
            {"steps": [{"name": "r", "action": "runbook", "with": {"book": "${{ run.book }}"}}]},
            "must stand here as it is",
        ),
    ],
    ids=range(9),
)
def test_mistakes_are_found_when_a_book_is_read(data, said):
    with pytest.raises(BookError, match=r"runbook\.yaml:\d+: ") as error:
        book_of(data)
    assert any(said in problem for problem in error.value.problems), error.value.problems


def test_a_run_whose_key_is_another_s_is_refused(world):
    world.run({"steps": [{"name": "w", **world.write("a")}]})
    with pytest.raises(Refused):
        world.run({"steps": [{"name": "w", **world.write("b")}]})


class Broken:
    """A channel with a bug."""

    name = "desk"

    def send(self, notice):
        raise RuntimeError("a bug with password=hunter22")


def test_a_defect_under_an_action_is_a_failed_step_and_what_was_done_is_taken_back(world):
    tell = {"name": "tell", "action": "notify", "with": {"title": "x"}}
    result = world.run({"steps": [world.rotate("x"), tell]}, notifiers=(Broken(),))
    assert result.status == "rolled_back", result
    assert "internal error: RuntimeError" in result.reason
    assert "hunter22" not in str(result)
    assert [p.name for p in world.logs.iterdir()] == ["x"]
