"""No effect on refusal, error, time-out or missing data: the real steps over a store that breaks, a switch that is
thrown, and a forge and a deployer that write down whatever reaches them."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.scenario import RED, Scenario, fix, scenario

from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.missions.durable import Defect, performed, valued
from nightshift.daemon.missions.effects import Effects
from nightshift.daemon.missions.operations import Operations
from nightshift.daemon.missions.policy.settings import Freeze, Limit, Settings, Window
from nightshift.daemon.missions.steps import Steps
from nightshift.daemon.model import Case, ChangeRequest, ChangeState, Judgement, Service, Stage, Verdict, dump, load
from nightshift.daemon.ports import EnvironmentBroke, NotYet, Refused, StaleBase
from nightshift.daemon.store.database import STORE_ERRORS
from nightshift.daemon.store.runs import BookRun
from nightshift.daemon.store.store import Store
from nightshift.runbooks.context import Context
from nightshift.runbooks.load import parse_book

FAULTS = {"broke": EnvironmentBroke("down"), "late": NotYet("checks run"), "no": Refused("no"), "stale": StaleBase("moved"),
          "timeout": TimeoutError("timed out")}  # fmt: skip
TABLES = ("switches", "merges", "outcomes", "missions", "incidents", "journal", "effects")


@dataclass
class Witness:
    """A forge and a deployer in one, over a real one that only reads: every effect is written down, then fails if told."""

    real: object
    fault: str = ""
    effects: list[str] = field(default_factory=list)
    opened: bool = False
    fixed: tuple[str, str] = ("", "")

    def __getattr__(self, name: str) -> object:
        return getattr(self.real, name)

    def _effect(self, name: str) -> None:
        self.effects.append(name)
        if self.fault:
            raise FAULTS[self.fault]

    def find(self, service, key):
        return self._request(key) if self.opened else None

    def head(self, service):
        return self.fixed[0]

    def propose(self, service, draft):
        self._effect("propose")
        return self._request(draft.key)

    def merge(self, service, key, *, head, base):
        self._effect("merge")
        return replace(self._request(key), state=ChangeState.MERGED, merged="d" * 40, landed_on=base)

    def close(self, service, key, reason):
        self._effect("close")
        return replace(self._request(key), state=ChangeState.CLOSED)

    def revert(self, service, key):
        return self.fixed[1]

    def deploy(self, service, commit, key):
        self._effect("deploy")
        return "deployed"

    def undo(self, service, commit, key, *, of):
        self._effect("deploy")
        return "undone"

    @staticmethod
    def _request(key: str) -> ChangeRequest:
        return ChangeRequest(key=key, number=1, branch=f"nightshift/{key}", target="main", base="b" * 40, head="c" * 40,
                             title="t", body="b", state=ChangeState.OPEN)  # fmt: skip


@dataclass
class Template:
    """What every example starts from. `fixed` is a commit with the fix, and the diff that takes it back."""

    folder: Path
    case: dict
    choice: dict
    fixed: tuple[str, str]


STAGES = {
    "propose": Stage.JUDGING, "authorise": Stage.PROPOSING, "merge": Stage.PROPOSING, "withdraw": Stage.PROPOSING,
    "deploy": Stage.MERGING, "redeploy": Stage.ROLLING_BACK, "rollback": Stage.WATCHING,
}  # fmt: skip


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A mission with an accepted patch, made once; each example works on a copy."""
    folder = tmp_path_factory.mktemp("template")
    made = scenario(folder)
    steps = made.steps
    case = steps.gather(made.mission, 0)
    case["reproduction"] = dump(RED)
    [patch] = fix(load(Case, case))
    for step, args in (
        ("reproduce", (case,)),
        ("plan", (case,)),
        ("draft", (case, ["templates"], 0)),
        ("judge", (case, dump(patch), {"round": 1, "rank": 1})),
    ):
        getattr(steps, step)(made.mission, *args)
    made.store.close()
    verdict = Verdict(judgement=Judgement.ACCEPTED, patch=patch)
    repo = BareRepo(case["repo"])
    fixed = repo.commit(repo.apply(case["base"], patch.diff), [case["base"]], "fix", at_s=1)
    undoing = repo.diff(fixed, case["base"])
    return Template(folder, case, {"verdict": dump(verdict), "reason": ""}, (fixed, undoing))


