"""From the error line to a merged, redeployed, watched fix: the demo's healed incidents, stage by stage.

python benchmarks/loop.py [RUNS]
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

LIMIT_S = 10.0


def play() -> list[dict]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out.json")
        argv = [sys.executable, "-m", "nightshift.daemon.cli", "demo", "--dir", f"{folder}/demo", "--json", str(out)]
        subprocess.run(argv, stdout=subprocess.DEVNULL, check=True)
        return json.loads(out.read_text())["incidents"]


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    stages: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for _ in range(runs):
        for incident in play():
            if incident["outcome"] != "healed":
                continue
            row = stages[incident["fixer"]]
            row["detected"].append(incident["detected_s"])
            for stage, seconds in incident["stages_s"].items():
                row[stage].append(seconds)
            watched = incident["stages_s"].get("watching", 0.0)
            row["all but watching"].append(incident["detected_s"] + incident["total_s"] - watched)
    table = Table(
        title=f"Error line to healed, median seconds of {runs} runs (limit {LIMIT_S:.0f} s without the watch)"
    )
    table.add_column("stage")
    for fixer in stages:
        table.add_column(f"by {fixer}", justify="right")
    for stage in dict.fromkeys(s for row in stages.values() for s in row):
        table.add_row(
            stage, *(f"{statistics.median(row[stage]):.2f}" if stage in row else "" for row in stages.values())
        )
    both = [s for row in stages.values() for s in row["all but watching"]]
    table.add_row("p50 over both", f"{statistics.median(both):.2f}", f"{statistics.median(both) / LIMIT_S:.2f} × limit")
    Console().print(table)


if __name__ == "__main__":
    main()
