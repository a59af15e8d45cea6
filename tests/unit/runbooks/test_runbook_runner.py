"""The runner with real actions (programs, notices); only time and channels are made up."""

import sys
from dataclasses import replace

import pytest

from nightshift.daemon.kit.clock import ManualClock
from nightshift.daemon.model import dump, load
from nightshift.daemon.ports import EnvironmentBroke, Health, Refused
from nightshift.runbooks.context import Context
from nightshift.runbooks.errors import BookError
from nightshift.runbooks.load import parse_book
from nightshift.runbooks.records import MemoryRecord
from nightshift.runbooks.runner import Runner, RunResult
from nightshift.runbooks.testing import FileRecord

WRITE = "import os,sys; open(sys.argv[1], 'a').write(os.environ['NIGHTSHIFT_RUN_KEY'] + chr(10)); print('wrote')"


class Channel:
    """Keeps each key once, as channels do; `down` makes it fail."""

    def __init__(self, name="desk"):
        self.name, self.notices, self.down = name, {}, False

    def send(self, notice):
        if self.down:
            raise EnvironmentBroke("the channel is down")
        self.notices.setdefault(notice.key, notice)

    def probe(self):
        return Health(ok=not self.down, what=self.name, detail="")


class World:
    """A runner over real programs: each step's effect is a line in a file."""

    def __init__(self, folder):
        self.effects = folder / "effects"
        self.channel, self.clock = Channel(), ManualClock()
        self.commands = {
            "write": (sys.executable, "-c", WRITE, str(self.effects)),
            "fail": (sys.executable, "-c", "import sys; sys.exit('password=sesame-open it broke')"),
            "flood": (sys.executable, "-c", "print('x' * 200_000)"),
            "hang": (sys.executable, "-c", "import time; time.sleep(60)"),
            "missing": ("/nonexistent/program",),
            "folder": (str(folder),),
        }
        self.context = Context(notifiers=(self.channel,), commands=tuple(self.commands.values()), clock=self.clock)
        self.record = FileRecord(folder / "runs")

    def book(self, steps, verify=(), rollback=()):
        import json

        def made(names):
            return [{"name": f"{kind.replace(' ', '-')}-{at}", **self.step(kind)} for at, kind in enumerate(names)]

        data = {"name": "b", "description": "d", "parameters": {"who": {"default": "me"}}, "steps": made(steps)}
        data |= {"verify": [s | {"name": f"v-{s['name']}"} for s in made(verify)]}
        data |= {"rollback": [s | {"name": f"r-{s['name']}"} for s in made(rollback)]}
        return parse_book(json.dumps(data))

    def step(self, kind):
        if kind == "notify":
            return {"action": "notify", "with": {"title": "hello ${{ params.who }}", "text": "key ${{ run.key }}"}}
        timeout = {"timeout_s": 0.3} if kind == "hang" else {}
        return {"action": "command", "with": {"argv": list(self.commands.get(kind, (kind,)))}, **timeout}

    def run(self, book, key="run-1", **options):
        return Runner(self.context, self.record).run(book, {}, key=key, **options)

    def lines(self):
        return self.effects.read_text().splitlines() if self.effects.exists() else []


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def statuses(result):
    return [(step.phase, step.status) for step in result.steps]


def test_steps_then_verification(world):
    seen = []
    result = world.run(world.book(["write", "notify"], ["write"]), on_step=seen.append)
    assert result.ok
    assert statuses(result) == [("steps", "done"), ("steps", "done"), ("verify", "done")]
    assert list(result.steps) == seen
    assert [line.rsplit("/", 2)[0] for line in world.lines()] == ["run-1", "run-1"]
    assert [n.title for n in world.channel.notices.values()] == ["hello me"]
    assert load(RunResult, dump(result)) == result


def test_a_failure_stops_and_rolls_back(world):
    result = world.run(world.book(["write", "fail", "notify"], ["write"], ["write"]))
    assert (result.status, result.ok) == ("rolled_back", False)
    assert statuses(result) == [("steps", "done"), ("steps", "failed"), ("rollback", "done")]
    assert "exit code 1" in result.reason
    assert "sesame" not in str(result)
    assert world.channel.notices == {}


