"""`nightshift heal` on one-module repositories with one-edit bugs, container start included. Limits beside.

python benchmarks/heal.py [RUNS]
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

BUGS = {
    "off by one": (
        "def mean(values):\n    return sum(values) / (len(values) - 1)\n",
        "from m import mean\n\n\ndef test_mean():\n    assert mean([1, 2, 3]) == 2\n\n\ndef test_one():\n    assert mean([4]) == 4\n",
    ),
    "comparison": (
        "def grade(points):\n    if points > 50:\n        return 'pass'\n    return 'fail'\n",
        "from m import grade\n\n\ndef test_edge():\n    assert grade(50) == 'pass'\n\n\ndef test_low():\n    assert grade(49) == 'fail'\n",
    ),
    "missing key": (
        "def count(words):\n    seen = {}\n    for word in words:\n        seen[word] = seen[word] + 1\n    return seen\n",
        "from m import count\n\n\ndef test_count():\n    assert count(['a', 'b', 'a']) == {'a': 2, 'b': 1}\n\n\ndef test_none():\n    assert count([]) == {}\n",
    ),
}  # fmt: skip


def heal(code: str, test: str) -> tuple[float, dict]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "m.py").write_text(code)
        Path(folder, "test_m.py").write_text(test)
        for args in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
            subprocess.run(["git", "-c", "user.name=b", "-c", "user.email=b@localhost", *args], cwd=folder, check=True)
        began = time.monotonic()
        argv = [sys.executable, "-m", "nightshift.daemon.cli", "heal", "--repo", folder, "--json"]
        done = subprocess.run([*argv, "--check", "python -m pytest -q"], capture_output=True)
        return time.monotonic() - began, json.loads(done.stdout)


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    table = Table(title=f"nightshift heal, one module, one edit, median of {runs} runs (limit 3 s)")
    for column in ("bug", "outcome", "whole process s", "reproducing", "drafting", "judging", "candidates"):
        table.add_column(column)
    walls = []
    for name, (code, test) in BUGS.items():
        results = [heal(code, test) for _ in range(runs)]
        walls += [wall for wall, _ in results]
        stages = [
            f"{statistics.median(r['durations_s'].get(stage, 0.0) for _, r in results):.2f}"
            for stage in ("reproducing", "drafting", "judging")
        ]
        outcome = ", ".join(sorted({r["outcome"] for _, r in results}))
        wall = f"{statistics.median(w for w, _ in results):.2f}"
        table.add_row(name, outcome, wall, *stages, str(results[0][1]["candidates"]))
    table.add_row("all", "", f"{statistics.median(walls):.2f} ({statistics.median(walls) / 3:.2f} × limit)")
    Console().print(table)


if __name__ == "__main__":
    main()
