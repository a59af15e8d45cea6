"""One incident per cause, one count per observation, one announcement per incident; all or nothing on disk."""

import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from nightshift.daemon.intake.intake import Intake
from nightshift.daemon.intake.settings import Settings, Silence
from nightshift.daemon.kit.redact import MASK
from nightshift.daemon.model import Frame, IncidentState, Mission, Severity, Signal, Stage
from nightshift.daemon.store.store import Store


def actions(decisions):
    return [d.action for d in decisions]


def test_first_opens_next_counts_same_is_a_duplicate(intake, store, announced, crash):
    decisions = intake.take([crash(1), crash(2), crash(1), crash(9, "IndexError")], {"logs:x": "7"})
    assert actions(decisions) == ["opened", "counted", "duplicate", "opened"]
    assert all(d.reason for d in decisions)
    assert [i.count for i in announced] == [1, 1] and len(store.incidents.list()) == 2
    assert store.incidents.get(announced[0].id).count == 2
    assert store.offsets.all() == {"logs:x": "7"}
    assert actions(intake.take([crash(2)])) == ["duplicate"]


def test_it_is_a_sink_and_checkpoints_alone_are_saved(intake, store):
    assert intake([], {"logs:x": "1"}) is None and store.offsets.all() == {"logs:x": "1"}
    intake([])


def test_services_do_not_share_incidents(intake, announced, crash):
    intake.take([crash(1), crash(2, service="cart")])
    assert len({i.id for i in announced}) == 2 and len({i.fingerprint for i in announced}) == 1


def test_the_same_first_signal_gives_the_same_id(intake, crash, tmp_path, clock, announced):
    intake.take([crash(1)])
    other = Intake(Store.open(tmp_path / "other.db"), clock, Settings(), announced.append)
    other.take([crash(1)])
    assert announced[0].id == announced[1].id


@pytest.mark.parametrize("state", [IncidentState.HEALED, IncidentState.DISMISSED])
def test_stragglers_are_swallowed_and_a_recurrence_opens_a_new_incident_with_a_link(
    state, intake, store, clock, announced, crash
):
    first = intake.take([crash(1)])[0].incident
    store.incidents.set_state(first.id, state)
    clock.advance(299)
    assert actions(intake.take([crash(2)])) == ["cooling_down"]
    clock.advance(301)
    again = intake.take([crash(3)])[0]
    assert again.action == "opened" and again.incident.previous == first.id
    assert store.incidents.get(first.id).count == 2 and len(announced) == 2


def test_a_cool_down_ends_even_if_stragglers_never_do(intake, store, clock, crash):
    store.incidents.set_state(intake.take([crash(0)])[0].incident.id, IncidentState.HEALED)
    seen = []
    for number in range(1, 6):
        clock.advance(100)
        seen += actions(intake.take([crash(number)]))
    assert seen == ["cooling_down"] * 3 + ["opened", "counted"]


def test_what_was_dismissed_stays_so_while_it_keeps_happening(intake, store, clock, crash):
    store.incidents.set_state(intake.take([crash(0)])[0].incident.id, IncidentState.DISMISSED)
    for number in range(1, 6):
        clock.advance(200)
        assert actions(intake.take([crash(number)])) == ["cooling_down"]


def test_the_cool_down_starts_when_the_mission_ended(intake, store, clock, crash):
    incident = intake.take([crash(0)])[0].incident
    clock.advance(1000)
    ended = Mission(id="mis-1", incident=incident.id, service="shop", stage=Stage.HEALED, updated_at_ms=clock.now_ms())
    store.missions.ensure(ended)
    store.incidents.set_state(incident.id, IncidentState.HEALED)
    clock.advance(200)
    assert actions(intake.take([crash(1)])) == ["cooling_down"]
    clock.advance(200)
    assert actions(intake.take([crash(2)])) == ["opened"]


def test_what_was_escalated_is_only_counted(intake, store, clock, crash, announced):
    store.incidents.set_state(intake.take([crash(0)])[0].incident.id, IncidentState.ESCALATED)
    clock.advance(10_000)
    assert actions(intake.take([crash(1)])) == ["counted"] and len(announced) == 1


def test_a_threshold_holds_the_mission_back_until_it_is_reached(intake_with, announced, crash):
    intake = intake_with(min_count=3, min_counts={"eager": 1})
    assert actions(intake.take([crash(n) for n in range(4)])) == [*["below_threshold"] * 2, "opened", "counted"]
    assert actions(intake.take([crash(9, service="eager")])) == ["opened"]
    assert [i.count for i in announced] == [3, 1]


def test_silences_by_service_fingerprint_and_pattern_until_they_end(intake_with, clock, crash, store, announced):
    mark = intake_with().take([crash(0, service="probe")])[0].incident.fingerprint
    until = datetime.fromtimestamp(clock.now_ms() / 1000 + 60, UTC)
    rules = [Silence(service="a", until=until, reason="maintenance"), Silence(service="b", fingerprint=mark),
             Silence(service="c", regex="tea.$")]  # fmt: skip
    intake = intake_with(silences=rules)
    decisions = intake.take([crash(1, service="a"), crash(2, service="b"), crash(3, service="c"),
                             crash(4, "IndexError", service="b"),
                             crash(5, service="c", title="x", message="y")])  # fmt: skip
    assert actions(decisions) == ["silenced"] * 3 + ["opened"] * 2
    assert "maintenance" in decisions[0].reason and decisions[0].incident is None
    clock.advance(61)
    assert actions(intake.take([crash(1, service="a"), crash(6, service="a"), crash(7, service="b")])) == [
        "duplicate", "opened", "silenced",
    ]  # fmt: skip


