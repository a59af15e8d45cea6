"""`nightshift heal` on real libraries with one realistic mistake in each: what it proposes, and whether that is right.

python benchmarks/packages.py --cache DIR [--only REGEX] [--bugs N] [--seed N] [--budget-s S] [--json FILE] [--prepare]

The libraries' sources and an interpreter with what their tests need are fetched through pip and kept in DIR. A proposal
is right when its syntax tree is the original's, or when the library's whole suite is green with it and the repaired
function answers like the original on recorded calls and on variations of them.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tarfile
import time
import venv
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from mutations import Mutation, mutations
from rich.console import Console
from rich.table import Table

TRIES, MOST_FAILING = 60, 0.3
NEEDS = ("pytest", "freezegun", "text-unidecode", "simplejson", "markupsafe", "hypothesis", "toolz", "PyYAML")
GIT = ("git", "-c", "user.name=b", "-c", "user.email=b@localhost", "-c", "core.autocrlf=false")


@dataclass(frozen=True, kw_only=True)
class Library:
    """`check` is what heal is given; `suite` the arguments with which pytest runs the same tests; `code` what may be
    wrong; `drop` is removed from the repository (tests that need what is not there); `about` why it is in the set."""

    name: str
    code: str
    check: str = "python -m pytest -q"
    suite: str = ""
    drop: tuple[str, ...] = ()
    about: str = ""


LIBRARIES = (
    Library(name="boltons", code="boltons/*.py", drop=("tests/test_cacheutils.py",), about="flat, 500 tests, slow ones"),
    Library(name="cachetools", code="src/cachetools/*.py", check="PYTHONPATH=src python -m unittest discover -s tests -t .",
            suite="tests", about="src, unittest with mixins, subtests"),
    Library(name="click", code="src/click/[a-z]*.py", check="PYTHONPATH=src python -m pytest -q tests",
            drop=("tests/test_deprecations.py", "tests/test_imports.py"), about="src, fixtures, warnings are errors"),
    Library(name="humanize", code="src/humanize/*.py", check="PYTHONPATH=src python -m pytest -q",
            drop=("tests/test_benchmarks.py",), about="src, parametrised, needs freezegun"),
    Library(name="inflection", code="inflection/*.py", about="one module, 450 parameters"),
    Library(name="itsdangerous", code="src/itsdangerous/*.py", check="PYTHONPATH=src python -m pytest -q",
            about="src, classes of fixtures"),
    Library(name="markdown", code="markdown/*.py", check="python -m unittest discover tests", suite="tests -W default",
            about="unittest, registries, files as data"),
    Library(name="marshmallow", code="src/marshmallow/*.py", check="PYTHONPATH=src python -m pytest -q tests",
            drop=("tests/mypy_test_cases",), about="src, 1,200 tests, class registry"),
    Library(name="more_itertools", code="more_itertools/*.py", check="python -m unittest",
            suite="tests", about="unittest, 20,000 subtests, slow"),
    Library(name="networkx", code="networkx/algorithms/*.py", check="python -m pytest -q networkx/algorithms/tests",
            about="570 modules, tests beside the code"),
    Library(name="parse", code="parse.py parse/*.py", about="coverage options in the configuration, not installed"),
    Library(name="pathspec", code="pathspec/*.py", check="python -m unittest discover -s tests -t .", suite="tests",
            about="unittest, files on disk"),
    Library(name="python_slugify", code="slugify/*.py", check="python -m unittest discover -s tests -t .", suite="tests",
            about="unittest, needs text-unidecode"),
    Library(name="semver", code="src/semver/*.py", about="doctests, coverage options, conftest adds src"),
    Library(name="sqlparse", code="sqlparse/*.py sqlparse/engine/*.py", about="singleton lexer, regular expressions"),
    Library(name="tabulate", code="tabulate/*.py", about="one big module"),
    Library(name="tomlkit", code="tomlkit/*.py", check="python -m pytest -q tests", about="conftest, data files"),
    Library(name="toolz", code="toolz/*.py", about="tests inside the package, curried copies"),
    Library(name="voluptuous", code="voluptuous/*.py", check="python -m pytest -q voluptuous/tests/tests.py",
            about="tests inside the package"),
    Library(name="xmltodict", code="xmltodict.py", about="one module, C parser calls back"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Bug:
    """A mistake that at least one and at most three of ten tests see."""

    library: str
    path: str
    kind: str
    function: str
    line: int
    start: int
    end: int
    text: str
    failing: int
    tests: int

    @property
    def mutation(self) -> Mutation:
        return Mutation(
            kind=self.kind, start=self.start, end=self.end, text=self.text, function=(self.function, self.line)
        )


class Shelf:
    """What was fetched: unpacked libraries, one interpreter, the bugs chosen so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.python = self.folder / "venv/bin/python"

    def prepare(self) -> None:
        """Fetch what is missing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.python.exists():
            venv.create(self.folder / "venv", with_pip=True)
            subprocess.run([self.python, "-m", "pip", "install", "-q", *NEEDS], check=True)

    def tree(self, library: Library) -> Path:
        """A library as it was published, without what can't run here."""
        place = self.folder / "trees" / library.name
        if not place.exists():
            made = self._unpacked(library)
            for name in library.drop:
                shutil.rmtree(made / name) if (made / name).is_dir() else (made / name).unlink(missing_ok=True)
            place.parent.mkdir(exist_ok=True)
            made.rename(place)
        return place

    def _unpacked(self, library: Library) -> Path:
        sdists = self.folder / "sdists"
        if not list(sdists.glob(f"{library.name}-*.tar.gz")):
            argv = ["pip", "download", "-q", "--no-deps", "--no-binary", library.name, "-d", str(sdists), library.name]
            subprocess.run([sys.executable, "-m", *argv], check=True)
        with tarfile.open(next(sdists.glob(f"{library.name}-*.tar.gz"))) as archive:
            top = archive.getnames()[0].split("/")[0]
            archive.extractall(self.folder / "unpacked", filter="data")
        return self.folder / "unpacked" / top

    def environment(self, library: Library) -> dict[str, str]:
        """Variables of the check, and a path to the sources of a library that is not installed."""
        given = dict(word.split("=", 1) for word in library.check.split() if re.match(r"[A-Z]+=", word))
        return {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0", **given}

    def arguments(self, library: Library) -> list[str]:
        words = (library.suite or library.check.partition("pytest -q")[2]).split()
        return ["-o", "addopts=", "-p", "no:cacheprovider", *words]

    def results(self, library: Library, tree: Path, limit_s: float) -> tuple[int, int]:
        """(failing, all) tests; (-1, 0) when it did not get through."""
        argv = [self.python, "-m", "pytest", "-q", "--tb=no", *self.arguments(library)]
        try:
            done = subprocess.run(argv, cwd=tree, env=self.environment(library), capture_output=True, timeout=limit_s,
                                  stdin=subprocess.DEVNULL)  # fmt: skip
        except subprocess.TimeoutExpired:
            return -1, 0
        last = re.sub(rb"\x1b\[\d*m", b"", done.stdout.strip().splitlines()[-1] if done.stdout.strip() else b"")
        counts = {word: int(n) for n, word in re.findall(rb"(\d+) (failed|passed|errors?)", last)}
        failed = counts.get(b"failed", 0)
        if counts.get(b"error", 0) or counts.get(b"errors", 0) or done.returncode not in (0, 1):
            return -1, 0
        return failed, failed + counts.get(b"passed", 0)

    def bugs(self, library: Library, many: int, seed: int) -> list[Bug]:
        """The first `many` mistakes, by this seed, that enough and not too many tests see."""
        kept = self.folder / f"bugs-{seed}" / f"{library.name}.json"
        if kept.exists() and len(found := [Bug(**row) for row in json.loads(kept.read_text())]) >= many:
            return found[:many]
        found = list(self._chosen(library, many, seed))
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(json.dumps([asdict(bug) for bug in found], indent=1))
        return found

    def _chosen(self, library: Library, many: int, seed: int):
        tree, chance = self.tree(library), random.Random(f"{library.name} {seed}")
        began = time.monotonic()
        failing, tests = self.results(library, tree, 600)
        limit_s = 3 * (time.monotonic() - began) + 10
        if failing or not tests:
            print(f"{library.name}: {failing} of {tests} tests fail as published", file=sys.stderr)
            return
        paths = sorted(p for pattern in library.code.split() for p in tree.glob(pattern))
        sites = [(p, m) for p in paths for m in mutations(p.read_text("utf-8"))]
        kinds, chosen = sorted({m.kind for _, m in sites}), 0
        for _ in range(TRIES):
            kind = chance.choice(kinds)
            path, mutation = chance.choice([site for site in sites if site[1].kind == kind])
            with Scratch(tree) as folder:
                name = str(path.relative_to(tree))
                (folder / name).write_text(mutation.applied(path.read_text("utf-8")), "utf-8", newline="")
                failing, seen = self.results(library, folder, limit_s)
            if 1 <= failing <= MOST_FAILING * tests and seen == tests:
                chosen += 1
                yield Bug(library=library.name, path=name, kind=kind, function=mutation.function[0],
                          line=mutation.function[1], start=mutation.start, end=mutation.end, text=mutation.text,
                          failing=failing, tests=tests)  # fmt: skip
            if chosen == many:
                return


class Scratch:
    """A copy of a tree, removed again."""

    def __init__(self, tree: Path, where: Path | None = None) -> None:
        self.tree, self.folder = tree, (where or tree.parent.parent / "scratch") / f"{tree.name}-{os.getpid()}"

    def __enter__(self) -> Path:
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.tree, self.folder, symlinks=True)
        return self.folder

    def __exit__(self, *exc: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def healed(shelf: Shelf, library: Library, bug: Bug, budget_s: float) -> dict:
    """One run of the command, and what its patch is worth."""
    row = {"library": library.name, "kind": bug.kind, "failing": bug.failing, "tests": bug.tests, "path": bug.path,
           "function": bug.function}  # fmt: skip
    with Scratch(shelf.tree(library)) as folder:
        path = folder / bug.path
        original = path.read_text("utf-8")
        path.write_text(bug.mutation.applied(original), "utf-8", newline="")
        for words in (["init", "-q"], ["add", "-A", "-f"], ["commit", "-qm", "as published"]):
            subprocess.run([*GIT, *words], cwd=folder, check=True)
        argv = [sys.executable, "-m", "nightshift.daemon.cli", "heal", "--repo", str(folder), "--json",
                "--python", str(shelf.python), "--check", library.check, "--budget-s", str(budget_s)]  # fmt: skip
        began = time.monotonic()
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=budget_s + 300)
        row["seconds"] = round(time.monotonic() - began, 1)
        try:
            said = json.loads(done.stdout)
        except ValueError:
            return {**row, "outcome": "crash", "why": done.stderr.decode(errors="replace")[-800:]}
        row |= {key: said[key] for key in ("outcome", "reason", "durations_s", "candidates")}
        row["refused"] = [g["reason"] for g in (said["verdict"] or {}).get("gates", []) if g["judgement"] == "rejected"]
        diff = (said.get("patch") or {}).get("diff", "")
        if not diff:
            return row
        subprocess.run(["git", "apply"], cwd=folder, input=diff.encode(), check=True)
        return {**row, "diff": diff, "worth": worth(shelf, library, bug, folder, original)}


