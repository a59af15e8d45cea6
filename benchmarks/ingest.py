"""How fast are finished logs understood? `nightshift scan` as one process beside ripgrep and GNU grep searching the same
literals, and what it finds held against what was written. Processor seconds, interleaved rounds, medians.

python benchmarks/ingest.py [--megabytes N] [--rounds N] [--folder DIR]
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from corpus import judge, write
from grouping import drain
from rich.console import Console
from rich.table import Table

from nightshift.monitors.logs.literals import LEVELS, TRACES

SCAN = [str(Path(sys.executable).parent / "nightshift"), "scan", "--json"]
LITERALS = [word.decode().strip("\n") for word in (*TRACES, *LEVELS)]
DRAIN_BYTES = 8 << 20
FEW = ["Traceback (most recent call last)", "ERROR", "error", "panic: ", "CRITICAL"]


def cpu_s(argv: list[str]) -> tuple[float, bytes]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(argv, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def peers(path: str) -> dict[str, list[str]]:
    found = {"nightshift scan": [*SCAN, path]}
    for name, words in ((f"the same {len(LITERALS)} literals", LITERALS), (f"{len(FEW)} literals", FEW)):
        fixed = [arg for word in words for arg in ("-e", word)]
        if shutil.which("rg"):
            found[f"rg -c, {name}"] = ["rg", "-cF", *fixed, path]
        found[f"grep -cE, {name}"] = ["grep", "-cE", "|".join(map(re.escape, words)).replace("\\ ", " "), path]
    return found


def measure(table: Table, name: str, path: Path, rounds: int) -> float:
    commands = peers(str(path))
    spent: dict[str, list[float]] = {label: [] for label in commands}
    for _label, argv in commands.items():  # the page cache is warm after this
        cpu_s(argv)
    for _ in range(rounds):
        for label, argv in commands.items():
            spent[label].append(cpu_s(argv)[0])
    size = path.stat().st_size / 1e6
    ours = statistics.median(spent["nightshift scan"])
    for label, times in spent.items():
        middle = statistics.median(times)
        table.add_row(
            name,
            label,
            f"{middle:.2f}",
            f"{size / middle:.0f}",
            "" if label == "nightshift scan" else f"{middle / ours:.2f}",
        )
    return size / ours


def drain_row(table: Table, name: str, path: Path, ours_mb_s: float) -> None:
    """drain3 with its documented masks over the first megabytes; it gets each line as it is."""
    group, size = drain(), 0
    begun_s = time.process_time()
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            group(line)
            size += len(line)
            if size > DRAIN_BYTES:
                break
    rate = size / 1e6 / (time.process_time() - begun_s)
    table.add_row(name, f"drain3, masked, {DRAIN_BYTES >> 20} MB of it", "", f"{rate:.1f}", f"{ours_mb_s / rate:.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="nightshift-ingest-"))
    folder.mkdir(parents=True, exist_ok=True)
    table = Table(title="understanding logs; ratio: how many times faster than the peer")
    for column in ("log", "program", "CPU s", "MB/s", "ratio"):
        table.add_column(column)
    truths = {}
    for name, share in (("0.5 % errors", 0.005), ("all errors", 1.0)):
        path = folder / f"{'mixed' if share < 1 else 'errors'}.log"
        truths[name] = (path, write(path, given.megabytes if share < 1 else max(1, given.megabytes // 5), share))
        rate = measure(table, name, path, given.rounds)
        drain_row(table, name, path, rate)
    console = Console(width=120)
    console.print(table)
    for name, (path, truth) in truths.items():
        found = judge(json.loads(cpu_s([*SCAN, str(path)])[1]), truth)
        console.print(
            f"{name}: {truth['events']} events written; recall {found['recall']:.4%} (limit 100 %), "
            f"false {found['false']:.4%} (limit 0.1 %), {found['incidents']} incidents of {found['kinds']} kinds"
        )
    if given.folder is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
