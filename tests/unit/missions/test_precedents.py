"""Which past patches a case carries: those that healed this service, newest first, none that say nothing of code."""

from __future__ import annotations

from pathlib import Path

from nightshift.daemon.missions.precedents import with_precedents
from nightshift.daemon.model import Case, Event, Judgement, Patch, Service, Verdict, dump
from nightshift.daemon.store.store import Store

SHOP = Service(name="shop", repo="r")
CASE = Case(id="c", repo="r", base="0" * 40)


def remembered(store: Store, mission: str, at_ms: int, *, kind: str = "constant", outcome: str = "healed",
               service: str = "shop", diff: str = "d") -> None:  # fmt: skip
    patch = Patch(id=mission, base="b" * 40, diff=diff, files=("a.py",), fixer="templates", rationale="r", kind=kind)
    for judgement in (Judgement.ACCEPTED, Judgement.REJECTED):
        verdict = dump(Verdict(judgement=judgement, patch=patch))
        store.journal.append(Event(at_ms=at_ms, mission=mission, stage="judging", actor="hand-off", reason="v",
                                   data={"verdict": verdict}))  # fmt: skip
    store.memory.record(mission=mission, fixer="templates", service=service, exception="KeyError", kind=kind,
                        outcome=outcome, at_ms=at_ms)  # fmt: skip


def test_what_healed_is_a_precedent(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "s.db")
    for at, mission in enumerate(("m1", "m2", "m3")):
        remembered(store, mission, at, diff=f"diff of {mission}")
    remembered(store, "m4", 4, kind="revert")
    remembered(store, "m5", 5, outcome="rolled_back")
    remembered(store, "m6", 6, service="other")
    remembered(store, "m7", 7, diff="x" * 9000)
    remembered(store, "m8", 8, kind="configuration")
    found = with_precedents(store, SHOP, CASE).precedents
    assert [(p.mission, p.diff) for p in found] == [(m, f"diff of {m}") for m in ("m3", "m2", "m1")]
    for at in range(9, 40):
        remembered(store, f"m{at}", at)
    assert len(with_precedents(store, SHOP, CASE).precedents) == 12
    store.close()