def worth(shelf: Shelf, library: Library, bug: Bug, folder: Path, original: str) -> str:
    """same (as the original), alike (suite green and no differing answer), unlike, suite (green, but no call could be
    compared), red."""
    if ast.dump(ast.parse((folder / bug.path).read_text("utf-8"))) == ast.dump(ast.parse(original)):
        return "same"
    failing, seen = shelf.results(library, folder, 900)
    if failing or seen < bug.tests:
        return "red"
    asked = _answers(shelf, library, bug, folder)
    if not asked:
        return "suite"
    return "alike" if all(a == b for a, b in asked) else "unlike"


def _answers(shelf: Shelf, library: Library, bug: Bug, folder: Path) -> list[tuple[str, str]]:
    """Pairs of answers, the original's first, for calls that the original takes."""
    script, tree = str(Path(__file__).with_name("differential.py")), shelf.tree(library)
    calls = str(shelf.folder / "calls.pickle")
    Path(calls).unlink(missing_ok=True)
    how = {"env": shelf.environment(library), "capture_output": True, "timeout": 900, "stdin": subprocess.DEVNULL}
    where = os.path.realpath(tree / bug.path)
    record = [shelf.python, script, "record", where, bug.function, str(bug.line), calls, "--"]
    subprocess.run([*record, *shelf.arguments(library)], cwd=tree, **how)
    if not Path(calls).exists():
        return []
    said = []
    for place in (tree, folder):
        argv = [shelf.python, script, "replay", os.path.realpath(place / bug.path), bug.function, calls]
        said.append(subprocess.run(argv, cwd=place, **how).stdout.decode(errors="replace").splitlines())
    pairs = [(a, b) for a, b in zip(*said, strict=False) if not a.startswith(("raised", "lost"))]
    return pairs if len(pairs) >= 8 else []


