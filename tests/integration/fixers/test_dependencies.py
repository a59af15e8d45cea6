"""A package's new version breaks a service; only that package goes back, proved by the real tester.

The check puts the versions that the requirements name on the path, from wheels built here: what `pip install` does in a
project image, without one.
"""

from __future__ import annotations

import hashlib
import io
import time
import zipfile
from dataclasses import replace

import pytest

from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.model import Case, Diagnosis, Judgement, Patch
from nightshift.daemon.ports import PROPOSAL, Budget, EnvironmentBroke
from nightshift.fixers.dependencies.fixer import DependencyFixer, Settings
from nightshift.sandboxes.all_sandboxes import Settings as Engines
from nightshift.sandboxes.all_sandboxes import engine
from nightshift.sandboxes.reproduce import SandboxReproducer
from nightshift.sandboxes.tester.judge import GateTester

CHECK = "python check.py"
SCRIPT = """import re, sys
for line in open("requirements.txt"):
    if found := re.match(r"(\\w+)==(\\S+)", line):
        sys.path.insert(0, f"wheels/{found[1]}-{found[2]}-py3-none-any.whl")
import app
assert app.price(2) == "2.00"
"""
APP = "import money\nimport shapes\n\n\ndef price(n):\n    return money.show(n) + shapes.nothing()\n"
SOURCES = {
    ("money", "1"): "def show(n):\n    return f'{n:.2f}'\n", ("money", "2"): "def render(n):\n    return f'{n:.2f}'\n",
    ("shapes", "1"): "def nothing():\n    return ''\n", ("shapes", "2"): "def nothing():\n    return '' * 2\n",
    ("extra", "1"): "", ("extra", "2"): "",
}  # fmt: skip


