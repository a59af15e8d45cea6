"""A night with one incident of every outcome, hostile text included, for whoever tests what people will read."""

from __future__ import annotations

from nightshift.daemon.model import GateResult, Judgement, Severity
from nightshift.daemon.reports.model import Cost, ReportChange, ReportData, ReportFix, ReportIncident, StageTime

NIGHT_MS = 1_767_304_800_000
"""2026-01-01 22:00 UTC."""
HOSTILE = "<script>alert(1)</script> [red]*bold*[/red] `x` <!channel>\x1b[31m"
DIFF = """--- a/shop/basket.py
+++ b/shop/basket.py
@@ -10,3 +10,3 @@ def total(items):
-    for i in range(1, len(items)):
+    for i in range(len(items)):
         yield items[i]
"""


def a_night(language: str = "en", zone: str = "UTC") -> ReportData:
    """The whole of it."""
    return ReportData(
        id="report-2026-01-02", from_ms=NIGHT_MS, to_ms=NIGHT_MS + 9 * 3_600_000, made_at_ms=NIGHT_MS + 9 * 3_600_000,
        incidents=(healed(), waiting(), escalated(), rolled_back()), zone=zone, language=language, host="web-1",
    )  # fmt: skip


def healed(title: str = "IndexError in total") -> ReportIncident:
    """Fixed by a template, merged, deployed, recovered."""
    stages = (("gathering", 0.2), ("reproducing", 1.4), ("drafting", 3.1), ("judging", 2.2), ("merging", 0.1),
              ("deploying", 0.9), ("watching", 60.0))  # fmt: skip
    return ReportIncident(
        id="inc-healed", title=title, service="shop", count=17, first_at_ms=NIGHT_MS + 3_600_000,
        last_at_ms=NIGHT_MS + 3_660_000, outcome="healed",
        stages=tuple(StageTime(stage=name, duration_s=s) for name, s in stages),
        fix=ReportFix(fixer="templates", rationale="off by one in the loop", diff=DIFF, files=("shop/basket.py",)),
        gates=(
            GateResult(gate="compiles", judgement=Judgement.ACCEPTED, reason="every file parses", duration_s=0.1),
            GateResult(gate="reproduction", judgement=Judgement.ACCEPTED, reason="green 3 times of 3", duration_s=1.2),
        ),
        change=ReportChange(number=12, title="Fix IndexError in total", url="https://git.example.org/shop/12",
                            state="merged", undo="git revert 0123abc"),
        deploy="deployed 0123abc in 0.9 s", watch="recovered: two clean reads", notes=("p95 −12 %",),
        quarantined=tuple(f"tests/test_basket.py::test_race[{n}]" for n in range(12)),
        cost=Cost(seconds=67.9, candidates=412, tokens=0),
    )  # fmt: skip


def waiting() -> ReportIncident:
    """Proved, and a person has to approve it."""
    return ReportIncident(
        id="inc-waiting", title="KeyError: 'vat'", service="billing", severity=Severity.CRITICAL,
        first_at_ms=NIGHT_MS + 7_200_000, last_at_ms=NIGHT_MS + 7_200_000, outcome="waiting",
        stages=(StageTime(stage="drafting", duration_s=2.0), StageTime(stage="awaiting_approval", duration_s=14_000.0)),
        fix=ReportFix(fixer="revert", rationale="reverts 99aabbc", diff=DIFF, files=("shop/basket.py",)),
        change=ReportChange(number=13, title="Revert", url="javascript:alert(1)", state="open"),
        waiting="nightshift approve mis-abcdefghijkl", cost=Cost(seconds=8.0, candidates=1),
    )  # fmt: skip


def escalated() -> ReportIncident:
    """No safe patch; its title and log are written by somebody who means harm."""
    return ReportIncident(
        id="inc-escalated", title=HOSTILE, service="shop",
        severity=Severity.CRITICAL, count=3, first_at_ms=NIGHT_MS + 10_800_000, last_at_ms=NIGHT_MS + 10_900_000,
        outcome="escalated", reason="no patch passed: 512 candidates, all rejected",
        evidence="```\n# a heading\n</pre><img src=x onerror=alert(1)>\npassword=hunter2hunter2\n"
        "\x1b]0;owned\x07\x00end",
        cost=Cost(seconds=31.0, candidates=512, tokens=12_345),
    )  # fmt: skip


def rolled_back() -> ReportIncident:
    """Shipped, did not help, taken back."""
    return ReportIncident(
        id="inc-back", title="p95 over 2 s", service="shop", severity=Severity.WARNING,
        first_at_ms=NIGHT_MS + 14_400_000, last_at_ms=NIGHT_MS + 14_500_000, count=2, outcome="rolled_back",
        reason="still failing after the deploy", watch="still failing: 2 of 2 reads bad", cost=Cost(seconds=12.5),
    )  # fmt: skip
