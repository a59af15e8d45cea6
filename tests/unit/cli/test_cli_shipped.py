"""`nightshift show` of what was shipped: figures before and after, and the undoing of what was taken back."""

import pytest

from nightshift.daemon.missions.comparison import compared
from nightshift.daemon.model import Event, Incident, IncidentState, Mission, Severity, Signal, Stage
from nightshift.daemon.store.store import Store


@pytest.fixture
def shipped(tmp_path):
    (tmp_path / "nightshift.yaml").write_text("state_dir: state\n")
    store = Store.open(tmp_path / "state" / "nightshift.db")
    signal = Signal(key="k", source="logs", service="shop", title="KeyError", at_ms=1)
    store.incidents.add(Incident(id="inc-aaaa", fingerprint="f", service="shop", title="KeyError", severity=Severity.ERROR,
                                 state=IncidentState.OPEN, first_at_ms=1, last_at_ms=1, count=1, signal=signal))  # fmt: skip
    store.missions.ensure(Mission(id="mis-aaaa", incident="inc-aaaa", service="shop", stage=Stage.ROLLED_BACK))
    latency = compared("p95", [0.4] * 20, [0.8] * 20, tolerance=0.1, unit="s").as_json()
    for stage, data in (("watching", {"outcome": {"recovery": "still_failing", "figures": [latency]}}),
                        ("rolling_back", {"undo_diff": "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-b\n+a\n"})):  # fmt: skip
        store.journal.append(Event(at_ms=1, mission="mis-aaaa", stage=stage, actor="hand-off", reason="r", data=data))
    store.close()


def test_figures_and_the_undoing_are_shown(nightshift, shipped):
    ran = nightshift("show", "mis-aaaa")
    assert ran.code == 0, ran.err
    assert "p95: 0.4 s → 0.8 s (+100 %, 95% sure between +100 % and +100 %; worse)" in ran.out
    assert ran.out.rstrip().endswith("-b\n+a")
