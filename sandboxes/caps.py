"""The caps of a sandbox by name, as people read them in a verdict: oom, timeout, output, killed, pids, disk.

The first four the engine tells. That processes or disk ran out only the code under test tells, in its own errors; that
is a hint at the reason, never evidence for or against a patch.
"""

from __future__ import annotations

from collections.abc import Iterable

from nightshift.daemon.ports import Sandbox, SandboxSpec
from nightshift.sandboxes.harness import Failure, TestRun

_PLAIN = {
    "timeout": "timeout: the check did not end within its time",
    "output": "output: the check wrote more output than a sandbox takes",
    "oom": "oom: the check used more memory than a sandbox has",
    "killed": "killed: the run was killed, twice, from inside its own sandbox",
    "died": "the process ended before pytest had finished",
    "stopped": "pytest was stopped before all tests had run",
    "uncompiled": "the code does not compile",
}
_STARVED = {
    "oom": ("MemoryError", "Cannot allocate memory"),
    "pids": ("can't start new thread", "Resource temporarily unavailable"),
    "disk": ("No space left on device", "File too large"),
}


def named(ended: str, box: Sandbox, timeout_s: float) -> str:
    """The cap a run hit, with its size in that sandbox; '' when it hit none."""
    spec = getattr(box, "spec", SandboxSpec())
    sizes = {
        "oom": f"oom: the check took more than the {spec.memory_mb} MB of memory a sandbox has",
        "timeout": f"timeout: the check did not end within {timeout_s:g} s",
        "output": f"output: the check wrote more than the {spec.output_bytes >> 20} MB a sandbox takes",
    }
    return sizes.get(ended, "")


def told(run: TestRun) -> str:
    """Why a run that did not end by itself proves nothing, its cap's name first."""
    return run.cap or _PLAIN.get(run.ended, f"the check {run.ended}")


def starved(run: TestRun, tests: Iterable[str]) -> str:
    """The cap that failing tests say they ran into, as ``pids: `` before a reason; '' when they don't all say so."""
    failures = [run.failures.get(test, Failure()) for test in tests]
    for cap, marks in _STARVED.items():
        said = [any(mark in text for mark in marks for text in (f.exception, f.message, f.text)) for f in failures]
        if said and all(said):
            return f"{cap}: "
    return ""
