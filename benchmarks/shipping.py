"""From a verdict to production: how fast, with how many calls, and whether a long history slows it down.

200 incidents on 20 repositories with real git, through the real workflow on the durable engine; reproduction, drafts and
verdicts are scripted, because they are measured elsewhere. Once with the local forge, once with a server that speaks
GitHub's API over HTTP and checks every call against the published description (a part of the incidents, to stay short).
Then 10,000 finished missions are put into store and forge, and some more incidents are shipped.

Run with ``python benchmarks/shipping.py [--incidents N] [--github N] [--history N]`` in the project's environment.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.hub.github import GitHubApi
from support.hub.published import Unpublished
from support.hub.server import Hub
from support.scenario import RED, commit

from nightshift.daemon.deployers.nobody import Nobody
from nightshift.daemon.forges import github
from nightshift.daemon.forges.local import LocalForge
from nightshift.daemon.forges.records import Record, _format, safe_name
from nightshift.daemon.forges.remote import RemoteForge
from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.missions.engine import Engine
from nightshift.daemon.missions.parts import Parts
from nightshift.daemon.missions.steps import Steps, mission_id
from nightshift.daemon.missions.testing import ScriptedFixer, ScriptedReproducer, ScriptedTester
from nightshift.daemon.model import (
    ENDS,
    Case,
    ChangeRequest,
    ChangeState,
    Frame,
    Incident,
    IncidentState,
    Mission,
    Outcome,
    Patch,
    Recovery,
    Service,
    Severity,
    Signal,
    Stage,
    dump,
)
from nightshift.daemon.ports import Forge
from nightshift.daemon.store.schema import incidents, journal, merges, missions, notices, outcomes
from nightshift.daemon.store.store import Store

CLOCK = SystemClock()
DAY_MS = 24 * 3600 * 1000


@dataclass
class Bench:
    """Services with a repository each, a store, a forge, an engine that ships what is asked for."""

    folder: Path
    store: Store
    forge: Forge
    services: dict[str, Service]
    upstreams: dict[str, BareRepo]
    engine: Engine
    took_s: list[float] = field(default_factory=list)

    def ship(self, numbers: Sequence[int], at_once: int) -> float:
        """So many incidents, the next one of a repository when its last is over; seconds for all."""
        lanes: dict[str, list[int]] = {}
        for number in numbers:
            lanes.setdefault(f"shop-{number % len(self.services):02d}", []).append(number)
        begin, open_, waiting = time.monotonic(), {}, list(lanes)
        while open_ or waiting:
            while waiting and len(open_) < at_once:
                service = waiting.pop(0)
                open_[service] = self._start(service, lanes[service].pop(0))
            for service, mission in list(open_.items()):
                found = self.store.missions.get(mission)
                if found is not None and found.stage in ENDS:
                    assert found.stage is Stage.HEALED, found
                    del open_[service]
                    if lanes[service]:
                        waiting.append(service)
            time.sleep(0.02)
        return time.monotonic() - begin

    def _start(self, service: str, number: int) -> str:
        frame = Frame(path=f"/srv/pkg/m{number % 50}.py", line=1, function="f")
        signal = Signal(key=f"k{number}", source="logs", service=service, title=f"KeyError: 'x{number}'",
                        at_ms=CLOCK.now_ms(), exception="KeyError", frames=(frame,))  # fmt: skip
        made = Incident(id=f"inc-{number:08d}", fingerprint=f"fp-{number}", service=service, title=signal.title,
                        severity=Severity.ERROR, state=IncidentState.OPEN, first_at_ms=CLOCK.now_ms(),
                        last_at_ms=CLOCK.now_ms(), count=1, signal=signal)  # fmt: skip
        name = mission_id(made.id)
        self.store.incidents.add(made)
        self.store.missions.ensure(Mission(id=name, incident=made.id, service=service, stage=Stage.QUEUED,
                                           started_at_ms=CLOCK.now_ms()))  # fmt: skip
        self.engine.start(name)
        return name

    def stages_s(self, numbers: Sequence[int]) -> tuple[list[float], list[float]]:
        """(verdict to merged, gathering to the end) of incidents, in seconds, as their journals have it."""
        landed, whole = [], []
        for number in numbers:
            events = self.store.journal.of(mission_id(f"inc-{number:08d}"))
            verdict = next(e.at_ms for e in events if e.data.get("verdict"))
            merged = next(e.at_ms for e in events if e.reason.startswith("merged as "))
            landed.append((merged - verdict) / 1000)
            whole.append((events[-1].at_ms - next(e.at_ms for e in events if e.stage == "gathering")) / 1000)
        return landed, whole


def fix(case: Case) -> list[Patch]:
    """One line in a file of the incident's own."""
    repo, name = BareRepo(case.repo), f"fix_{case.id.replace('-', '_')}.py"
    diff = repo.diff(case.base, repo.with_files(case.base, {name: b"x = 2\n"}))
    return [Patch(id=f"p-{case.id}", base=case.base, diff=diff, files=(name,), fixer="templates", rationale="x is two",
                  kind="constant")]  # fmt: skip


