"""A repository, an incident and parts whose forge and git are real and whose judgements are scripted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from nightshift.daemon.forges.local import LocalForge
from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.kit.git import ZERO, BareRepo
from nightshift.daemon.missions.parts import Parts
from nightshift.daemon.missions.steps import Steps, mission_id
from nightshift.daemon.missions.testing import CountingDeployer, ScriptedFixer, ScriptedReproducer, ScriptedTester
from nightshift.daemon.model import (
    Case,
    Frame,
    Incident,
    IncidentState,
    Mission,
    Outcome,
    Patch,
    Recovery,
    Reproduction,
    Service,
    Severity,
    Signal,
    Stage,
)
from nightshift.daemon.store.store import Store

RED = Reproduction(kind="check", command="python -m pytest", failing=("t::a",), baseline={"t::a": "failed"})


def fix(case: Case) -> list[Patch]:
    return [drafted(case, "p1", 2)]


def drafted(case: Case, name: str, x: int, fixer: str = "templates") -> Patch:
    """A patch that sets x."""
    repo = BareRepo(case.repo)
    diff = repo.diff(case.base, repo.with_files(case.base, {"app.py": f"x = {x}\n".encode()}))
    return Patch(id=name, base=case.base, diff=diff, files=("app.py",), fixer=fixer, rationale=f"x is {x}")


@dataclass
class Scenario:
    """One mission, ready to run."""

    upstream: BareRepo
    store: Store
    parts: Parts
    mission: str
    deployer: CountingDeployer
    tester: ScriptedTester

    @property
    def steps(self) -> Steps:
        return Steps(self.parts)

    def stage(self) -> Stage:
        return self.store.missions.get(self.mission).stage

    def reasons(self) -> list[str]:
        return [e.reason for e in self.store.journal.of(self.mission)]

    def content(self) -> bytes:
        return self.upstream.read("main", "app.py")

    def commits(self) -> int:
        return int(self.upstream.out("rev-list", "--count", "main"))

    def push(self, files: dict[str, bytes], message: str) -> str:
        return commit(self.upstream, files, message)


def commit(repo: BareRepo, files: dict[str, bytes], message: str) -> str:
    tip = repo.resolve("main")
    base = tip or repo.out("mktree").decode().strip()
    made = repo.commit(repo.with_files(base, files), [tip] if tip else [], message, at_s=1_700_000_000)
    assert repo.swap("refs/heads/main", made, tip or ZERO)
    return made


def scenario(folder: Path, *, autonomy: str = "merge", accepts: tuple[str, ...] = ("p1",), **of: object) -> Scenario:
    """`of` may hold outcome (Recovery), red (Reproduction), breaks (int), deploy_fails (bool), signal (Signal), upstream
    (Path), fixers (list of them), critic (Critic)."""
    upstream = BareRepo.ensure(of.get("upstream", folder / "upstream.git"))
    if not upstream.resolve("main"):
        commit(upstream, {"app.py": b"x = 1\n"}, "first")
    store, clock = Store.open(folder / "n.db"), SystemClock()
    service = Service(name="shop", repo=upstream.path, autonomy=autonomy, check="python -m pytest")
    deployer = CountingDeployer(fails=bool(of.get("deploy_fails")))
    tester = ScriptedTester(frozenset(accepts))
    outcome = Outcome(recovery=of.get("outcome", Recovery.RECOVERED), reason="scripted")
    parts = Parts(
        store=store, clock=clock, services={"shop": service}, forge=LocalForge(folder / "forge", clock),
        reproducer=ScriptedReproducer(of.get("red", RED), breaks=int(of.get("breaks", 0))), tester=tester,
        fixers=of.get("fixers", [ScriptedFixer("templates", fix)]), deployer=deployer, critic=of.get("critic"),
        watcher=lambda *_: outcome, channels=("file",),
    )  # fmt: skip
    return Scenario(upstream, store, parts, _incident(store, clock, of.get("signal")), deployer, tester)


def _incident(store: Store, clock: SystemClock, signal: Signal | None = None) -> str:
    frame = Frame(path="/srv/app.py", line=1, function="f")
    signal = signal or Signal(key="k", source="logs", service="shop", title="KeyError: 'x'", at_ms=clock.now_ms(),
                              exception="KeyError", frames=(frame,))  # fmt: skip
    made = Incident(id="inc-aaaa1111", fingerprint="fp", service="shop", title=signal.title, severity=Severity.ERROR,
                    state=IncidentState.OPEN, first_at_ms=1, last_at_ms=1, count=1, signal=signal)  # fmt: skip
    name = mission_id(made.id)
    if store.incidents.get(made.id) is None:
        store.incidents.add(made)
    store.missions.ensure(Mission(id=name, incident=made.id, service="shop", stage=Stage.QUEUED))
    return name


__all__ = ["RED", "Scenario", "commit", "drafted", "fix", "replace", "scenario"]
