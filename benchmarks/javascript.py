"""`nightshift heal` on bugs in JavaScript and TypeScript: what it proposes, and whether that is right.

python benchmarks/javascript.py [--only REGEX] [--jobs N] [--json FILE] [--self-check]

Needs node 18.19 or newer, and `tsc` for the packages in TypeScript, both below /usr (the image `host` binds that).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from javascript_cases import Bug, bugs, build, passes_check, passes_held_out
from rich.console import Console
from suite import table

HEAL_S = 400


def healed(bug: Bug) -> dict:
    """One run: the outcome of the command, and what the patch does to the check and to what nobody saw."""
    with tempfile.TemporaryDirectory(prefix="javascript-") as name:
        folder = Path(name)
        build(bug.files, folder)
        began = time.monotonic()
        argv = [sys.executable, "-m", "nightshift.daemon.cli", "heal", "--repo", name, "--json", "--check", bug.check]
        row = {"name": bug.name, "kind": bug.kind}
        try:
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=HEAL_S)
            said = json.loads(done.stdout)
        except subprocess.TimeoutExpired:
            return {**row, "seconds": HEAL_S, "outcome": "timeout", "why": f"no end in {HEAL_S} s"}
        except ValueError:
            return {**row, "seconds": time.monotonic() - began, "outcome": "crash", "why": done.stderr.decode()[-500:]}
        row |= {
            "seconds": round(time.monotonic() - began, 2),
            "outcome": said["outcome"],
            "why": said.get("reason", ""),
        }
        row["spent"] = {key: said.get(key) for key in ("durations_s", "candidates")}
        patch = said.get("patch") or {}
        return row | _tried(bug, folder, patch) if patch.get("diff") else row


def _tried(bug: Bug, folder: Path, patch: dict) -> dict:
    applied = subprocess.run(["git", "apply"], cwd=folder, input=patch["diff"].encode(), capture_output=True)
    plausible = applied.returncode == 0 and passes_check(bug, folder)
    right = plausible and passes_held_out(bug, folder)
    return {"diff": patch["diff"], "fixer": patch.get("fixer"), "plausible": plausible, "correct": right}


def wrong_with(bug: Bug) -> str:
    """Why a bug is no fair task, or ''."""
    said = {}
    for which, files in (("bug", bug.files), ("fix", bug.fixed())):
        with tempfile.TemporaryDirectory(prefix="javascript-") as name:
            build(files, Path(name))
            said[which] = passes_check(bug, Path(name)), passes_held_out(bug, Path(name))
    return "" if said == {"bug": (False, False), "fix": (True, True)} else f"check and held out: {said}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="names that this regular expression is found in")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--self-check", action="store_true", help="no healing: are the bugs themselves sound?")
    given = parser.parse_args()
    chosen = bugs(given.only)
    if given.self_check:
        bad = {bug.name: why for bug in chosen if (why := wrong_with(bug))}
        print("\n".join(f"{name}: {why}" for name, why in bad.items()) or f"{len(chosen)} bugs are sound")
        sys.exit(bool(bad))
    with ThreadPoolExecutor(given.jobs) as pool:
        rows = []
        for row in pool.map(healed, chosen):
            rows.append(row)
            print(
                f"{row['name']:20} {row['outcome']:10} {row.get('correct', ''):5} {row['seconds']:6.1f} s", flush=True
            )
    Console().print(table(rows, "JavaScript and TypeScript", by_kind=False))
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
