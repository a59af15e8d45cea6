"""The bugs of benchmarks/SET/bugs: one text file per bug, so that seventy programs stay readable side by side.

A file starts with `kind: …`; sections follow, each under a line `-- title`: `program` and `tests` (or, for a package,
one `file PATH` per file), `visible docstring` where the examples of the docstring don't show the bug, `fix` (lines
`< old` and `> new`), and `held out`: assertions no fixer ever sees, with `raises(error, function, *arguments)`.
"""

from __future__ import annotations

import ast
import doctest
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

SETS = Path(__file__).parent
HELD_OUT_S = 60
DEFINED = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
RAISES = """
def raises(error, function, *arguments):
    try:
        function(*arguments)
    except error:
        return
    raise AssertionError(f"{error.__name__} expected")
"""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One bug: its files by path (tests included), the lines a fix exchanges, the assertions held out."""

    name: str
    kind: str
    files: dict[str, str]
    old: str
    new: str
    held_out: str

    def fixed(self) -> dict[str, str]:
        """The files after the intended fix; ValueError when the old lines are not there exactly once."""
        found = [path for path, text in self.files.items() if self.old in text]
        if len(found) != 1 or self.files[found[0]].count(self.old) != 1:
            raise ValueError(f"{self.name}: the old lines are in {found}")
        return {**self.files, found[0]: self.files[found[0]].replace(self.old, self.new)}


def cases(variant: str, only: str = "", bug_set: str = "suite") -> list[Case]:
    """All bugs, in the order of their names; `docstring` leaves packages out and tests only docstring examples."""
    paths = sorted((SETS / bug_set / "bugs").glob("*.bug"))
    found = [_case(path, variant) for path in paths if re.search(only, path.stem)]
    return [case for case in found if variant == "full" or not case.name.startswith("pkg_")]


def _case(path: Path, variant: str) -> Case:
    head, *parts = re.split(r"^-- ", path.read_text(), flags=re.M)
    sections = dict(part.split("\n", 1) for part in parts)
    fix = sections["fix"].splitlines()
    old, new = ("".join(f"{line[2:]}\n" for line in fix if line.startswith(sign)) for sign in "<>")
    files = {title.removeprefix("file "): text for title, text in sections.items() if title.startswith("file ")}
    held_out = sections["held out"]
    if not files:
        program, tests = sections["program"], sections["tests"]
        if variant == "docstring":
            tests = sections.get("visible docstring") or _examples(program)
        names = ", ".join(n.name for n in ast.parse(program).body if isinstance(n, DEFINED))
        use = f"from {path.stem} import {names}\n"
        files = {f"{path.stem}.py": program, f"test_{path.stem}.py": use + "\n" + tests}
        held_out = use + held_out
    kind = head.strip().removeprefix("kind: ")
    return Case(name=path.stem, kind=kind, files=files, old=old, new=new, held_out=RAISES + held_out)


def _examples(program: str) -> str:
    """One test per docstring with examples."""
    tests = []
    for number, node in enumerate(ast.walk(ast.parse(program))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ">>>" in (ast.get_docstring(node) or ""):
            body = [_line(example) for example in doctest.DocTestParser().get_examples(ast.get_docstring(node) or "")]
            tests.append(f"def test_examples_{number}():\n" + "".join(body))
    return "\n\n".join(tests)


def _line(example: doctest.Example) -> str:
    source = example.source.strip()
    try:
        ast.parse(source, mode="eval")
    except SyntaxError:
        return f"    {source}\n"
    if not example.want and ".put(" not in source and not re.search(r"\.(add|receive)\(", source):
        return f"    assert {source} is None\n"
    return f"    assert {source} == {example.want.strip()}\n" if example.want else f"    {source}\n"


def build(case: Case, files: dict[str, str], folder: Path) -> None:
    """A git repository with one commit."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for args in (["init", "-q"], ["add", "-A"], ["commit", "-qm", case.name]):
        subprocess.run(["git", "-c", "user.name=b", "-c", "user.email=b@localhost", *args], cwd=folder, check=True)


def passes_held_out(case: Case, folder: Path) -> bool:
    """Whether the held-out assertions hold, in a plain process."""
    argv = [sys.executable, "-B", "-c", case.held_out]
    return _ends_well(argv, folder)


def passes_visible(folder: Path) -> bool:
    """Whether the tests of the repository pass."""
    return _ends_well([sys.executable, "-B", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"], folder)


def _ends_well(argv: list[str], folder: Path) -> bool:
    try:
        done = subprocess.run(argv, cwd=folder, capture_output=True, timeout=HELD_OUT_S, preexec_fn=_limited)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _limited() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
    resource.setrlimit(resource.RLIMIT_CPU, (20, 20))


def wrong_with(case: Case) -> list[str]:
    """What is wrong with a bug file: tests that pass before the fix or fail after it, or too few held out."""
    wrong = [] if case.held_out.count("assert ") + case.held_out.count("raises(") >= 11 else ["held out too few"]
    for files, passing in ((case.files, False), (case.fixed(), True)):
        with tempfile.TemporaryDirectory() as name:
            build(case, files, Path(name))
            state = "fixed" if passing else "buggy"
            if passes_visible(Path(name)) is not passing:
                wrong.append(f"visible tests on the {state} program")
            if passes_held_out(case, Path(name)) is not passing:
                wrong.append(f"held out tests on the {state} program")
    return wrong
