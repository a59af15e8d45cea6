"""The bugs of benchmarks/javascript/bugs: one text file per bug, read as benchmarks/suite_cases.py reads Python's.

`kind: …` and, where it is not `node --test`, `check: …`; then `file PATH` sections, `fix` (lines `< old`, `> new`) and
`held out PATH`: a script no fixer ever sees, which throws when the program is wrong.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

BUGS = Path(__file__).parent / "javascript" / "bugs"
TRY_S = 60


@dataclass(frozen=True, kw_only=True)
class Bug:
    """One bug: its check, its files by path, the lines a fix exchanges, the assertions held out."""

    name: str
    kind: str
    check: str
    files: dict[str, str]
    old: str
    new: str
    held_path: str
    held_out: str

    def fixed(self) -> dict[str, str]:
        """The files after the intended fix; ValueError when the old lines are not there exactly once."""
        found = [path for path, text in self.files.items() if self.old in text]
        if len(found) != 1 or self.files[found[0]].count(self.old) != 1:
            raise ValueError(f"{self.name}: the old lines are in {found}")
        return {**self.files, found[0]: self.files[found[0]].replace(self.old, self.new)}

    @property
    def build(self) -> str:
        """What has to run before the program does ('' = nothing)."""
        return self.check.partition("&&")[0].strip() if "&&" in self.check else ""


def bugs(only: str = "") -> list[Bug]:
    """All bugs in the order of their names."""
    return [_bug(path) for path in sorted(BUGS.glob("*.bug")) if re.search(only, path.stem)]


def _bug(path: Path) -> Bug:
    head, *parts = re.split(r"^-- ", path.read_text(), flags=re.M)
    sections = dict(part.split("\n", 1) for part in parts)
    told = dict(line.split(": ", 1) for line in head.strip().splitlines())
    fix = sections["fix"].splitlines()
    old, new = ("".join(f"{line[2:]}\n" for line in fix if line.startswith(sign)) for sign in "<>")
    held = next(title for title in sections if title.startswith("held out "))
    return Bug(
        name=path.stem, kind=told["kind"], check=told.get("check", "node --test"), old=old, new=new,
        files={title.removeprefix("file "): text for title, text in sections.items() if title.startswith("file ")},
        held_path=held.removeprefix("held out "), held_out=sections[held],
    )  # fmt: skip


def build(files: dict[str, str], folder: Path) -> None:
    """A git repository with these files."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / ".gitignore").write_text("dist/\n")
    for words in (["init", "-q"], ["add", "-A"], ["-c", "user.name=b", "-c", "user.email=b@b", "commit", "-qm", "bug"]):
        subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)


def passes_check(bug: Bug, folder: Path) -> bool:
    """Whether the check that the fixer saw is green."""
    shutil.rmtree(folder / "dist", ignore_errors=True)
    return _green(bug.check, folder)


def passes_held_out(bug: Bug, folder: Path) -> bool:
    """Whether the assertions nobody saw hold."""
    target = folder / bug.held_path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(bug.held_out)
    try:
        built = not bug.build or _green(bug.build, folder)
        return built and _green(f"node {bug.held_path}", folder)
    finally:
        target.unlink()


def _green(command: str, folder: Path) -> bool:
    try:
        return subprocess.run(command, shell=True, cwd=folder, capture_output=True, timeout=TRY_S).returncode == 0
    except subprocess.TimeoutExpired:
        return False