class Accepting(ScriptedTester):
    """Accepts everything."""

    def judge(self, case, patch, note):  # type: ignore[no-untyped-def]
        self.accepts = frozenset({patch.id})
        return super().judge(case, patch, note)


@contextmanager
def bench(folder: Path, forge: Forge, repos: dict[str, tuple[str, BareRepo]]) -> Iterator[Bench]:
    """`repos`: service → (address, the upstream itself)."""
    store = Store.open(folder / "n.db")
    services = {name: Service(name=name, repo=address, autonomy="merge") for name, (address, _) in repos.items()}
    for _, bare in repos.values():
        commit(bare, {f"pkg/m{n}.py": f"value = {n}\n".encode() * 20 for n in range(50)}, "first")
    outcome = Outcome(recovery=Recovery.RECOVERED, reason="scripted")
    parts = Parts(
        store=store, clock=CLOCK, services=services, forge=forge, reproducer=ScriptedReproducer(RED),
        tester=Accepting(frozenset()), fixers=[ScriptedFixer("templates", fix)], deployer=Nobody(),
        watcher=lambda *_: outcome, channels=("file",),
    )  # fmt: skip
    engine = Engine(folder / "missions.db", "bench", Steps(parts), poll_s=0.05)
    engine.launch()
    try:
        yield Bench(folder, store, forge, services, {n: bare for n, (_, bare) in repos.items()}, engine)
    finally:
        engine.close()
        store.close()


# ---------------------------------------------------------------- a long history


def remember(made: Bench, count: int) -> None:
    """So many finished missions, evenly over the services, with ten journal lines each and a merged request."""
    names, now = sorted(made.services), CLOCK.now_ms()
    rows: dict[str, list[dict]] = {
        name: [] for name in ("incidents", "missions", "journal", "outcomes", "merges", "notices")
    }
    for n in range(count):
        service, mission, at = names[n % len(names)], f"mis-old{n:08d}", now - 30 * DAY_MS + n * 200_000
        signal = Signal(
            key=f"o{n}", source="logs", service=service, title="KeyError: 'x'", at_ms=at, exception="KeyError"
        )
        rows["incidents"].append(dump(Incident(
            id=f"inc-old{n:08d}", fingerprint=f"fo-{n}", service=service, title="KeyError: 'x'", severity=Severity.ERROR,
            state=IncidentState.HEALED, first_at_ms=at, last_at_ms=at, count=3, signal=signal)))  # fmt: skip
        rows["missions"].append(dump(Mission(
            id=mission, incident=f"inc-old{n:08d}", service=service, stage=Stage.HEALED, reason="quiet", started_at_ms=at,
            updated_at_ms=at)))  # fmt: skip
        rows["journal"] += [{"mission": mission, "at_ms": at + k, "stage": "healed", "actor": "m", "reason": f"line {k}",
                             "data": {"more": "x" * 200}, "key": f"{mission}:{k}"} for k in range(10)]  # fmt: skip
        rows["outcomes"].append({"mission": mission, "fixer": "templates", "service": service, "exception": "KeyError",
                                 "kind": "constant", "outcome": "healed", "at_ms": at})  # fmt: skip
        rows["merges"].append({"key": mission, "service": service, "fixer": "templates", "kind": "constant",
                               "commit": f"{n:040x}", "at_ms": at, "alone": True, "reverted_ms": 0, "reverted_by": ""})  # fmt: skip
        notice = {"key": f"{mission}:ended", "title": "Healed", "text": "t", "severity": "info", "data": {}}
        rows["notices"].append({"key": notice["key"], "channel": "file", "state": "sent", "at_ms": at, "notice": notice,
                                "attempts": 1})  # fmt: skip
    tables = {"incidents": incidents, "missions": missions, "journal": journal, "outcomes": outcomes, "merges": merges,
              "notices": notices}  # fmt: skip
    with made.store.transaction() as connection:
        for name, table in tables.items():
            connection.execute(table.insert(), rows[name])
    for at, name in enumerate(names):
        _requests(made, made.services[name], [f"mis-old{n:08d}" for n in range(at, count, len(names))])


def _requests(made: Bench, service: Service, keys: Sequence[str]) -> None:
    """Merged requests in a forge's own records, through one `fast-import`: 10,000 processes would take their time."""
    repo = BareRepo(made.forge.path(service))
    head = repo.resolve(f"refs/heads/{service.branch}")
    taken = len(repo.out("for-each-ref", "--format=%(refname)", "refs/nightshift/numbers/").split())
    stream, refs = [], []
    for at, key in enumerate(keys):
        number = taken + at + 1
        request = ChangeRequest(key=key, number=number, branch=f"nightshift/{key}", target="main", base=head, head=head,
                                title="t", body="b" * 500, state=ChangeState.MERGED, merged=head)  # fmt: skip
        for kind, data, place in ((0, _format(Record(request=request)), f"requests/{safe_name(key)}"),
                                  (1, key.encode(), f"numbers/{number}")):  # fmt: skip
            mark = 2 * at + kind + 1
            stream.append(b"blob\nmark :%d\ndata %d\n%s\n" % (mark, len(data), data))
            refs.append((mark, f"refs/nightshift/{place}"))
    marks = made.folder / "marks"
    argv = ["git", f"--git-dir={repo.path}", "fast-import", "--quiet", f"--export-marks={marks}"]
    subprocess.run(argv, input=b"".join(stream), check=True)
    ids = dict(line.split() for line in marks.read_text().splitlines())
    repo.out("update-ref", "--stdin", stdin="".join(f"create {ref} {ids[f':{mark}']}\n" for mark, ref in refs).encode())


