"""Whole missions whose requests live on a server: real forge, real git; only reproduction and verdicts are scripted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from support.hub.server import Hub
from support.hub.state import HubPull, push_as_person
from support.scenario import Scenario, commit, scenario

from nightshift.daemon.app.hearing import Hearing
from nightshift.daemon.forges.remote import RemoteForge
from nightshift.daemon.missions.heal import Heal
from nightshift.daemon.missions.testing import MemoryDurable
from nightshift.daemon.model import ForgeEvent, ForgeEventKind, Recovery, Stage
from nightshift.daemon.ports import EnvironmentBroke, Refused

NAME, CALLS_PER_INCIDENT = "acme/shop", 12
Drawn = tuple[Scenario, Hub, RemoteForge]


@pytest.fixture(params=["github", "gitlab", "gitea"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def set_up(hub: Hub, forge: RemoteForge, kind: str, tmp_path: Path) -> Callable[..., Scenario]:
    """Missions against the server instead of the local forge."""

    def make(**of: Any) -> Scenario:
        made = scenario(tmp_path / "scene", **of)
        bare = hub.repo(NAME).bare
        commit(bare, {"app.py": b"x = 1\n"}, "first")
        service = replace(made.parts.services["shop"], repo=hub.address(NAME), forge=kind)
        made.parts = replace(made.parts, forge=forge, services={"shop": service})
        made.upstream = bare
        return made

    return make


def run(made: Scenario, *signals: dict[str, str]) -> MemoryDurable:
    durable = MemoryDurable(signals)
    asyncio.run(Heal(durable, made.steps, made.mission).run())
    return durable


def say(verb: str, when: str = "", reason: str = "because") -> dict[str, str]:
    said = {"verb": verb, "actor": "ada", "reason": reason}
    return {**said, "when": when} if when else said


def pull_of(hub: Hub) -> HubPull:
    [pull] = hub.repo(NAME).pulls
    return pull


def test_heals_with_one_request_and_few_calls(set_up: Callable[..., Scenario], hub: Hub) -> None:
    made = set_up()
    with hub.counting() as calls:
        run(made)
    assert made.stage() == Stage.HEALED and made.content() == b"x = 2\n"
    pull = pull_of(hub)
    assert pull.merged == made.upstream.resolve("main") and not pull.draft
    assert pull.labels == ["nightshift", "templates"] and made.deployer.keys == [f"{made.mission}-fix"]
    assert len(calls) <= CALLS_PER_INCIDENT, calls
    for words in ("What broke", "Red before", "Green after", "Blast radius", "git revert", "| reproduction |"):
        assert words in pull.body, words


def test_a_person_s_approval_turns_the_draft_into_a_merge(set_up: Callable[..., Scenario], hub: Hub) -> None:
    made = set_up(autonomy="propose")
    with hub.counting() as calls:
        run(made, say("approve", "authorise"))
    assert made.stage() == Stage.HEALED and not pull_of(hub).draft and len(calls) <= CALLS_PER_INCIDENT


def test_a_stale_base_is_judged_again_in_the_same_request(set_up: Callable[..., Scenario], hub: Hub) -> None:
    made = set_up()
    judge = made.tester.judge

    def meanwhile(case: Any, patch: Any, note: Any) -> Any:
        if len(made.tester.judged) == 0:
            verdict = judge(case, patch, note)
            made.push({"other.py": b"y = 1\n"}, "meanwhile")
            return verdict
        return judge(case, patch, note)

    made.tester.judge = meanwhile
    run(made)
    assert made.stage() == Stage.HEALED and made.content() == b"x = 2\n"
    assert made.upstream.read("main", "other.py") == b"y = 1\n" and len(made.tester.judged) == 2
    assert sum("Round 2" in text for _, text in pull_of(hub).comments) == 1


def test_checks_are_waited_for(set_up: Callable[..., Scenario], hub: Hub, forge: RemoteForge) -> None:
    made, repo = set_up(), hub.repo(NAME)
    if forge.name != "gitlab":
        repo.required_checks = ["unit"]

    class Slow(MemoryDurable):
        async def receive(self, timeout_s: float) -> Any:
            if timeout_s:
                self.slept_s.append(timeout_s)
                head = repo.tip(pull_of(hub).branch)
                repo.checks[head] = {"unit": "success" if len(self.slept_s) == 3 else "pending"}
            return await super().receive(timeout_s)

    propose = forge.propose

    def with_checks(*args: Any) -> Any:
        request = propose(*args)
        repo.checks[request.head] = {"unit": "pending"}
        return request

    forge.propose = with_checks
    durable = Slow()
    asyncio.run(Heal(durable, made.steps, made.mission).run())
    assert made.stage() == Stage.HEALED and durable.slept_s == [15.0, 30.0, 60.0]
    assert sum("waiting: checks are not finished" in reason for reason in made.reasons()) == 1


def test_a_failed_check_needs_people(set_up: Callable[..., Scenario], hub: Hub, forge: RemoteForge) -> None:
    made, propose = set_up(), forge.propose

    def with_checks(*args: Any) -> Any:
        request = propose(*args)
        hub.repo(NAME).checks[request.head] = {"unit": "failure"}
        return request

    forge.propose = with_checks
    run(made)
    assert made.stage() == Stage.ESCALATED and "unit" in made.reasons()[-1]
    assert made.content() == b"x = 1\n" and pull_of(hub).state == "open"


def test_what_does_not_help_is_reverted_on_the_server(set_up: Callable[..., Scenario], hub: Hub) -> None:
    made = set_up(outcome=Recovery.STILL_FAILING)
    run(made)
    assert made.stage() == Stage.ROLLED_BACK and made.content() == b"x = 1\n"
    fix, undo = hub.repo(NAME).pulls
    assert fix.merged and undo.merged and undo.labels == ["nightshift", "rollback"] and "Undo" in undo.title
    assert made.deployer.keys == [f"{made.mission}-fix", f"{made.mission}-rollback"]


def test_closed_by_people_ends_well(set_up: Callable[..., Scenario], hub: Hub, forge: RemoteForge) -> None:
    made, readiness = set_up(), forge.dialect.pull

    def close_first(repo: str, number: int) -> Any:
        hub.repo(NAME).close(pull_of(hub))
        return readiness(repo, number)

    forge.dialect.pull = close_first
    run(made)
    assert made.stage() == Stage.DISMISSED and "closed by people" in made.reasons()[-1]
    assert made.content() == b"x = 1\n" and made.deployer.keys == []


def test_taken_over_leaves_the_request_to_people(set_up: Callable[..., Scenario], hub: Hub) -> None:
    made = set_up(autonomy="propose")
    run(made, say("take_over", "authorise", "pushed"))
    assert made.stage() == Stage.DISMISSED and "taken over by ada" in made.reasons()[-1]
    assert pull_of(hub).state == "open" and not pull_of(hub).comments


def test_pushed_to_without_a_word_is_taken_over_as_well(
    set_up: Callable[..., Scenario], hub: Hub, forge: RemoteForge
) -> None:
    made, propose = set_up(), forge.propose

    def pushed(*args: Any) -> Any:
        request = propose(*args)
        push_as_person(hub.repo(NAME), request.branch, {"more.py": b"1\n"}, "let me")
        return request

    forge.propose = pushed
    run(made)
    assert made.stage() == Stage.DISMISSED and "people pushed" in made.reasons()[-1]
    assert made.content() == b"x = 1\n"


def test_redirected_it_is_done_again_otherwise(set_up: Callable[..., Scenario], hub: Hub) -> None:
    made = set_up(autonomy="propose")
    durable = run(made, say("redirect", "authorise", "without revert, please"), say("approve", "authorise"))
    assert made.stage() == Stage.HEALED and durable.names.count("gather") == 2, made.reasons()
    assert "redirected by ada: without revert, please" in made.reasons()
    assert len(hub.repo(NAME).pulls) == 1


# ---------------------------------------------------------------- what people do there


class Told:
    """Signals that missions got."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str, str]] = []
        self.keys: list[str] = []
        self.refuses = ""

    def __call__(self, mission: str, verb: str, actor: str, reason: str, key: str) -> None:
        if self.refuses:
            raise Refused(self.refuses)
        self.said.append((mission, verb, reason))
        self.keys.append(key)


