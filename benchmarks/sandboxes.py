"""How long the sandbox engines take: opening, the first command, a warm one, a tree of 1,000 files, a pytest run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from nightshift.daemon.kit.tar import tar_of
from nightshift.daemon.ports import EnvironmentBroke, Sandboxes, SandboxSpec
from nightshift.sandboxes.all_sandboxes import ENGINES, Settings

ROUNDS = 10
SPEC = SandboxSpec(lifetime_s=300)
TREE = tar_of({f"pkg{n % 20}/module_{n}.py": f"x = {n}\n" * 30 for n in range(1000)})
TEST = tar_of({"test_one.py": "def test_one():\n    assert 1 + 1 == 2\n"})


def _p50_ms(action: Callable[[], None], rounds: int = ROUNDS) -> str:
    taken = []
    for _ in range(rounds):
        start = time.monotonic()
        action()
        taken.append((time.monotonic() - start) * 1000)
    return f"{statistics.median(taken):.0f} ({min(taken):.0f}–{max(taken):.0f})"


def _cold(engine: Sandboxes) -> None:
    with engine.open(SPEC) as box:
        box.run(["true"], timeout_s=30)


def _warm(engine: Sandboxes) -> str:
    taken = []
    for _ in range(ROUNDS):
        engine.prewarm(SPEC, 1)
        time.sleep(1.0)
        start = time.monotonic()
        box = engine.open(SPEC)
        box.run(["true"], timeout_s=30)
        taken.append((time.monotonic() - start) * 1000)
        box.close()
    return f"{statistics.median(taken):.0f} ({min(taken):.0f}–{max(taken):.0f})"


def _rows(engine: Sandboxes) -> dict[str, str]:
    _cold(engine)
    rows = {"open + first command + close, cold": _p50_ms(lambda: _cold(engine))}
    rows["open + first command, prewarmed"] = _warm(engine)
    with engine.open(SPEC) as box:
        rows["one more command"] = _p50_ms(lambda: box.run(["true"], timeout_s=30) and None)
        rows["put of 1,000 files"] = _p50_ms(lambda: box.put(TREE, to="/tmp/tree"))
        box.put(TEST)
        pytest = ["python", "-m", "pytest", "-q", "test_one.py"]
        rows["pytest of one test"] = _p50_ms(lambda: box.run(pytest, timeout_s=60) and None, 5)
    return rows


def main() -> None:
    """Print one table, a column per engine that works here."""
    columns: dict[str, dict[str, str]] = {}
    for name, make in ENGINES.items():
        engine = make(Settings())
        try:
            columns[name] = _rows(engine)
        except EnvironmentBroke as error:
            columns[name] = {}
            print(f"{name}: {error}")
        engine.close()
    table = Table("p50 ms (min–max)", *columns, title=f"Sandboxes, {ROUNDS} rounds")
    for row in next(iter(columns.values())):
        table.add_row(row, *(column.get(row, "–") for column in columns.values()))
    Console().print(table)


if __name__ == "__main__":
    main()
