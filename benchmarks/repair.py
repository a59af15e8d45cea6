"""How good is repair without a model? Heals the bug set in real sandboxes and judges rank 1 by held-out tests.

Run: python benchmarks/repair.py [--only REGEX] [--engine auto|docker|bubblewrap] [--validate] [--budget-s 30] [--bare]

With --bare every search is run once more without any sandbox: the difference is what the wall around it costs.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from bare import BareBench
from bug_files import Bug, read_bugs

from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.kit.tar import tar_of
from nightshift.daemon.model import Case, Patch
from nightshift.daemon.ports import Budget, Workbench
from nightshift.fixers.templates.fixer import TemplateFixer
from nightshift.sandboxes.all_sandboxes import Settings, engine
from nightshift.sandboxes.reproduce import SandboxReproducer

_AT_S = 1_700_000_000


@dataclasses.dataclass
class Row:
    """One bug's result. `correct` holds the first rank (from 1) whose patch passes the held-out tests, if any."""

    name: str
    patches: list[Patch]
    correct: list[int]
    candidates: int
    rate: float
    first_s: float
    total_s: float
    notes: list[str]
    bare_s: float = 0.0
    bare_rate: float = 0.0


def commit(repo: BareRepo, files: dict[str, bytes]) -> str:
    """A commit of exactly these files."""
    empty = repo.commit(repo.out("mktree").decode().strip(), [], "empty", at_s=_AT_S)
    return repo.commit(repo.with_files(empty, files), [empty], "bug", at_s=_AT_S)


def passes(bench: Workbench, at: str, tests: str) -> bool:
    """Whether held-out tests pass on a commit, in a sandbox of their own."""
    with bench.open(at) as sandbox:
        sandbox.put(tar_of({"test_held_out.py": tests}))
        done = sandbox.run(["python", "-m", "pytest", "-q", "-x", "test_held_out.py", "test_mod.py"], timeout_s=20)
        return done.code == 0 and done.ended == "exited"


def rate_of(notes: list[str]) -> tuple[int, float]:
    """Candidates tried and how many a second, from the search's last words."""
    words = notes[-1].split() if notes else []
    tried = int(words[1].replace(",", "")) if words[2:3] == ["candidates"] else 0
    seconds = float(words[5]) if tried else 0.0
    return tried, tried / seconds if seconds else 0.0


def bare(case: Case, budget_s: float) -> tuple[float, float]:
    """Seconds to the first patch and candidates a second of the same search in a plain folder."""
    start, first, notes = time.monotonic(), 0.0, []
    budget = Budget(deadline=start + budget_s, patches=3)
    for _ in TemplateFixer().draft(case, BareBench(case, sys.executable), budget, notes.append):
        first = first or time.monotonic() - start
    return first, rate_of(notes)[1]


def heal(reproducer: SandboxReproducer, folder: str, bug: Bug, budget_s: float, also_bare: bool = False) -> Row:
    """Reproduce, search, judge each patch."""
    repo = BareRepo.ensure(f"{folder}/{bug.name}.git")
    case = Case(id=bug.name, repo=repo.path, base=commit(repo, bug.files(bug.wrong)), check="python -m pytest -q")
    case = dataclasses.replace(case, reproduction=reproducer.reproduce(case, lambda _: None))
    bench, notes = reproducer.bench(case), []
    start, first, patches = time.monotonic(), 0.0, []
    for patch in TemplateFixer().draft(case, bench, Budget(deadline=start + budget_s, patches=3), notes.append):
        first = first or time.monotonic() - start
        patches.append(patch)
    total = time.monotonic() - start
    trees = [repo.commit(repo.apply(case.base, p.diff), [case.base], p.id, at_s=_AT_S) for p in patches]
    correct = list(itertools.islice((r for r, at in enumerate(trees, 1) if passes(bench, at, bug.held_out)), 1))
    tried, rate = rate_of(notes)
    row = Row(bug.name, patches, correct, tried, rate, first, total, notes)
    if also_bare:
        row.bare_s, row.bare_rate = bare(case, budget_s)
    return row


def validate(reproducer: SandboxReproducer, folder: str, bug: Bug) -> str:
    """'' when the right code passes everything and the wrong code fails its tests."""
    repo = BareRepo.ensure(f"{folder}/{bug.name}.git")
    right, wrong = commit(repo, bug.files(bug.right)), commit(repo, bug.files(bug.wrong))
    bench = reproducer.bench(Case(id=bug.name, repo=repo.path, base=right))
    if not passes(bench, right, bug.held_out):
        return "the right code fails"
    return "the wrong code passes" if passes(bench, wrong, "") else ""


def show(row: Row) -> None:
    """One line of the table."""
    found = row.patches[0] if row.patches else None
    verdict = (
        "right" if row.correct[:1] == [1] else f"rank {row.correct[0]}" if row.correct else "wrong" if found else "none"
    )
    kind = found.kind if found else ""
    print(
        f"{row.name:22} {verdict:7} {len(row.patches):3} {row.candidates:6} {row.rate:7.0f} {row.first_s:6.2f} {row.total_s:6.2f}  {kind}",
        flush=True,
    )


def main() -> None:
    """Print the table and the sums."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--budget-s", type=float, default=30.0)
    parser.add_argument("--validate", action="store_true")
    parser.add_argument("--bare", action="store_true", help="also search without a sandbox")
    parser.add_argument("--show", action="store_true", help="print the first patches")
    options = parser.parse_args()
    sandboxes = engine(Settings(engine=options.engine))
    reproducer = SandboxReproducer(sandboxes)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        if not options.validate:
            print(f"{'bug':22} {'rank 1':7} {'pl.':>3} {'cand.':>6} {'cand./s':>7} {'first':>6} {'total':>6}  kind")
        for bug in read_bugs(options.only):
            if options.validate:
                print(f"{bug.name:22} {validate(reproducer, folder, bug) or 'ok'}")
                continue
            rows.append(heal(reproducer, folder, bug, options.budget_s, options.bare))
            show(rows[-1])
            if options.show:
                for rank, patch in enumerate(rows[-1].patches, 1):
                    print(
                        f"   {'*' if rank in rows[-1].correct else ' '} {patch.score:.3f} {patch.kind}: {patch.rationale.split(';')[0]}"
                    )
                print("  ", rows[-1].notes)
    sandboxes.close()
    if rows:
        found = [r for r in rows if r.patches]
        right, ever = sum(r.correct[:1] == [1] for r in rows), sum(bool(r.correct) for r in rows)
        print(f"\n{len(rows)} bugs: {len(found)} plausible, {right} right at rank 1, {ever} right at any rank")
        first, total = statistics.median(r.first_s for r in found), statistics.median(r.total_s for r in rows)
        rate, tried = statistics.median(r.rate for r in rows), sum(r.candidates for r in rows)
        if bares := [r for r in found if r.bare_s]:
            seconds, pace = statistics.median(r.bare_s for r in bares), statistics.median(r.bare_rate for r in bares)
            print(f"without a sandbox: median first patch {seconds:.2f} s; median {pace:.0f} candidates/s")
        print(f"median first patch {first:.2f} s, total {total:.2f} s; {tried:,} candidates, median {rate:.0f}/s")


if __name__ == "__main__":
    main()
