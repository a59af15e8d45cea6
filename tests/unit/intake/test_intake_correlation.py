"""One incident for what belongs together, each part with its reason; two for what does not. Order does not matter."""

from dataclasses import replace
from itertools import permutations

import pytest

from nightshift.daemon.intake.intake import Intake
from nightshift.daemon.intake.settings import Settings
from nightshift.daemon.model import Event, Frame, IncidentState, Mission, Severity, Signal, Stage
from nightshift.daemon.store.store import Store


@pytest.fixture
def alert(clock):
    def make(key, title="Slow", service="shop", **values):
        labels = {"alertname": title, **values.pop("labels", {})}
        given = {"kind": "alert", "source": "prometheus", "at_ms": clock.now_ms(), **values}
        return Signal(key=f"alert:{key}", service=service, title=title, labels=labels, **given)

    return make


@pytest.fixture
def oom(alert):
    return lambda key, **values: alert(key, "container cart ran out of memory", kind="oom", source="docker", **values)


def groups(store):
    """incident → its (service, title) facets; those taken over by others are not there any more."""
    found = {i.id: set() for i in store.incidents.list(limit=1000, joined=True) if not i.joined}
    for facet in store.ingest.facets_of(list(found)):
        found[facet["incident"]].add((facet["service"], facet["title"]))
    return found


def primaries(store):
    return sorted(i.title for i in store.incidents.list(limit=1000, joined=True) if not i.joined)


def test_a_crash_an_alert_and_an_oom_of_one_service_are_one_incident_in_any_order(tmp_path, clock, crash, alert, oom):
    for number, order in enumerate(permutations([crash("c"), alert("a"), oom("o")])):
        store, announced = Store.open(tmp_path / f"{number}.db"), []
        intake = Intake(store, clock, Settings(), announced.append)
        decisions = [intake.take([signal])[0] for signal in order]
        assert [d.action for d in decisions] == ["opened", "joined", "joined"], "one mission, not one per facet"
        assert "the same service shop" in decisions[1].reason
        [incident] = store.incidents.list()
        assert (incident.title, incident.signal.exception, incident.count) == ("KeyError: 'tea'", "KeyError", 3)
        assert len(announced) == 1 and incident.severity is Severity.ERROR
        whys = sorted(facet["why"].partition(" shop")[0] for facet in store.ingest.facets_of([incident.id]))
        assert len(whys) == 3 and sum(why.startswith("joined because of the same service") for why in whys) == 2
        store.close()


def test_in_one_batch_too_and_the_announced_incident_is_the_one_to_mend(intake, announced, crash, alert):
    intake.take([alert("a"), crash("c")])
    assert [i.signal.exception for i in announced] == ["KeyError"]


def test_two_crashes_of_one_service_stay_two(intake, store, crash, alert):
    intake.take([crash("c"), crash("d", "IndexError"), alert("a"), crash("e", "TypeError", frames=(), message="x")])
    assert primaries(store) == ["IndexError: 'tea'", "KeyError: 'tea'", "TypeError: 'tea'"]


def test_error_lines_are_causes_of_their_own(intake, store, crash):
    lines = [crash(f"l{n}", "", kind="error", frames=(), title=text) for n, text in enumerate(("disk full", "no card"))]
    assert len({d.incident.id for d in intake.take(lines)}) == 2


@pytest.mark.parametrize("label", ["trace_id", "request_id"])
def test_two_crashes_of_one_request_are_one(label, intake, store, crash):
    first = crash("c", labels={label: "abc-1"})
    other = crash("d", "IndexError", service="web", labels={label: "abc-1"})
    apart = crash("e", "TypeError", labels={label: "zzz-9"})
    decisions = intake.take([first, other, apart])
    assert [d.action for d in decisions] == ["opened", "joined", "opened"] and "abc-1" in decisions[1].reason