def copied(
    template: Template, folder: Path, step: str, autonomy: str, policy: Settings, fault: str = ""
) -> tuple[Scenario, Witness]:
    shutil.copytree(template.folder, folder, dirs_exist_ok=True)
    made = scenario(folder, autonomy=autonomy)
    witness = Witness(made.parts.forge, fault, opened=step == "withdraw", fixed=template.fixed)
    made.store.missions.set(made.mission, stage=STAGES[step].value)
    made.parts = replace(made.parts, forge=witness, deployer=witness, policy=policy)
    return made, witness


def attempt(steps: Steps, made: Scenario, template: Template, step: str, approved: bool) -> object:
    """One step as the engine runs it. A defect, too, is an answer."""
    case, choice = template.case, template.choice
    change = dump(Witness._request(made.mission))
    merged = change | {"merged": "d" * 40, "state": "merged"}
    arguments = {
        "propose": (case, choice, 0), "authorise": (case, choice, change), "merge": (case, choice, change, approved),
        "withdraw": (choice, change, {"verb": "reject", "actor": "ada", "reason": ""}), "deploy": (merged,),
        "redeploy": (merged, "rollback"), "rollback": (case, merged, "worse"),
    }[step]  # fmt: skip
    work = getattr(steps, "deploy" if step == "redeploy" else step)
    try:
        return valued(performed(step, work, made.mission, *arguments))
    except (Defect, *STORE_ERRORS) as error:
        return error


LONG_AGO = Freeze(name="past", start="2001-01-01T00:00:00Z", end="2001-01-02T00:00:00Z")
NOW = Freeze(name="now", start="2001-01-01T00:00:00Z", end="2999-01-02T00:00:00Z")


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_effect_without_every_yes(template, data: st.DataObject) -> None:
    step = data.draw(st.sampled_from(["propose", "authorise", "merge", "withdraw", "deploy", "redeploy", "rollback"]))
    autonomy = data.draw(st.sampled_from(["observe", "propose", "earned", "merge", "", "nonsense"]))
    approved = data.draw(st.booleans())
    stop = data.draw(st.sampled_from(["", "", "", "setting", "file", "unreadable", "word"]))
    broken = data.draw(st.sampled_from(["", "", "", *TABLES]))
    knobs = {
        "dry_run": data.draw(st.booleans()), "freezes": data.draw(st.sampled_from([(), (LONG_AGO,), (NOW,)])),
        "auto_merge_fixers": data.draw(st.sampled_from([("templates",), ("revert",)])),
        "limits": data.draw(st.sampled_from([(), (Limit(name="l", paths=("app.py",), autonomy="observe"),)])),
        "max_open_missions": data.draw(st.sampled_from([1, 20])), "merges_per_day": data.draw(st.sampled_from([0, 50])),
        "windows": data.draw(st.sampled_from([(), (Window(),)])),
    }  # fmt: skip
    fault = data.draw(st.sampled_from(["", *FAULTS]))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        stops = {"file": folder / "STOP", "unreadable": folder / "n.db" / "STOP"}
        policy = Settings(stop=stop == "setting", stop_file=stops.get(stop), **knobs)
        made, witness = copied(template, folder, step, autonomy, policy, fault)
        if stop == "file":
            (folder / "STOP").touch()
        if stop == "word":
            made.store.switches.throw("ada", "", 1)
        if broken:
            with made.store.transaction() as connection:
                connection.exec_driver_sql(f"DROP TABLE {broken}")
        attempt(made.steps, made, template, step, approved)
        made.store.close()
    allowed = may(step, autonomy, approved, stop, knobs, broken)
    assert not witness.effects or allowed, (step, witness.effects)
    assert set(witness.effects) <= EXPECTED[step]


EXPECTED = {
    "propose": {"propose"}, "authorise": set(), "merge": {"merge"}, "withdraw": {"close"}, "deploy": {"deploy"},
    "redeploy": {"deploy"}, "rollback": {"propose", "merge"},
}  # fmt: skip


