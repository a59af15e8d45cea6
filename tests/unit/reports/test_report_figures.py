"""Before and after, as the report tells it: from the journal's outcome to a line people read."""

from nightshift.daemon.missions.comparison import compared, quieted
from nightshift.daemon.model import (
    Event,
    Incident,
    IncidentState,
    Mission,
    Outcome,
    Recovery,
    Severity,
    Signal,
    Stage,
    dump,
)
from nightshift.daemon.reports.build import build_report
from nightshift.daemon.reports.markdown import to_markdown
from nightshift.daemon.store.store import Store

NOW_MS = 1_700_000_000_000


def test_the_figures_of_the_watch_are_in_the_report(tmp_path):
    store = Store.open(tmp_path / "n.db")
    signal = Signal(key="k", source="logs", service="shop", title="KeyError", at_ms=NOW_MS)
    store.incidents.add(Incident(id="inc-1", fingerprint="f", service="shop", title="KeyError", severity=Severity.ERROR,
                                 state=IncidentState.HEALED, first_at_ms=NOW_MS, last_at_ms=NOW_MS, count=1,
                                 signal=signal))  # fmt: skip
    store.missions.ensure(Mission(id="mis-1", incident="inc-1", service="shop", stage=Stage.HEALED, reason="quiet"))
    before, after = [0.40, 0.41, 0.42, 0.43, 0.44] * 6, [0.35, 0.36, 0.37, 0.38, 0.39] * 3
    figures = (
        quieted("occurrences", 60, 1800, 0, 600),
        compared("p95 latency", before, after, tolerance=0.1, unit="s"),
    )
    outcome = Outcome(
        recovery=Recovery.RECOVERED, reason="two clean reads", figures=tuple(f.as_json() for f in figures)
    )
    store.journal.append(Event(at_ms=NOW_MS, mission="mis-1", stage="watching", actor="hand-off", reason="recovered",
                               data={"outcome": dump(outcome)}))  # fmt: skip
    report = build_report(store, NOW_MS - 1000, NOW_MS + 1000, report_id="r", made_at_ms=NOW_MS)
    [row] = report.incidents
    assert row.notes[-2].startswith("occurrences: 2/min → 0/min (−100 %, 100.0% sure that it is rarer")
    assert row.notes[-1] == "p95 latency: 0.42 s → 0.37 s (−12 %, 95% sure between −14 % and −10 %; no worse)"
    assert "p95 latency: 0.42 s → 0.37 s (−12 %" in to_markdown(report)
    store.close()