def table(rows: list[dict]) -> Table:
    """A line for each bug, and the sums."""
    result = Table(title="nightshift heal on real libraries, one mistake each")
    for column in ("library", "mistake", "failing", "outcome", "worth", "s", "reproducing", "drafting", "judging",
                   "candidates"):  # fmt: skip
        result.add_column(column)
    for row in rows:
        spent = row.get("durations_s", {})
        stages = [f"{spent.get(stage, 0.0):.1f}" for stage in ("reproducing", "drafting", "judging")]
        result.add_row(row["library"], row["kind"], f"{row['failing']}/{row['tests']}", row["outcome"],
                       row.get("worth", ""), f"{row['seconds']:.1f}", *stages, str(row.get("candidates", "")))  # fmt: skip
    proposed = [row for row in rows if row["outcome"] == "healed"]
    right = [row for row in proposed if row["worth"] in ("same", "alike", "suite")]
    sums = f"{len(proposed)} proposed, {len(right)} right"
    share = f"{len(right) / len(rows):.0%} of all, {len(right) / max(1, len(proposed)):.0%} of proposed"
    result.add_row("all", str(len(rows)), "", sums, share, f"{statistics.median(r['seconds'] for r in rows):.1f}")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True, help="where sources and the interpreter are kept")
    parser.add_argument("--only", default="")
    parser.add_argument("--bugs", type=int, default=1, help="mistakes in each library")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--budget-s", type=float, default=300.0)
    parser.add_argument("--json", type=Path, help="keep every row, patches included")
    parser.add_argument("--prepare", action="store_true", help="only fetch and choose")
    options = parser.parse_args()
    shelf, rows = Shelf(options.cache), []
    shelf.prepare()
    for library in (one for one in LIBRARIES if re.search(options.only, one.name)):
        for bug in shelf.bugs(library, options.bugs, options.seed):
            if options.prepare:
                print(
                    f"{library.name:16} {bug.kind:12} {bug.path}:{bug.function} {bug.failing}/{bug.tests}", flush=True
                )
                continue
            rows.append(healed(shelf, library, bug, options.budget_s))
            last = rows[-1]
            print(f"{library.name:16} {bug.kind:12} {last['outcome']:10} {last.get('worth', ''):7} {last['seconds']:6.1f} s",
                  file=sys.stderr, flush=True)  # fmt: skip
            if options.json:
                options.json.write_text(json.dumps(rows, indent=1))
    if rows:
        Console(width=140).print(table(rows))


if __name__ == "__main__":
    main()