def test_shared_code_that_crashes_in_two_services_is_one(intake, crash):
    frames = (Frame(path="/srv/lib/money.py", line=7, function="add", code="a + b"),)
    decisions = intake.take([crash("a", frames=frames), crash("b", service="web", frames=frames)])
    assert [d.action for d in decisions] == ["opened", "joined"] and "same place" in decisions[1].reason
    elsewhere = (replace(frames[0], line=8),)
    assert intake.take([crash("c", service="cart", frames=elsewhere)])[0].action == "opened"


def test_the_standard_library_is_no_shared_code(intake, crash):
    frames = (Frame(path="/usr/lib/python3.11/json/decoder.py", line=355, function="raw_decode"),)
    decisions = intake.take([crash("a", frames=frames), crash("b", service="web", frames=frames)])
    assert [d.action for d in decisions] == ["opened", "opened"]


def test_what_breaks_right_after_a_release_has_one_cause(intake, clock, crash):
    def released(key, exception, release):
        return crash(key, exception, labels={"release": release}, at_ms=clock.now_ms())

    first = intake.take([released("a", "KeyError", "1.0"), released("b", "IndexError", "1.0")])
    assert [d.action for d in first] == ["opened", "opened"], "with the first release ever seen nothing is fresh"
    clock.advance(4000)
    second = intake.take([released("c", "TypeError", "1.1"), released("d", "NameError", "1.1")])
    assert [d.action for d in second] == ["opened", "joined"] and "shop@1.1" in second[1].reason
    clock.advance(4000)
    third = intake.take([released("e", "OSError", "1.1"), released("f", "EOFError", "1.1")])
    assert [d.action for d in third] == ["opened", "opened"], "an hour later the release is not fresh"


def test_what_breaks_right_after_our_own_deploy_has_one_cause(intake, store, clock, crash):
    store.missions.ensure(Mission(id="mis-d", incident="inc-d", service="shop", stage=Stage.WATCHING))
    store.journal.append(Event(at_ms=clock.now_ms(), mission="mis-d", stage="deploying", actor="m", reason="shipped"))
    clock.advance(10)
    decisions = intake.take([crash("a"), crash("b", "IndexError"), crash("c", "TypeError", service="web")])
    assert [d.action for d in decisions] == ["opened", "joined", "opened"] and "mis-d" in decisions[1].reason


def test_alertmanagers_groups_are_kept_together_unless_a_group_is_everything(intake, alert):
    def grouped(key, group, **values):
        return alert(key, f"A{key}", service=f"s{key}", labels={"alert_group": group}, **values)

    decisions = intake.take([grouped("1", '{}:{cluster="eu"}'), grouped("2", '{}:{cluster="eu"}'),
                             grouped("3", "{}:{}"), grouped("4", "{}:{}")])  # fmt: skip
    assert [d.action for d in decisions] == ["opened", "joined", "opened", "opened"]


def test_the_window_ends(intake, clock, crash, alert):
    intake.take([crash("c")])
    clock.advance(301)
    late = intake.take([alert("a")])[0]
    assert late.action == "opened", "measured from the incident's beginning, however long it goes on"


def test_what_once_joined_and_was_quiet_since_is_a_matter_of_its_own(intake, store, clock, crash, alert):
    first = intake.take([crash("c"), alert("1")])[0].incident
    clock.advance(200)
    assert intake.take([alert("2")])[0].action == "counted"
    clock.advance(3600)
    again = intake.take([alert("3")])[0]
    assert (again.action, again.incident.previous) == ("opened", first.id)
    assert intake.take([crash("d")])[0].incident.id == first.id


def test_a_healed_incident_takes_nobody_in(intake, store, crash, alert):
    store.incidents.set_state(intake.take([crash("c")])[0].incident.id, IncidentState.HEALED)
    assert intake.take([alert("a")])[0].action == "opened"


def test_a_crash_does_not_vanish_in_an_alert_whose_mission_is_past_gathering(intake, store, clock, crash, alert):
    for number, stage in enumerate((Stage.QUEUED, Stage.GATHERING, Stage.REPRODUCING)):
        service = f"s{number}"
        incident = intake.take([alert(number, service=service)])[0].incident
        store.missions.ensure(Mission(id=f"mis-{number}", incident=incident.id, service=service, stage=stage))
    actions = [intake.take([crash(f"c{n}", service=f"s{n}")])[0].action for n in range(3)]
    assert actions == ["joined", "joined", "opened"]


