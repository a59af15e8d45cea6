"""A patch that takes more than is given is rejected by the name of the cap it hit, and its size."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from nightshift.daemon.app.late import LateSandboxes
from nightshift.daemon.model import Judgement, Patch
from nightshift.sandboxes.all_sandboxes import Settings, engine
from nightshift.sandboxes.reproduce import SandboxReproducer
from nightshift.sandboxes.tester import GateTester

pytestmark = pytest.mark.engine

HALF = "def half(n):\n    return n / 0\n"
TEST = "from pkg.half import half\n\ndef test_half():\n    assert half(4) == 2\n"
MARKS = {
    "oom": ("    x = bytearray(400 << 20)\n    return len(x) and 2\n", r"^oom: .* 200 MB of memory"),
    "timeout": ("    import time\n    time.sleep(60)\n    return 2\n", r"^timeout: the check did not end within 8 s"),
    "pids": (
        "    import threading, time\n    for _ in range(300):\n"
        "        threading.Thread(target=time.sleep, args=(20,), daemon=True).start()\n    return 2\n",
        r"^pids: still not passed",
    ),
    "disk": ("    open('/sandbox/x', 'wb').write(bytes(90 << 20))\n    return 2\n", r"^disk: still not passed"),
}


@pytest.fixture(scope="module")
def small():
    """An engine with small limits."""
    settings = Settings(memory_mb=200, work_mb=64, pids=60)
    made = LateSandboxes(lambda: engine(settings), settings.limited)
    yield made
    made.close()


@pytest.mark.parametrize("cap", MARKS)
def test_a_cap_has_a_name_in_the_verdict(small, history, cap: str) -> None:
    history.commit({"pkg/__init__.py": "", "pkg/half.py": HALF, "test_half.py": TEST})
    case = history.case("python -m pytest -q")
    made = SandboxReproducer(small, timeout_s=60).reproduce(case, lambda _: None)
    body, reason = MARKS[cap]
    diff = history.diff({"pkg/half.py": f"def half(n):\n{body}"})
    patch = Patch(id="p", base=case.base, diff=diff, files=("pkg/half.py",), fixer="t", rationale="")
    tester = GateTester(small, timeout_s=8 if cap == "timeout" else 60)
    verdict = tester.judge(replace(case, reproduction=made), patch, lambda _: None)
    assert verdict.judgement is Judgement.REJECTED, verdict
    assert verdict.failed == "reproduction", verdict
    assert re.search(reason, verdict.reason), verdict.reason
