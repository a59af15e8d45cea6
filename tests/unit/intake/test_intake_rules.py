"""Thresholds, silences, maintenance, known errors, severities, flapping, alerts that resolve: each with its reason."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from nightshift.daemon.intake.settings import Known, Maintenance, SeverityRule, Silence
from nightshift.daemon.model import IncidentState, Severity, Signal


def actions(decisions):
    return [d.action for d in decisions]


@pytest.fixture
def alert(clock):
    def make(key, *, resolved=False, service="shop", **labels):
        return Signal(key=f"{key}:{resolved}", source="prometheus", service=service, title="Slow", kind="alert",
                      at_ms=clock.now_ms(), labels={"alertname": "Slow", **labels}, resolved=resolved)  # fmt: skip

    return make


def test_a_threshold_may_have_a_window(intake_with, clock, crash, announced):
    intake = intake_with(min_count=3, min_count_window_s=60)
    seen = []
    for number, pause_s in enumerate((0, 40, 40, 10)):
        clock.advance(pause_s)
        seen += intake.take([crash(number)])
    assert actions(seen) == ["below_threshold"] * 3 + ["opened"] and len(announced) == 1
    assert "2 of 3 within 60 s" in seen[2].reason


def test_a_folded_signal_reaches_a_threshold_at_once(intake_with, crash, announced):
    assert actions(intake_with(min_count=20).take([crash(1, count=25)])) == ["opened"]


def test_silences_by_label_source_severity_and_from_when_on(intake_with, clock, alert, crash):
    begins = datetime.fromtimestamp(clock.now_ms() / 1000 + 60, UTC)
    rules = [Silence(labels={"cluster": "eu-.*"}, reason="moving"), Silence(source="logs", severity=("warning",)),
             Silence(service="late", since=begins)]  # fmt: skip
    intake = intake_with(silences=rules)
    assert actions(intake.take([
        alert("1", cluster="eu-1"), alert("2", cluster="us-1", service="b"), crash(3, severity=Severity.WARNING),
        crash(4, service="c"), alert("5", service="late"),
    ])) == ["silenced", "opened", "silenced", "opened", "opened"]  # fmt: skip
    clock.advance(61)
    assert actions(intake.take([alert("6", service="late", x="y")])) == ["silenced"]


def test_a_label_pattern_must_match_as_a_whole(intake_with, alert):
    intake = intake_with(silences=[Silence(labels={"cluster": "eu"})])
    assert actions(intake.take([alert("1", cluster="eu-1"), alert("2", cluster="eu")])) == ["opened", "silenced"]


def test_maintenance_comes_again_in_its_zone(intake_with, clock, crash):
    window = Maintenance(service="shop", cron="30 22 * * *", duration_s=7200, timezone="Europe/Berlin", reason="backup")
    intake = intake_with(maintenance=[window])
    midnight = datetime.fromtimestamp(clock.now_ms() / 1000, UTC).replace(hour=0, minute=0, second=0) - timedelta(
        days=3
    )

    def at(hour, minute, service="shop"):
        at_ms = int((midnight + timedelta(hours=hour, minutes=minute)).timestamp() * 1000)
        return intake.take([crash(f"{hour}:{minute}:{service}", at_ms=at_ms, service=service)])[0]

    # Berlin is one hour ahead of UTC in November: 21:30 to 23:30.
    assert [at(*t).action for t in ((21, 29), (21, 30), (23, 29), (23, 30), (45, 30))] == [
        "opened", "silenced", "silenced", "counted", "silenced",
    ]  # fmt: skip
    assert at(22, 0, "other").action == "opened"
    assert "backup" in at(22, 1).reason and "23:30 UTC" in at(22, 2).reason


@pytest.mark.parametrize("wrong", [{"cron": "61 * * * *"}, {"cron": "x"}, {"timezone": "Mars/Base"}])
def test_a_maintenance_that_can_not_be_read_is_told(wrong):
    with pytest.raises(ValidationError, match="can't be read"):
        Maintenance(**{"cron": "0 1 * * *", "duration_s": 60, **wrong})


def test_a_known_error_is_counted_and_left_alone(intake_with, store, crash, announced):
    known = [Known(regex="KeyError", reason="the supplier's feed", ticket="OPS-7")]
    intake = intake_with(known=known)
    decisions = intake.take([crash(1), crash(2), crash(3, "IndexError")])
    assert actions(decisions) == ["known", "known", "opened"]
    assert "the supplier's feed (OPS-7)" in decisions[0].reason
    assert store.incidents.get(decisions[0].incident.id).count == 2 and [i.signal.exception for i in announced] == [
        "IndexError"
    ]
    assert intake.pending() == [announced[0]] or announced[0].held == ""
    assert actions(intake_with().take([crash(4)])) == ["opened"], "once it is no longer known it gets its mission"


def test_a_known_error_has_to_name_something():
    with pytest.raises(ValidationError, match="whole service"):
        Known(service="shop", reason="x")


def test_severities_are_corrected_before_anything_else(intake_with, crash):
    rules = [SeverityRule(service="pay", floor="critical"), SeverityRule(regex="tea", service="shop", override="info")]
    decisions = intake_with(severities=rules).take([crash(1, service="pay"), crash(2)])
    assert actions(decisions) == ["opened", "silenced"]
    assert decisions[0].incident.severity is Severity.CRITICAL


def test_an_incident_is_as_bad_as_its_worst_signal(intake, store, crash):
    first = intake.take([crash(1, severity=Severity.WARNING), crash(2, severity=Severity.CRITICAL), crash(3)])[0]
    assert store.incidents.get(first.incident.id).severity is Severity.CRITICAL


def test_an_alert_of_many_instances_is_over_with_the_last_of_them(intake, store, alert):
    fired = intake.take([alert(n, instance=f"h{n}") for n in range(3)])
    assert actions(fired) == ["opened", "counted", "counted"]
    over = [intake.take([alert(n, instance=f"h{n}", resolved=True)])[0] for n in range(3)]
    assert actions(over) == ["still_firing", "still_firing", "resolved"] and "2 more" in over[0].reason
    assert store.incidents.get(fired[0].incident.id).state is IncidentState.HEALED


def test_an_alert_that_ends_does_not_end_the_crash_beside_it(intake, store, alert, crash):
    incident = intake.take([crash(1), alert("a")])[0].incident
    over = intake.take([alert("a", resolved=True)])[0]
    assert over.action == "still_firing" and "KeyError" in over.reason
    assert store.incidents.get(incident.id).state is IncidentState.OPEN


def test_an_end_that_is_heard_before_its_beginning(intake, clock, alert):
    begun = alert("a", instance="h")
    clock.advance(10)
    assert actions(intake.take([alert("a", instance="h", resolved=True), begun])) == ["ignored", "ignored"]


def test_what_flaps_becomes_one_incident_without_missions(intake_with, store, clock, alert, announced):
    intake = intake_with(cool_down_s=60, flap_count=3, flap_window_s=3600)
    seen = []
    for number in range(8):
        for resolved in (False, True):
            clock.advance(100)
            seen += intake.take([alert(number, resolved=resolved)])
    assert actions(seen) == ["opened", "resolved"] * 3 + ["flapping", "still_firing"] * 5
    assert len(announced) == 3 and "it flaps" in seen[6].reason
    flapping = seen[-1].incident
    assert (flapping.held, flapping.count, flapping.previous) == ("flapping", 5, seen[4].incident.id)
    assert intake.pending() == [] or all(i.held == "" for i in intake.pending())
    clock.advance(3599)
    assert intake.tidy() == 0
    clock.advance(2)
    assert intake.tidy() == 1 and store.incidents.get(flapping.id).state is IncidentState.HEALED
    clock.advance(400)
    assert actions(intake.take([alert("later")])) == ["opened"]


def test_what_fires_again_in_the_cool_down_and_never_stops_is_heard_in_the_end(intake, store, clock, alert, announced):
    first = intake.take([alert("1"), alert("1", resolved=True)])[0].incident
    clock.advance(100)
    assert actions(intake.take([alert("2")])) == ["cooling_down"]
    assert intake.tidy() == 0
    clock.advance(400)
    assert intake.tidy() == 1
    assert [i.previous for i in announced] == ["", first.id]
    assert intake.tidy() == 0
    assert actions(intake.take([alert("2", resolved=True)])) == ["resolved"]


def test_every_decision_is_kept_with_its_last_reason(intake, store, crash):
    incident = intake.take([crash(1), crash(2), crash(1), crash(3, severity=Severity.INFO)])[0].incident
    kept = {row["action"]: (row["count"], row["reason"]) for row in store.incidents.decisions(incident.id)}
    assert kept.keys() == {"opened", "counted", "duplicate"} and kept["counted"][0] == 1
    [silenced] = store.incidents.decisions("service:shop")
    assert silenced["action"] == "silenced" and "below" in silenced["reason"]