# ---------------------------------------------------------------- measurements


def local(folder: Path, count: int, repos: int, history: int, at_once: int) -> list[tuple[str, str, str]]:
    """The local forge, without and with a history."""
    bare = {f"shop-{n:02d}": BareRepo.ensure(folder / f"up-{n:02d}.git") for n in range(repos)}
    places = {name: (repo.path, repo) for name, repo in bare.items()}
    rows = []
    with bench(folder, LocalForge(folder / "forge", CLOCK), places) as made:
        took_s = made.ship(range(count), at_once)
        landed, _ = made.stages_s(range(count))
        rows += [
            (f"local: pull requests a minute, {at_once} at once", f"{60 * count / took_s:.0f}", ""),
            ("local: verdict to merged, median", f"{statistics.median(landed):.2f} s", "2 s"),
            ("local: verdict to merged, 95 of 100", f"{_p95(landed):.2f} s", "2 s"),
        ]
        some = min(repos, count)
        alone = range(count, count + some)
        before_s = made.ship(alone, 1) / some
        remember(made, history)
        after = range(count + some, count + 2 * some)
        after_s = made.ship(after, 1) / some
        (fast, _), (slow, _) = made.stages_s(alone), made.stages_s(after)
        rows += [
            (f"local: an incident, after {count}", f"{before_s:.2f} s", ""),
            (f"local: an incident, after {history:,} more", f"{after_s:.2f} s", "no growth"),
            (f"local: verdict to merged, after {count}", f"{statistics.median(fast):.2f} s", "2 s"),
            (f"local: verdict to merged, after {history:,} more", f"{statistics.median(slow):.2f} s", "2 s, no growth"),
        ]
    return rows


def on_github(folder: Path, count: int, repos: int, at_once: int) -> list[tuple[str, str, str]]:
    """The dialect of GitHub, over HTTP."""
    with Hub(folder / "hub", GitHubApi()) as hub:
        settings = github.Settings(kind="github", url=hub.url + hub.api.prefix, token=hub.token, max_open=50)
        forge = RemoteForge("github", github.dialect(settings, CLOCK), folder / "forge", CLOCK, settings)
        names = {f"shop-{n:02d}": f"acme/shop-{n:02d}" for n in range(repos)}
        places = {name: (hub.address(full), hub.repo(full).bare) for name, full in names.items()}
        with bench(folder, forge, places) as made:
            calls, git = len(hub.calls), len(hub.git_calls)
            took_s = made.ship(range(count), at_once)
            landed, _ = made.stages_s(range(count))
            per, fetched = (len(hub.calls) - calls) / count, (len(hub.git_calls) - git) / count
        wrong = len(hub.wrong)
    return [
        (f"GitHub dialect: pull requests a minute, {at_once} at once", f"{60 * count / took_s:.0f}", ""),
        ("GitHub dialect: API calls per incident", f"{per:.1f}", "12"),
        ("GitHub dialect: git requests per incident", f"{fetched:.1f}", ""),
        ("GitHub dialect: verdict to merged, median", f"{statistics.median(landed):.2f} s", ""),
        ("GitHub dialect: calls that break the published API", str(wrong), "0"),
    ]


def _p95(values: Sequence[float]) -> float:
    return sorted(values)[min(len(values) - 1, round(0.95 * len(values)))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--incidents", type=int, default=200)
    parser.add_argument("--github", type=int, default=30)
    parser.add_argument("--repositories", type=int, default=20)
    parser.add_argument("--history", type=int, default=10_000)
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--part", choices=("local", "github"), default="")
    given = parser.parse_args()
    if given.part:  # an engine is one per process, so that each part has one of its own
        with tempfile.TemporaryDirectory(prefix="nightshift-bench-", ignore_cleanup_errors=True) as place:
            folder = Path(place)
            work: dict[str, Callable[[], list[tuple[str, str, str]]]] = {
                "local": lambda: local(folder, given.incidents, given.repositories, given.history, given.at_once),
                "github": lambda: on_github(folder, given.github, given.repositories, given.at_once),
            }
            print(json.dumps(work[given.part]()))
        return
    table = Table(
        "measured", "value", "limit", title=f"{given.incidents} incidents on {given.repositories} repositories"
    )
    try:
        GitHubApi().described()
        parts = ["local", "github"]
    except Unpublished as error:
        parts = ["local"]
        print(f"without GitHub's dialect: {error}")
    for part in parts:
        done = subprocess.run([sys.executable, __file__, *sys.argv[1:], "--part", part], capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr[-3000:])
        for row in json.loads(done.stdout.splitlines()[-1]):
            table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
