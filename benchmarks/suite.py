"""`nightshift heal` on bugs written apart from the fixers: what it proposes, and whether that is right.

python benchmarks/suite.py [--set suite|heldout|fresh|third] [--only REGEX] [--jobs N] [--variant full|docstring]
                           [--json FILE] [--kinds] [--self-check]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.table import Table
from suite_cases import Case, build, cases, passes_held_out, passes_visible, wrong_with

HEAL_S = 180
COLUMNS = ("bugs", "healed", "plausible", "correct at rank 1", "correct of proposed", "abstained", "median s")


def healed(case: Case) -> dict:
    """One run: the outcome of the command, and what the patch does to the tests it saw and to those it never saw."""
    with tempfile.TemporaryDirectory(prefix="suite-") as name:
        folder = Path(name)
        build(case, case.files, folder)
        began = time.monotonic()
        argv = [sys.executable, "-m", "nightshift.daemon.cli", "heal", "--repo", name, "--json"]
        row = {"name": case.name, "kind": case.kind}
        argv += ["--check", "python -m pytest -q"]
        try:
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=HEAL_S)
        except subprocess.TimeoutExpired:
            return {**row, "seconds": HEAL_S, "outcome": "timeout", "why": f"no end in {HEAL_S} s"}
        row["seconds"] = round(time.monotonic() - began, 2)
        try:
            said = json.loads(done.stdout)
        except ValueError:
            return {**row, "outcome": "crash", "why": done.stderr.decode(errors="replace")[-500:]}
        row |= {"outcome": said["outcome"], "why": said.get("reason", "")}
        row["spent"] = {key: said.get(key) for key in ("durations_s", "candidates")}
        patch = said.get("patch") or {}
        if not patch.get("diff"):
            return row
        return row | _tried(case, folder, patch)


def _tried(case: Case, folder: Path, patch: dict) -> dict:
    applied = subprocess.run(["git", "apply"], cwd=folder, input=patch["diff"].encode(), capture_output=True)
    applies = applied.returncode == 0
    plausible = applies and passes_visible(folder)
    return {"diff": patch["diff"], "plausible": plausible, "correct": plausible and passes_held_out(case, folder)}


def table(rows: list[dict], title: str, by_kind: bool) -> Table:
    """Rows by kind of bug or by programs and packages, and all of them."""
    kinds: dict[str, list[dict]] = defaultdict(list)
    for row in rows:
        size = "packages" if row["kind"].startswith("package") else "programs"
        kinds[row["kind"].split(":")[0] if by_kind else size].append(row)
    result = Table(title=title)
    for column in ("kind", *COLUMNS):
        result.add_column(column)
    for kind, some in (*sorted(kinds.items()), ("all", rows)):
        proposed = [row for row in some if row["outcome"] == "healed"]
        correct = sum(row.get("correct", False) for row in proposed)
        result.add_row(
            kind, str(len(some)), str(len(proposed)), str(sum(row.get("plausible", False) for row in proposed)),
            f"{correct} ({correct / len(some):.0%})", f"{correct / len(proposed):.0%}" if proposed else "",
            str(sum(row["outcome"] == "abstained" for row in some)),
            f"{statistics.median(row['seconds'] for row in some):.1f}",
        )  # fmt: skip
    return result


def _self_check(some: list[Case]) -> int:
    bad = 0
    for case in some:
        for wrong in wrong_with(case):
            bad += 1
            print(f"{case.name}: {wrong}")
    print(f"{len(some)} bugs checked, {bad} complaints")
    return 1 if bad else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="bugs whose names match this")
    parser.add_argument("--set", default="suite", help="the folder of benchmarks/ whose bugs are healed")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--variant", choices=("full", "docstring"), default="full")
    parser.add_argument("--json", type=Path, help="keep every row, patches included")
    parser.add_argument("--kinds", action="store_true", help="a row for each kind of bug")
    parser.add_argument("--self-check", action="store_true", help="only check the bugs themselves")
    options = parser.parse_args()
    some = cases(options.variant, options.only, options.set)
    if options.self_check:
        return _self_check(some)
    rows = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for row in pool.map(healed, some):
            rows.append(row)
            said = "correct" if row.get("correct") else "WRONG" if row["outcome"] == "healed" else row["outcome"]
            print(f"{row['name']:24} {said:10} {row['seconds']:6.1f} s", file=sys.stderr, flush=True)
            if options.json:
                options.json.write_text(json.dumps(rows, indent=1))
    Console().print(table(rows, f"nightshift heal, {options.set}, {options.variant} tests", options.kinds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