def test_evidence_that_was_gathered_is_not_changed_behind_the_missions_back(intake, store, clock, crash, alert):
    incident = intake.take([alert("a")])[0].incident
    store.missions.ensure(Mission(id="mis-a", incident=incident.id, service="shop", stage=Stage.GATHERING))
    store.journal.append(Event(at_ms=1, mission="mis-a", stage="gathering", actor="hand-off", reason="2 frames"))
    assert intake.take([crash("c")])[0].action == "opened"


def test_unknown_services_pipelines_and_blind_monitors_are_left_alone(intake, alert):
    decisions = intake.take([alert("1", "A", service="unknown"), alert("2", "B", service="unknown"),
                             alert("3", "C"), alert("4", "D", kind="ci", source="ci"),
                             alert("5", "E", kind="blind", source="logs")])  # fmt: skip
    assert [d.action for d in decisions] == ["opened"] * 5


def test_nothing_joins_when_correlation_is_off(intake_with, crash, alert):
    intake = intake_with(correlate_s=0)
    assert [d.action for d in intake.take([crash("c"), alert("a")])] == ["opened", "opened"]


def test_alerts_of_a_dependant_join_what_it_depends_on_in_any_order(tmp_path, clock, crash, alert):
    topology = {"web": ("shop",), "app": ("shop",)}
    parts = [crash("c"), alert("w", "WebSlow", service="web"), alert("a", "AppSlow", service="app")]
    for number, order in enumerate(permutations(parts)):
        store = Store.open(tmp_path / f"{number}.db")
        intake = Intake(store, clock, Settings(topology=topology), lambda incident: None)
        said = [intake.take([signal])[0].reason for signal in order]
        assert any("depends on shop" in reason for reason in said)
        [incident] = [i for i in store.incidents.list(joined=True) if not i.joined]
        assert (incident.service, incident.signal.exception, incident.count) == ("shop", "KeyError", 3)
        assert len(groups(store)[incident.id]) == 3
        for gone in [i for i in store.incidents.list(joined=True) if i.joined]:
            assert (gone.joined, gone.state) == (incident.id, IncidentState.DISMISSED)
        store.close()


def test_crashes_of_a_dependant_and_alerts_of_others_do_not(intake_with, crash, alert):
    intake = intake_with(topology={"web": ("shop",)})
    decisions = intake.take([crash("c"), crash("d", "IndexError", service="web"), alert("x", service="other")])
    assert [d.action for d in decisions] == ["opened"] * 3


def test_a_mission_follows_the_cause_to_its_service(intake_with, store, crash, alert):
    intake = intake_with(topology={"web": ("shop",)})
    incident = intake.take([alert("w", service="web")])[0].incident
    store.missions.ensure(Mission(id="mis-w", incident=incident.id, service="web", stage=Stage.QUEUED))
    intake.take([crash("c")])
    assert store.incidents.get(incident.id).service == "shop" == store.missions.get("mis-w").service


def test_only_what_is_mended_counts_as_coming_back(intake, store, clock, crash, alert):
    incident = intake.take([crash("c")])[0].incident
    clock.advance(10)
    since = clock.now_ms()
    intake.take([alert("a")])
    assert store.incidents.occurrences_since(incident.id, since) == 0
    intake.take([crash("d")])
    assert store.incidents.occurrences_since(incident.id, since) == 1


def test_counts_of_folded_signals_add_up(intake, store, clock, crash):
    begun, ended = clock.now_ms() - 120_000, clock.now_ms() - 60_000
    incident = intake.take([crash("a", count=40, at_ms=begun, last_at_ms=ended), crash("b", count=2)])[0].incident
    found = store.incidents.get(incident.id)
    assert (found.count, found.first_at_ms, found.last_at_ms) == (42, begun, clock.now_ms())
    assert sum(n for _, n in store.incidents.buckets(incident.id)) == 42