@pytest.fixture
def heard(set_up: Callable[..., Scenario], kind: str) -> Callable[..., tuple[Hearing, Told, ForgeEvent, Scenario]]:
    """A mission that waits for approval, and somebody who listens."""

    def make() -> tuple[Hearing, Told, ForgeEvent, Scenario]:
        made, told = set_up(autonomy="propose"), Told()
        steps, name = made.steps, made.mission
        case = steps.gather(name, 0)
        case["reproduction"] = steps.reproduce(name, case)
        patch = steps.draft(name, case, ["templates"], 0)["patches"][0]
        choice = {"verdict": steps.judge(name, case, patch, {"round": 1, "rank": 1}), "reason": ""}
        change = steps.propose(name, case, choice, 0)
        steps.authorise(name, case, choice, change)
        assert made.stage() == Stage.AWAITING_APPROVAL
        event = ForgeEvent(key="e-1", forge=kind, repository=NAME, kind=ForgeEventKind.SAID, branch=change["branch"],
                           number=change["number"], actor="ada", head=change["head"])  # fmt: skip
        hearing = Hearing(made.parts.services, made.store, made.parts.forge, told)
        return hearing, told, event, made

    return make


@pytest.mark.parametrize(
    ("text", "verb", "reason"),
    [
        ("approve", "approve", "said on #1"),
        ("Reject: it hides the cause", "reject", "it hides the cause"),
        ("pause", "pause", "said on #1"),
        ("approved by whom?", "redirect", "approved by whom?"),
        ("without templates", "redirect", "without templates"),
    ],
)
def test_words_become_signals(heard: Any, text: str, verb: str, reason: str) -> None:
    hearing, told, event, made = heard()
    hearing([replace(event, text=text, branch="")])
    hearing([replace(event, text=text)])
    assert told.said == [(made.mission, verb, reason)] and told.keys == ["e-1"]