def wheel(name: str, version: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo(f"{name}/__init__.py"), SOURCES[name, version])
        info = f"{name}-{version}.dist-info"
        archive.writestr(
            zipfile.ZipInfo(f"{info}/METADATA"), f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        archive.writestr(
            zipfile.ZipInfo(f"{info}/WHEEL"), "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(zipfile.ZipInfo(f"{info}/RECORD"), "")
    return buffer.getvalue()


def requirements(**versions: str) -> str:
    rows = "".join(
        f"{n}=={v} \\\n    --hash=sha256:{hashlib.sha256(wheel(n, v)).hexdigest()}\n" for n, v in versions.items()
    )
    return f"# compiled\n{rows}"


@pytest.fixture
def shop(line):
    """A history in which one commit bumps three packages, one of them badly."""
    blobs = {f"wheels/{n}-{v}-py3-none-any.whl": wheel(n, v) for n, v in SOURCES}
    line.commit({"app.py": APP, "check.py": SCRIPT, "requirements.txt": requirements(extra="1", money="1", shapes="1")})
    line.head = line.repo.commit(line.repo.with_files(line.head, blobs), [line.head], "wheels", at_s=1_700_000_050)
    return line


def put(line, files: dict[str, str], message: str) -> str:
    tree = line.repo.with_files(line.head, {path: text.encode() for path, text in files.items()})
    line.number += 1
    line.head = line.repo.commit(tree, [line.head], message, at_s=1_700_000_100 + line.number)
    return line.head


@pytest.fixture(scope="module")
def sandboxes():
    made = engine(Engines())
    yield made
    made.close()


@pytest.mark.engine
def test_only_the_guilty_package_goes_back_with_its_hashes(shop, sandboxes) -> None:
    bump = put(shop, {"requirements.txt": requirements(extra="2", money="2", shapes="2")}, "Bump all")
    put(shop, {"notes.txt": "later\n"}, "notes")
    reproducer = SandboxReproducer(sandboxes, timeout_s=60)
    case = Case(id="c", repo=shop.repo.path, base=shop.head, check=CHECK)
    case = replace(case, reproduction=reproducer.reproduce(case, lambda _: None))
    assert "has no attribute 'show'" in case.reproduction.evidence
    budget = Budget(deadline=time.monotonic() + 120)
    (patch,) = DependencyFixer().draft(case, reproducer.bench(case), budget, lambda _: None)
    assert shop.after(patch, "requirements.txt") == requirements(extra="2", money="1", shapes="2")
    assert (patch.kind, patch.parents, patch.files) == ("dependency", (bump,), ("requirements.txt",))
    assert "Take money back" in patch.rationale and "Bump all" in patch.rationale
    verdict = GateTester(sandboxes, timeout_s=60).judge(case, patch, lambda _: None)
    assert verdict.judgement is Judgement.ACCEPTED, verdict.reason
    assert f"packages as they were before {bump[:12]}" in verdict.gates[0].reason
    assert verdict.patch.diff == patch.diff

    def refused(text: str, kind: str = "dependency", path: str = "requirements.txt") -> str:
        tree = shop.repo.with_files(shop.head, {path: text.encode()})
        forged = replace(patch, diff=shop.repo.diff(shop.head, tree), files=(path,), kind=kind)
        verdict = GateTester(sandboxes, timeout_s=60).judge(case, forged, lambda _: None)
        assert (verdict.judgement, verdict.failed) == (Judgement.REJECTED, "policy")
        return verdict.reason

    good = requirements(extra="2", money="1", shapes="2")
    assert "may not be changed by a patch" in refused(good, kind="constant")
    assert "line by line" in refused(good.replace("money==1", "money==0.9"))
    assert "line by line" in refused("--index-url https://elsewhere.invalid/\n" + good)
    assert "line by line" in refused(good.replace("# compiled\n", ""))
    assert "line by line" in refused("import os\n", path="app.py")


class Versions:
    """A bench that reads which versions a tree's requirements name; some can't be installed together."""

    def __init__(self, line, case: Case, red, broken=lambda pins: False) -> None:
        self.repo, self.case, self.judge, self.broken, self.asked = line.repo, case, red, broken, []

    def open(self, commit: str = ""):
        raise EnvironmentBroke("no sandbox here")

    def red(self, commit: str) -> bool | None:
        text = (self.repo.read(commit, "requirements.txt") or b"").decode()
        pins = dict(row.split()[0].split("==") for row in text.splitlines() if "==" in row)
        self.asked.append(pins)
        if self.broken(pins):
            raise EnvironmentBroke("no project image: the resolver says no")
        return self.judge(pins)


def drafted(line, bench, case: Case, **settings: object) -> tuple[list[Patch], list[str]]:
    notes: list[str] = []
    budget = Budget(deadline=time.monotonic() + 60)
    return list(DependencyFixer(Settings(**settings)).draft(case, bench, budget, notes.append)), notes


NAMES = tuple("abcdefghijkl")
TOLD = Diagnosis(message="module 'g' has no attribute 'x'")


def pins(old: str = "") -> str:
    return requirements_of({name: "1" if name in old else "2" for name in NAMES})


def requirements_of(versions: dict[str, str]) -> str:
    return "".join(f"{n}=={v} \\\n    --hash=sha256:{n}{v}\n" for n, v in versions.items())


def test_packages_that_need_each_other_go_back_together(line) -> None:
    line.commit({"requirements.txt": requirements_of(dict.fromkeys(NAMES, "1"))})
    line.commit({"requirements.txt": pins()})
    case = line.case(image="project")

    def broken(found: dict[str, str]) -> bool:
        return found["c"] != found["j"]

    bench = Versions(line, case, lambda found: found["c"] == "2", broken)
    (patch,), _ = drafted(line, bench, case)
    assert line.after(patch, "requirements.txt") == pins("cj")


def test_the_change_is_found_among_many_and_what_came_later_stays(line) -> None:
    versions = dict.fromkeys(NAMES, "1")
    line.commit({"requirements.txt": requirements_of(versions)})
    commits = {}
    for name in NAMES:
        versions[name] = "2"
        commits[name] = line.commit({"requirements.txt": requirements_of(versions), "code.py": f"x = '{name}'\n"})
    case = line.case(diagnosis=TOLD)
    bench = Versions(line, case, lambda found: found["g"] == "2")
    (patch,), _ = drafted(line, bench, case, probes_at_once=1)
    assert patch.parents == (commits["g"],) and line.after(patch, "requirements.txt") == pins("g")
    assert line.after(patch, "code.py") == "x = 'l'\n" and len(bench.asked) <= 9


def test_without_a_hint_nothing_is_run_where_no_image_would_change(line) -> None:
    line.commit({"requirements.txt": pins("g")})
    line.commit({"requirements.txt": pins()})
    case = line.case()
    bench = Versions(line, case, lambda found: True)
    assert drafted(line, bench, case) == ([], []) and bench.asked == []


def test_where_it_can_t_be_tried_people_are_told_what_changed(line) -> None:
    line.commit({"requirements.txt": pins("g")})
    bump = line.commit({"requirements.txt": pins()}, message="Newer g")
    case = line.case(diagnosis=TOLD, image="registry.invalid/shop:1")
    patches, notes = drafted(line, Versions(line, case, lambda found: True), case)
    assert patches == [] and notes[-1].startswith(f"{PROPOSAL}g changed with {bump[:10]} “Newer g”")


def test_an_environment_that_never_works_is_said_so(line) -> None:
    line.commit({"requirements.txt": pins("g")})
    line.commit({"requirements.txt": pins()})
    case = line.case(diagnosis=TOLD, image="project")
    with pytest.raises(EnvironmentBroke, match="broke each time"):
        drafted(line, Versions(line, case, lambda found: True, lambda found: True), case)


def test_a_repository_without_such_files_costs_nothing(tmp_path) -> None:
    repo = BareRepo.ensure(tmp_path / "r.git")
    head = repo.commit(repo.out("mktree").decode().strip(), [], "empty", at_s=1)
    case = Case(id="c", repo=repo.path, base=head, diagnosis=TOLD)
    assert list(DependencyFixer().draft(case, None, Budget(deadline=time.monotonic() + 9), print)) == []