def test_what_is_mild_is_silenced_and_how_mild_is_set(intake_with, crash):
    signals = [crash(n, severity=severity) for n, severity in enumerate(Severity)]
    assert actions(intake_with().take(signals)) == ["silenced", "opened", "counted", "counted"]
    strict = intake_with(min_severity="critical").take([crash(f"b{n}", severity=s) for n, s in enumerate(Severity)])
    assert actions(strict) == ["silenced"] * 3 + ["counted"] and "below" in strict[0].reason
    assert actions(intake_with(min_severity="info").take([crash("c", severity=Severity.INFO)])) == ["counted"]


def test_a_broken_pattern_is_told_when_settings_are_read():
    with pytest.raises(ValidationError, match="not a regular expression"):
        Silence(regex="(")


def alert(key, clock, **values):
    return Signal(key=key, source="prometheus", service="shop", title="Slow", at_ms=clock.now_ms(), kind="alert",
                  labels={"alertname": "Slow"}, **values)  # fmt: skip


def test_a_resolved_signal_closes_its_incident_once(intake, store, clock):
    opened = intake.take([alert("1", clock)])[0]
    done = intake.take([alert("2", clock, resolved=True), alert("2", clock, resolved=True)])
    assert actions(done) == ["resolved", "duplicate"] and done[0].incident.state is IncidentState.HEALED
    assert store.incidents.get(opened.incident.id).count == 1
    assert actions(intake.take([alert("3", clock, resolved=True), alert("4", clock)])) == ["ignored", "cooling_down"]
    assert [e.stage for e in store.journal.of("")] == ["open", "healed"]


def test_what_was_not_announced_is_announced_at_the_next_start(store, clock, crash, announced):
    def dies(incident):
        raise ConnectionError("the engine is away")

    broken = Intake(store, clock, Settings(), dies)
    lost = broken.take([crash(1)])[0].incident
    store.missions.ensure(Mission(id="mis-2", incident=broken.take([crash(2, "IndexError")])[0].incident.id,
                                  service="shop", stage=Stage.QUEUED))  # fmt: skip
    Intake(store, clock, Settings(min_counts={"quiet": 2}), dies).take([crash(3, service="quiet")])
    fresh = Intake(store, clock, Settings(min_counts={"quiet": 2}), announced.append)
    assert [i.id for i in fresh.pending()] == [lost.id] == [i.id for i in announced]


def test_all_or_nothing(intake, store, crash, announced):
    with pytest.raises(AttributeError):
        intake.take([crash(1), None], {"logs:x": "7"})
    with pytest.raises(Exception, match=r"(?i)error|bind|type"):
        intake.take([crash(2)], {"logs:x": object()})
    assert store.incidents.list() == [] and store.offsets.all() == {} and announced == []
    assert actions(intake.take([crash(1), crash(2)])) == ["opened", "counted"]


def test_a_source_with_an_absurd_clock_is_not_believed(intake, clock, crash):
    for key, at_ms in (("1", clock.now_ms() + 10**10), ("2", 0), ("3", -5)):
        intake.take([crash(key, at_ms=at_ms)])
    incident = intake.take([crash("4")])[0].incident
    assert incident.first_at_ms == incident.last_at_ms == clock.now_ms() and incident.count == 4


def test_nothing_secret_and_nothing_huge_is_written(intake, store, crash):
    token = "ghp_" + "a" * 36
    frames = (Frame(path="/srv/shop/cart.py", line=1, function="f", code=f"login('{token}')",
                    locals=(("password", "'hunter22'"), ("x", "y" * 9000), ("t", token))),) * 100  # fmt: skip
    labels = {"api_key": "hunter22", "request_path": f"/x?token={token}", **{f"l{n}": "v" for n in range(99)}}
    signal = crash(1, message=f"password=hunter22 {token}", title=f"bad {token}", frames=frames,
                   sample="z" * (16_384 - 20) + f" {token} " + "z" * 99_999,
                   labels=labels, severity=Severity.CRITICAL)  # fmt: skip
    kept = store.incidents.get(intake.take([signal])[0].incident.id).signal
    text = repr(kept)
    assert token not in text and "hunter22" not in text and "ghp_" not in text
    assert dict(kept.frames[0].locals)["password"] == f"'{MASK}'" and kept.labels["api_key"] == MASK
    assert len(kept.sample) <= 16_384 and len(kept.frames) == 64 and len(kept.labels) == 40
    assert max(len(v) for f in kept.frames for _, v in f.locals) <= 2048


def test_text_no_database_takes_is_made_storable(intake, store, crash):
    incident = intake.take([crash(1, message="a\0b\ud800", labels={"k\0": "\udfff"})])[0].incident
    assert store.incidents.get(incident.id).signal.message == "a\ufffdb?"


def test_many_monitors_at_once_lose_and_double_nothing(intake, store, announced, crash):
    def monitor(number):
        for batch in range(10):
            intake([crash(f"{number}-{batch}"), crash(f"shared-{batch}")], {f"logs:{number}": str(batch)})

    threads = [threading.Thread(target=monitor, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [i.count for i in store.incidents.list()] == [70] and len(announced) == 1
    assert store.offsets.all() == {f"logs:{n}": "9" for n in range(6)}


def test_an_expired_memory_of_a_signal_does_not_open_its_incident_twice(intake, store, clock, crash):
    first = intake.take([crash(1)])[0].incident
    store.incidents.set_state(first.id, IncidentState.HEALED)
    clock.advance(10_000)
    store.incidents.forget_signals(clock.now_ms())
    assert actions(intake.take([replace(crash(1), at_ms=clock.now_ms())])) == ["duplicate"]