def test_those_who_may_not_write_are_not_heard(heard: Any, hub: Hub) -> None:
    hearing, told, event, _ = heard()
    for at, actor in enumerate(("eve", "stranger", "")):
        hearing([replace(event, key=f"e-{at}", text="approve", actor=actor)])
    assert told.said == [] and pull_of(hub).comments == []


def test_what_can_not_be_done_is_answered(heard: Any, hub: Hub) -> None:
    hearing, told, event, _ = heard()
    told.refuses = "nothing waits for approval"
    hearing([replace(event, text="approve")])
    [(_, said)] = pull_of(hub).comments
    assert "Not done: nothing waits for approval" in said


def test_people_s_pushes_merges_and_closes_are_told_apart_from_ours(heard: Any, hub: Hub) -> None:
    hearing, told, event, made = heard()
    hearing([replace(event, key="ours", kind=ForgeEventKind.PUSHED)])
    assert told.said == []
    pushed = push_as_person(hub.repo(NAME), event.branch, {"more.py": b"1\n"}, "let me")
    hearing([replace(event, key="theirs", kind=ForgeEventKind.PUSHED, head=pushed)])
    hearing([replace(event, key="merged", kind=ForgeEventKind.MERGED)])
    hearing([replace(event, key="closed", kind=ForgeEventKind.CLOSED)])
    assert [verb for _, verb, _ in told.said] == ["take_over", "merged", "reject"]
    made.parts.forge.close(made.parts.services["shop"], made.mission, "over")
    hearing([replace(event, key="echo", kind=ForgeEventKind.CLOSED)])
    assert len(told.said) == 3


def test_only_the_service_s_own_repository_and_forge_speak_for_it(heard: Any) -> None:
    hearing, told, event, _ = heard()
    hearing([replace(event, text="approve", repository="eve/shop")])
    hearing([replace(event, key="e-2", text="approve", forge="another")])
    hearing([replace(event, key="e-3", text="approve", branch="nightshift/mis-unknown", number=99)])
    assert told.said == []


def test_a_forge_that_can_not_be_asked_is_asked_again(heard: Any, hub: Hub, forge: RemoteForge) -> None:
    hearing, told, event, _ = heard()
    may = forge.may_steer

    def broken(*_: Any) -> bool:
        raise EnvironmentBroke("down")

    forge.may_steer = broken
    with pytest.raises(EnvironmentBroke):
        hearing([replace(event, text="approve")])
    forge.may_steer = may
    hearing([replace(event, text="approve")])
    assert len(told.said) == 1
    assert SecretStr(hub.token).get_secret_value() not in repr(forge.settings)
