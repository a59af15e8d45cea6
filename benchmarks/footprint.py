"""What the daemon costs when nothing happens, and how fast the command line answers. Limits beside the figures.

python benchmarks/footprint.py [SECONDS]
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

CONFIG = """\
state_dir: {folder}/state
services:
  - name: shop
    repo: {folder}/repo.git
    logs: ["{folder}/logs/*.log"]
http: {{port: 0}}
"""


def rss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def idle(seconds: float) -> tuple[float, float, float]:
    """(seconds to ready, MB, % of a core)."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "init", "-q", "--bare", f"{folder}/repo.git"], check=True)
        Path(folder, "logs").mkdir()
        config = Path(folder, "nightshift.yaml")
        config.write_text(CONFIG.format(folder=folder))
        began = time.monotonic()
        argv = [sys.executable, "-m", "nightshift.daemon.cli", "run", "-c", str(config)]
        with Path(folder, "log").open("wb") as log:
            daemon = subprocess.Popen(argv, stdout=log, stderr=log)
        while b"watching" not in Path(folder, "log").read_bytes():
            time.sleep(0.02)
        ready_s = time.monotonic() - began
        time.sleep(10)
        before, start = cpu_s(daemon.pid), time.monotonic()
        time.sleep(seconds)
        share = 100 * (cpu_s(daemon.pid) - before) / (time.monotonic() - start)
        size = rss_mb(daemon.pid)
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(30)
        return ready_s, size, share


def help_s(runs: int = 15) -> float:
    took = []
    for _ in range(runs):
        began = time.monotonic()
        subprocess.run([sys.executable, "-m", "nightshift.daemon.cli", "--help"], stdout=subprocess.DEVNULL, check=True)
        took.append(time.monotonic() - began)
    return statistics.median(took)


def python_s(runs: int = 15) -> float:
    took = []
    for _ in range(runs):
        began = time.monotonic()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        took.append(time.monotonic() - began)
    return statistics.median(took)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    ready_s, size_mb, share = idle(seconds)
    bare_s = python_s()
    answer_s = help_s()
    table = Table(title=f"Footprint (idle over {seconds:.0f} s)")
    for column in ("what", "measured", "limit"):
        table.add_column(column)
    table.add_row("daemon, resident memory", f"{size_mb:.0f} MB", "110 MB")
    table.add_row("daemon, idle CPU", f"{share:.2f} % of a core", "2 %")
    table.add_row("daemon, start to watching", f"{ready_s:.2f} s", "–")
    table.add_row("nightshift --help, median", f"{answer_s:.3f} s ({answer_s / bare_s:.1f} × bare Python)", "0.2 s")
    Console().print(table)


if __name__ == "__main__":
    main()