def test_a_failed_verification_rolls_back_too(world):
    result = world.run(world.book(["write"], ["fail"], ["notify"]))
    assert statuses(result) == [("steps", "done"), ("verify", "failed"), ("rollback", "done")]


def test_without_rollback_it_is_just_failed_and_a_failing_rollback_is_told(world):
    assert world.run(world.book(["fail"]), key="a").status == "failed"
    result = world.run(world.book(["fail"], (), ["fail", "write"]), key="b")
    assert result.status == "rollback_failed"
    assert result.reason.count("exit code 1") == 2
    assert world.lines() == []


def test_asked_again_under_the_same_key_it_answers_and_repeats_nothing(world):
    book = world.book(["write", "notify"], ["fail"], ["write"])
    first, again = world.run(book), world.run(book)
    assert len(world.lines()) == 2
    assert len(world.channel.notices) == 1
    assert [replace(s, resumed=False) for s in again.steps] == list(first.steps)
    assert all(s.resumed for s in again.steps)
    assert (again.status, again.reason) == (first.status, first.reason)
    world.run(book, key="run-2")
    assert len(world.lines()) == 4


class Killed(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("at", range(3))
def test_killed_after_any_step_it_goes_on_and_does_each_once(world, at):
    book = world.book(["write", "write", "write"])
    seen = []

    def die(result):
        seen.append(result)
        if len(seen) == at + 1:
            raise Killed

    with pytest.raises(Killed):
        world.run(book, on_step=die)
    result = world.run(book)
    assert result.ok
    assert [s.resumed for s in result.steps] == [n <= at for n in range(3)]
    assert len(world.lines()) == len(set(world.lines())) == 3


class DiesBeforeResult(FileRecord):
    """A process that is killed after the effect and before it could be written down."""

    def save(self, key, name, entry):
        if "result" in entry:
            raise Killed
        super().save(key, name, entry)


@pytest.mark.parametrize(("repeat", "status", "effects"), [(False, "failed", 1), (True, "done", 2)])
def test_killed_inside_a_command_only_a_repeatable_one_runs_again(world, tmp_path, repeat, status, effects):
    book = world.book(["write"])
    step = book.steps[0].model_copy(update={"arguments": book.steps[0].arguments | {"repeat": repeat}})
    book = book.model_copy(update={"steps": (step,)})
    with pytest.raises(Killed):
        Runner(world.context, DiesBeforeResult(tmp_path / "runs")).run(book, key="run-1")
    result = world.run(book)
    assert result.status == status
    assert len(world.lines()) == effects


def test_killed_inside_a_notice_people_read_it_once(world, tmp_path):
    book = world.book(["notify"])
    with pytest.raises(Killed):
        Runner(world.context, DiesBeforeResult(tmp_path / "runs")).run(book, key="run-1")
    assert world.run(book).ok
    assert len(world.channel.notices) == 1


def test_a_world_that_fails_is_no_verdict_the_run_goes_on_later(world):
    book = world.book(["write", "notify"])
    world.channel.down = True
    with pytest.raises(EnvironmentBroke):
        world.run(book)
    world.channel.down = False
    assert world.run(book).ok
    assert len(world.lines()) == 1


def test_a_dry_run_has_no_effects_and_leaves_no_record(world, tmp_path):
    book = world.book(["write", "notify", "rm"], ["write"], ["write"])
    result = world.run(book, dry_run=True)
    assert (result.status, result.ok) == ("planned", True)
    assert {s.status for s in result.steps} == {"planned"}
    assert result.steps[1].output == "tell every channel: hello me"
    assert result.steps[2].output == "run: rm (refused: not on the allow-list)"
    assert world.lines() == []
    assert world.channel.notices == {}
    assert list(tmp_path.glob("runs/*")) == []


def test_a_command_that_is_not_listed_word_for_word_does_not_run(world):
    argv = world.commands["write"]
    for wrong in (argv[:-1], (*argv, "more"), (*argv[:-1], argv[-1] + "2"), ("sh", "-c", "touch /tmp/x")):
        book = world.book(["write"])
        step = book.steps[0].model_copy(update={"arguments": {"argv": list(wrong)}})
        result = world.run(book.model_copy(update={"steps": (step,)}), key=str(wrong))
        assert "not on the allow-list" in result.reason
    assert world.lines() == []
    assert list(world.effects.parent.glob("effects*")) == []


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("missing", "no program"), ("folder", "may not be executed"), ("flood", "more than"), ("hang", "longer than")],
)
def test_commands_that_go_wrong(world, kind, reason):
    assert reason in world.run(world.book([kind])).reason


