"""`nightshift policy` while no daemon runs: every rule with its reason, and the switch that stops everything."""

import json
import time

import pytest

from nightshift.daemon.model import (
    Event,
    Incident,
    IncidentState,
    Judgement,
    Mission,
    Patch,
    Reproduction,
    Severity,
    Signal,
    Stage,
    Verdict,
    dump,
)
from nightshift.daemon.store.shipping import Merged
from nightshift.daemon.store.store import Store

NOW_MS = int(time.time() * 1000)
DAY_MS = 24 * 3600 * 1000
CONFIG = """
state_dir: state
services:
  - name: shop
    repo: .
    autonomy: AUTONOMY
policy:
  limits:
    - name: payments
      paths: ["pay/**"]
"""


@pytest.fixture
def configure(tmp_path):
    def write(autonomy="earned"):
        (tmp_path / "nightshift.yaml").write_text(CONFIG.replace("AUTONOMY", autonomy))

    write()
    return write


@pytest.fixture
def store(tmp_path, configure):
    store = Store.open(tmp_path / "state" / "nightshift.db")
    signal = Signal(key="k", source="logs", service="shop", title="KeyError", at_ms=NOW_MS)
    store.incidents.add(Incident(id="inc-aaaa", fingerprint="f", service="shop", title="KeyError", severity=Severity.ERROR,
                                 state=IncidentState.OPEN, first_at_ms=1, last_at_ms=1, count=1, signal=signal))  # fmt: skip
    store.missions.ensure(Mission(id="mis-aaaa", incident="inc-aaaa", service="shop", stage=Stage.AWAITING_APPROVAL))
    yield store
    store.close()


def proved(store, path="cart.py"):
    patch = Patch(id="p", base="0" * 40, diff=f"--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-x\n+y\n", files=(path,),
                  fixer="templates", rationale="token=hunter2222", kind="constant")  # fmt: skip
    verdict = Verdict(judgement=Judgement.ACCEPTED, patch=patch)
    red = {k: v for k, v in dump(Reproduction(kind="check", command="pytest")).items() if k != "baseline"}
    decided = {"action": "propose", "reason": "not earned", "rules": []}
    rows = (("hand-off", red), ("hand-off", {"verdict": dump(verdict)}), ("policy", decided))
    for actor, data in rows:
        store.journal.append(
            Event(at_ms=NOW_MS, mission="mis-aaaa", stage="judging", actor=actor, reason="r", data=data)
        )


def rules(ran):
    return {rule["rule"]: rule for rule in json.loads(ran.out)["rules"]}


@pytest.mark.parametrize("name", ["mis-aaaa", "inc-aaaa", "mis-"])
def test_every_rule_is_printed_with_its_answer_and_reason(nightshift, store, name):
    proved(store)
    ran = nightshift("policy", "explain", name)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("mis-aaaa  shop, awaiting_approval, templates/constant\npropose: not earned: ")
    told = {line.split()[0]: line for line in ran.out.splitlines()[4:] if line.strip()}
    assert {"ok", "person"} <= set(told)
    for rule in ("kill switch", "dry run", "autonomy", "track record", "fixer", "oracle", "breaker", "open missions",
                 "budget", "window", "limit payments"):  # fmt: skip
        assert rule in ran.out
    assert "decided: propose: not earned" in ran.out


def test_as_json_it_is_for_programs(nightshift, store):
    proved(store)
    data = json.loads(nightshift("policy", "explain", "mis-aaaa", "--json").out)
    assert (data["decision"], data["fixer"], data["kind"], data["service"]) == (
        "propose",
        "templates",
        "constant",
        "shop",
    )
    assert all(set(rule) == {"rule", "allowed", "limit", "reason"} for rule in data["rules"])
    assert [past["action"] for past in data["decided"]] == ["propose"]


def test_it_follows_the_record_the_patch_and_the_configuration(nightshift, store, configure):
    proved(store)
    for n in range(6):
        store.merges.add(Merged(key=f"m{n}", service="shop", fixer="templates", kind="constant", commit=f"c{n}",
                                at_ms=NOW_MS - (8 + n) * DAY_MS, alone=False))  # fmt: skip
    assert json.loads(nightshift("policy", "explain", "mis-aaaa", "--json").out)["decision"] == "merge"
    store.merges.revert("m0", NOW_MS - 2 * DAY_MS, "ada")
    found = rules(nightshift("policy", "explain", "mis-aaaa", "--json"))
    assert not found["track record"]["allowed"]
    assert "since the last revert" in found["track record"]["reason"]
    configure("observe")
    assert rules(nightshift("policy", "explain", "mis-aaaa", "--json"))["autonomy"]["limit"] == "observe"


def test_a_patch_that_touches_a_limited_path_is_told(nightshift, store):
    proved(store, "pay/card.py")
    assert rules(nightshift("policy", "explain", "mis-aaaa", "--json"))["limit payments"] == {
        "rule": "limit payments", "allowed": False, "limit": "propose", "reason": "touches pay/card.py"}  # fmt: skip


def test_without_a_patch_nothing_is_allowed_yet(nightshift, store):
    ran = nightshift("policy", "explain", "mis-aaaa")
    assert ran.code == 0
    assert "no accepted patch yet" in ran.out
    assert "there is no proof yet" in ran.out


def test_nothing_to_explain(nightshift, store, configure):
    ran = nightshift("policy", "explain", "nothing")
    assert (ran.code, ran.out) == (1, "")
    assert "nothing" in ran.err


def test_a_stop_holds_until_it_is_taken_back_whoever_asks(nightshift, store, tmp_path):
    proved(store)
    assert nightshift("policy", "state").code == 0
    assert nightshift("policy", "stop", "-m", "bad feeling", "--actor", "ada").code == 0
    ran = nightshift("policy", "state", "--json")
    assert (ran.code, json.loads(ran.out)) == (1, {"stopped": True, "reason": "stopped by ada: bad feeling"})
    found = rules(nightshift("policy", "explain", "mis-aaaa", "--json"))["kill switch"]
    assert (found["limit"], found["reason"]) == ("observe", "stopped by ada: bad feeling")
    assert store.switches.thrown().reason == "bad feeling"
    assert nightshift("policy", "go").code == 0
    assert store.switches.thrown() is None


def test_a_stop_works_before_the_daemon_ever_ran(nightshift, configure, tmp_path):
    assert nightshift("policy", "stop").code == 0
    store = Store.open(tmp_path / "state" / "nightshift.db")
    assert store.switches.thrown() is not None
    store.close()


def test_letting_go_tells_what_still_stops(nightshift, store, tmp_path):
    (tmp_path / "state" / "STOP").touch()
    ran = nightshift("policy", "go")
    assert ran.code == 1
    assert "STOP" in ran.err
    (tmp_path / "state" / "STOP").unlink()
    assert nightshift("policy", "go").code == 0
