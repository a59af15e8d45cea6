"""Too much at once is counted in full, said once, and becomes neither incidents nor missions."""

from nightshift.daemon.intake.intake import Intake
from nightshift.daemon.intake.settings import Settings
from nightshift.daemon.model import Frame, IncidentState, Mission, Stage


def actions(decisions):
    return [d.action for d in decisions]


def distinct(crash, number, **values):
    frames = (Frame(path="/srv/shop/a.py", line=number, function=f"f{number}"),)
    return crash(f"d{number}", frames=frames, **values)


def test_a_storm_of_new_kinds_is_one_incident_that_explains_itself(intake_with, store, clock, crash, announced):
    intake = intake_with(max_new_incidents=5)
    seen = [d for n in range(0, 1000, 100) for d in intake.take([distinct(crash, m) for m in range(n, n + 100)])]
    assert actions(seen) == ["opened"] * 5 + ["storm"] * 995
    assert len(announced) == 5, "the storm itself gets no mission"
    assert len(store.incidents.list()) == 6
    [storm] = [i for i in store.incidents.list() if i.held == "storm"]
    assert storm.count == 995 and "more than 5 new kinds of incident in shop within 300 s" in storm.title
    assert len(store.ingest.facets_of([storm.id])) == 50
    assert [e.stage for e in store.journal.of("") if e.stage == "storm"] == ["storm"]
    assert intake.pending() != [] and all(i.held == "" for i in intake.pending())
    assert actions(intake.take([distinct(crash, 7777, service="web")])) == ["opened"]


def test_what_was_known_before_the_storm_is_counted_as_before(intake_with, clock, crash):
    intake = intake_with(max_new_incidents=2)
    first = intake.take([distinct(crash, n) for n in range(20)])[0].incident
    again = intake.take([crash("again", frames=first.signal.frames)])[0]
    assert (again.action, again.incident.id) == ("counted", first.id)


def test_a_storm_ends_when_it_is_over_and_the_next_kinds_are_incidents_again(intake_with, store, clock, crash):
    intake = intake_with(max_new_incidents=3)
    intake.take([distinct(crash, n) for n in range(10)])
    clock.advance(301)
    assert actions(intake.take([distinct(crash, 500)])) == ["storm"], "ten a window are still a storm"
    clock.advance(700)
    assert actions(intake.take([distinct(crash, 501)])) == ["opened"]
    assert intake.tidy() == 1
    assert [i.state for i in store.incidents.list() if i.held == "storm"] == [IncidentState.HEALED]


def test_storms_are_told_once_on_every_channel(store, clock, crash):
    settings = Settings(max_new_incidents=2, storm_rate=10)
    intake = Intake(store, clock, settings, lambda incident: None, channels=("file",))
    for number in range(50):
        intake.take([distinct(crash, number * 100 + n) for n in range(20)])
        clock.advance(0.5)
    titles = [notice.title for _, notice, _ in store.notices.waiting()]
    assert len(titles) == 2
    assert any("new kinds" in t for t in titles) and any("signals/s from logs of shop" in t for t in titles)


def test_missions_of_one_service_start_only_so_fast(intake_with, store, clock, crash, announced):
    intake = intake_with(max_missions=3)
    decisions = intake.take([distinct(crash, n) for n in range(5)])
    assert actions(decisions) == ["opened"] * 5 and len(announced) == 3
    assert "waits: 3 missions of shop began within 300 s" in decisions[4].reason
    for incident in announced:
        store.missions.ensure(Mission(id=f"m{incident.id}", incident=incident.id, service="shop", stage=Stage.QUEUED))
    assert intake.pending() == []
    clock.advance(301)
    assert len(intake.pending()) == 2 and len(announced) == 5


def test_a_storm_of_one_cause_keeps_a_few_samples_and_every_count(intake, store, clock, crash):
    for number in range(20):
        intake.take([crash(f"{number}-{n}", sample=f"sample {number}-{n} " + "x" * 5000) for n in range(100)])
        clock.advance(30)
    [incident] = store.incidents.list()
    kept = store.incidents.samples(incident.id)
    assert incident.count == 2000 == sum(n for _, n in store.incidents.buckets(incident.id))
    assert {"first", "last"} < {row["slot"] for row in kept} <= {"first", "last", *(f"s{n}" for n in range(8))}
    assert kept[0]["text"].startswith("sample 0-0 ") and all(len(row["text"]) <= 2048 for row in kept)
    assert len(store.incidents.buckets(incident.id)) == 10


def test_many_kinds_of_alerts_of_one_service_do_not_grow_an_incident_without_end(intake, store, clock, crash):
    alerts = [crash(f"a{n}", "", kind="alert", frames=(), title=f"Alert{'x' * n}") for n in range(150)]
    decisions = intake.take(alerts)
    assert set(actions(decisions)) == {"opened", "joined"}
    [incident] = store.incidents.list()
    assert incident.count == 150 and len(store.ingest.facets_of([incident.id])) == 100