def test_attempts_with_pauses(world):
    book = world.book(["fail"])
    step = book.steps[0].model_copy(update={"attempts": 3, "wait_s": 5.0})
    before = world.clock.monotonic()
    assert world.run(book.model_copy(update={"steps": (step,)})).status == "failed"
    assert world.clock.monotonic() - before == pytest.approx(10.0)


def test_conditions_and_outputs_of_earlier_steps(world):
    import json

    steps = [
        {"name": "a", "action": "command", "with": {"argv": list(world.commands["write"])}},
        {
            "name": "b",
            "action": "notify",
            "when": "${{ steps.a.output }}",
            "with": {"title": "a: ${{ steps.a.output }}"},
        },
        {"name": "c", "action": "notify", "when": "${{ steps.d.output }}", "with": {"title": "never"}},
        {"name": "d", "action": "notify", "when": False, "with": {"title": "never"}},
    ]
    steps[2], steps[3] = steps[3], steps[2]
    result = world.run(parse_book(json.dumps({"name": "b", "description": "d", "steps": steps})))
    assert [s.status for s in result.steps] == ["done", "done", "skipped", "skipped"]
    assert [n.title for n in world.channel.notices.values()] == ["a: wrote\n"]


def test_an_argument_that_does_not_fit_at_run_time_fails_the_step(world):
    text = """
name: b
description: d
parameters: {container: {pattern: '.*'}}
steps: [{name: a, action: docker.restart, with: {container: '${{ params.container }}'}}]
"""
    result = Runner(world.context).run(parse_book(text), {"container": "--all"}, key="k")
    assert result.status == "failed"
    assert "argument container" in result.reason


def test_wrong_parameters_have_no_effect(world):
    with pytest.raises(BookError, match="no parameter 'hwo', nearest valid name: 'who'"):
        Runner(world.context, world.record).run(world.book(["write"]), {"hwo": "x"}, key="k")
    assert world.lines() == []


def test_a_key_belongs_to_one_book_and_one_set_of_parameters(world):
    runner = Runner(world.context, world.record)
    book = world.book(["notify"])
    runner.run(book, {"who": "me"}, key="k")
    with pytest.raises(Refused, match="belongs to another run"):
        runner.run(book, {"who": "you"}, key="k")


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_records_hold_keep_and_tell_keys_apart(tmp_path, kind):
    record = MemoryRecord() if kind == "memory" else FileRecord(tmp_path)
    with record.hold("a"):
        with pytest.raises(Refused, match="going on already"), record.hold("a"):
            pass
        with record.hold("b"):
            record.save("b", "x", {"n": 1})
    with record.hold("a"):
        record.save("a", "x", {"n": 2})
        record.save("a", "y", {"n": 3})
    assert record.load("a") == {"x": {"n": 2}, "y": {"n": 3}}
    assert record.load("b") == {"x": {"n": 1}}
    assert record.load("c") == {}


def test_a_damaged_record_is_the_world_s_fault_not_a_fresh_start(world, tmp_path):
    book = world.book(["write"])
    world.run(book)
    (path,) = (tmp_path / "runs").glob("*.json")
    path.write_text('{"key": "run-1", "entr')
    with pytest.raises(EnvironmentBroke, match="record"):
        world.run(book)
    assert len(world.lines()) == 1