def may(step: str, autonomy: str, approved: bool, stop: str, knobs: dict, broken: str) -> bool:
    """Whether an effect would be right, written down independently of the rules. The store's tables that a decision is
    made of are named one by one."""
    if stop or broken in ("switches", "missions"):
        return False
    if step == "withdraw":
        return True
    if knobs["dry_run"] or autonomy not in ("propose", "earned", "merge"):
        return False
    if step in ("deploy", "redeploy"):
        return broken != "effects"
    if step == "rollback":
        return True
    if knobs["limits"] or broken in ("merges", "outcomes", "incidents"):
        return False
    alone = (
        autonomy == "merge" and knobs["freezes"] != (NOW,) and knobs["auto_merge_fixers"] == ("templates",)
        and knobs["merges_per_day"] > 0
    )  # fmt: skip
    return step == "propose" or alone or approved


@pytest.mark.parametrize("step", ["propose", "merge", "withdraw", "deploy", "redeploy", "rollback"])
def test_with_every_yes_the_effect_happens(template, tmp_path, step) -> None:
    made, witness = copied(template, tmp_path / "n", step, "merge", Settings())
    attempt(made.steps, made, template, step, False)
    assert set(witness.effects) == EXPECTED[step]


@pytest.mark.parametrize("step", ["propose", "merge", "withdraw", "deploy", "redeploy", "rollback"])
@pytest.mark.parametrize("how", ["word", "file"])
def test_the_switch_is_looked_at_right_before_the_effect(template, tmp_path, step, how) -> None:
    """Thrown while the step is under way, after everything was decided."""
    made, witness = copied(template, tmp_path / "n", step, "merge", Settings(stop_file=tmp_path / "STOP"))

    def throw() -> None:
        made.store.switches.throw("ada", "now", 1) if how == "word" else (tmp_path / "STOP").touch()

    class Late(Effects):
        """Thrown between the last decision and the effect."""

        def allowed(self, otherwise=""):
            throw()
            super().allowed(otherwise)

        def close(self, key, reason):
            throw()
            return super().close(key, reason)

    class LateSteps(Steps):
        def effects_on(self, service):
            return Late(self.parts, service)

    answer = attempt(LateSteps(made.parts), made, template, step, False)
    assert witness.effects == []
    assert "stopped" in answer["waiting"], answer


# ---------------------------------------------------------------- runbooks


BOOK = """
name: touch
description: Touches a file twice.
autonomy: act
steps:
  - {name: one, action: command, with: {argv: [sh, -c, "echo x >> $0", FILE]}}
  - {name: two, action: command, with: {argv: [sh, -c, "echo x >> $0", FILE]}}
"""


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_runbook_does_nothing_without_every_yes(data: st.DataObject) -> None:
    stop = data.draw(st.sampled_from(["", "", "setting", "file", "unreadable", "word", "between"]))
    dry_run, autonomy = data.draw(st.booleans()), data.draw(st.sampled_from(["observe", "propose", "merge", "", "?"]))
    broken = data.draw(st.sampled_from(["", "", "switches", "runs", "run_entries"]))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        store, effects = Store.open(folder / "n.db"), folder / "effects"
        stops = {"file": folder / "STOP", "unreadable": folder / "n.db" / "STOP"}
        policy = Settings(stop=stop == "setting", stop_file=stops.get(stop), dry_run=dry_run)
        if stop == "file":
            (folder / "STOP").touch()
        if stop == "word":
            store.switches.throw("ada", "", 1)
        book = parse_book(BOOK.replace("FILE", str(effects)))
        argv = ("sh", "-c", "echo x >> $0", str(effects))
        services = {"shop": Service(name="shop", repo="", autonomy=autonomy)}
        desk = Operations(store, lambda: {"touch": book}, Context(commands=(argv,)), services, policy)
        asked = BookRun(id="run-1", book="touch", definition=book.model_dump(mode="json", by_alias=True), params={})
        store.runs.ensure(asked)
        if broken:
            with store.transaction() as connection:
                connection.exec_driver_sql(f"DROP TABLE {broken}")
        for turn in range(2):
            with suppress(Refused, EnvironmentBroke, *STORE_ERRORS):
                desk.advance(asked, "shop")
            if stop == "between" and not turn:
                with suppress(*STORE_ERRORS):
                    store.switches.throw("ada", "", 1)
        done = len(effects.read_text().split()) if effects.exists() else 0
        store.close()
    allowed = not dry_run and autonomy in ("propose", "merge") and not broken
    assert done == (0 if not allowed or stop not in ("", "between") else 1 if stop == "between" else 2), (done, stop)
