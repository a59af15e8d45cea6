"""Commands that read the store while no daemon runs."""

import json
import time

import pytest

from nightshift.daemon.model import Event, Frame, Incident, IncidentState, Mission, Severity, Signal, Stage
from nightshift.daemon.store.store import Store

NOW_MS = int(time.time() * 1000)
NASTY = "\x1b[2Jpassword=hunter22 [red]x"
DIFF = "--- a/cart.py\n+++ b/cart.py\n@@ -1 +1 @@\n-x = 1\n+x = 2\n"


def incident(name, state, at_ms, title="KeyError: 'x'"):
    frame = Frame(path="shop/cart.py", line=7, function="total", code="return x[0]")
    signal = Signal(key=name, source="logs", service="shop", title=title, at_ms=at_ms, frames=(frame,))
    return Incident(id=f"inc-{name}", fingerprint=name, service="shop", title=title, severity=Severity.ERROR, count=3,
                    state=state, first_at_ms=at_ms, last_at_ms=at_ms, signal=signal)  # fmt: skip


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "nightshift.yaml"
    path.write_text("state_dir: state\nhttp: {token: 'env:NOT_SET_HERE'}\nreports: {timezone: Asia/Shanghai}\n")
    return path


@pytest.fixture
def store(tmp_path, config):
    store = Store.open(tmp_path / "state" / "nightshift.db")
    store.incidents.add(incident("heal", IncidentState.HEALED, NOW_MS - 60_000))
    store.incidents.add(
        incident("old1", IncidentState.OPEN, NOW_MS - 3 * 86_400_000, "\x1b[2Jpassword=hunter22 [red]x")
    )
    mission = Mission(id="mis-heal", incident="inc-heal", service="shop", stage=Stage.HEALED, reason="quiet",
                      started_at_ms=NOW_MS - 60_000, updated_at_ms=NOW_MS)  # fmt: skip
    store.missions.ensure(mission)
    patch = {"diff": DIFF, "fixer": "revert", "rationale": "back", "files": ["cart.py"], "kind": "revert"}
    gate = {"gate": "green", "judgement": "accepted", "reason": "3 of 3", "duration_s": 0.5}
    verdict = {"judgement": "accepted", "patch": patch, "gates": [gate], "failed": "", "reason": ""}
    for stage, data in (("judging", {"verdict": verdict}), ("healed", {})):
        store.journal.append(
            Event(at_ms=NOW_MS, mission="mis-heal", stage=stage, actor="m", reason="said so", data=data)
        )
    yield store
    store.close()


def test_incidents_as_a_table(nightshift, store):
    ran = nightshift("incidents")
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0].split()[:3] == ["ID", "STATE", "STAGE"]
    assert lines[1].startswith("inc-heal")
    assert "[red]x" in lines[2]
    assert "hunter22" not in ran.out
    assert "\x1b" not in ran.out


def test_incidents_as_json_filtered(nightshift, store):
    rows = json.loads(nightshift("incidents", "--json", "--state", "healed").out)
    assert [row["id"] for row in rows] == ["inc-heal"]
    assert rows[0]["mission"]["stage"] == "healed"
    assert [row["id"] for row in json.loads(nightshift("incidents", "--json", "--since", "24h").out)] == ["inc-heal"]
    assert len(json.loads(nightshift("incidents", "--json", "--since", "1w").out)) == 2


def test_a_wrong_period_is_told(nightshift, store):
    ran = nightshift("incidents", "--since", "yesterday")
    assert (ran.code, ran.err) == (2, "'yesterday' is no period; write for example 24h, 90m, 7d or 2w\n")


@pytest.mark.parametrize("name", ["inc-heal", "inc-h", "mis-heal", "mis-h"])
def test_show_finds_by_either_id_and_prefix(nightshift, store, name):
    ran = nightshift("show", name)
    assert ran.code == 0
    for part in (
        "inc-heal",
        "mis-heal: healed: quiet",
        "shop/cart.py:7 in total",
        "green: 3 of 3",
        "+x = 2",
        "m: said so",
    ):
        assert part in ran.out


def test_show_as_json(nightshift, store):
    found = json.loads(nightshift("show", "inc-heal", "--json").out)
    assert found["diff"] == DIFF
    assert [event["stage"] for event in found["journal"]] == ["judging", "healed"]


@pytest.mark.parametrize("name", ["inc-", "nope", "inc-old2"])
def test_show_of_nothing_or_of_many_is_no(nightshift, store, name):
    ran = nightshift("show", name)
    assert (ran.code, ran.out) == (1, "")
    assert f"no single incident or mission '{name}'" in ran.err


@pytest.mark.parametrize("how", ["terminal", "markdown", "html", "json"])
def test_report_in_every_format(nightshift, store, how):
    ran = nightshift("report", "--format", how)
    assert (ran.code, ran.err) == (0, "")
    assert "x = 2" in ran.out
    assert ("<html" in ran.out) == (how == "html")
    if how == "json":
        assert json.loads(ran.out)["totals"]["incidents"] == 1


def test_report_of_a_day_uses_the_configured_zone(nightshift, store):
    data = json.loads(nightshift("report", "--date", "2026-01-31", "--json").out)
    assert (data["from_ms"], data["to_ms"]) == (1_769_788_800_000, 1_769_875_200_000)
    assert data["totals"]["incidents"] == 0


def test_report_refuses_what_it_can_not_read(nightshift, store):
    assert "is no date" in nightshift("report", "--date", "31.1.").err
    assert "not both" in nightshift("report", "--date", "2026-01-31", "--since", "1d").err


def test_before_the_first_run_reading_creates_nothing(nightshift, config):
    ran = nightshift("incidents")
    assert (ran.code, ran.out) == (0, "no incidents: the daemon has not run with this configuration yet\n")
    assert json.loads(nightshift("incidents", "--json").out) == []
    assert nightshift("show", "inc-heal").code == 1
    assert nightshift("report").code == 1
    assert not (config.parent / "state").exists()


def test_a_store_that_is_no_database_is_told(nightshift, config):
    (config.parent / "state").mkdir()
    (config.parent / "state" / "nightshift.db").write_text("this is not a database, whatever it is called" * 50)
    ran = nightshift("incidents")
    assert (ran.code, ran.out) == (3, "")
    assert "the store can't be used: " in ran.err
    assert "not a database" in ran.err


def test_without_a_configuration_it_says_where_it_looked(nightshift):
    ran = nightshift("incidents")
    assert ran.code == 2
    assert "nightshift init" in ran.err


def test_every_line_of_a_wrong_configuration_is_printed(nightshift, config):
    config.write_text("a: 1\nb: 2\n")
    ran = nightshift("incidents", "-c", config)
    assert (ran.code, ran.out) == (2, "")
    assert [line.split(": ")[0] for line in ran.err.splitlines()] == [f"{config}:1", f"{config}:2"]


@pytest.mark.parametrize("verb", ["approve", "reject", "pause", "resume"])
def test_verbs_say_what_to_do_when_no_daemon_runs(nightshift, tmp_path, verb):
    (tmp_path / "nightshift.yaml").write_text("http: {port: 1}\n")
    ran = nightshift(verb, "mis-heal")
    assert ran.code == 3
    assert "does not answer at http://127.0.0.1:1: start it with 'nightshift run'" in ran.err


def test_the_schema_is_json_schema(nightshift):
    assert json.loads(nightshift("schema").out)["properties"]["services"]["items"] == {
        "$ref": "#/$defs/ServiceSettings"
    }


@pytest.fixture
def busy(store):
    """A crash with an alert that joined it, and a known error, by a real intake."""
    from nightshift.daemon.intake.intake import Intake
    from nightshift.daemon.intake.settings import Known, Settings
    from nightshift.daemon.kit.clock import ManualClock

    known = Known(regex="flaky", reason="the feed", ticket="OPS-7")
    intake = Intake(store, ManualClock(NOW_MS), Settings(known=[known]), lambda incident: None)
    begun_ms = NOW_MS // 60_000 * 60_000 - 300_000
    frames = (Frame(path="/srv/pay/a.py", line=3, function="charge"),)
    crash = Signal(key="c", source="logs:app", service="pay", title="IndexError: charge", exception="IndexError",
                   at_ms=begun_ms, frames=frames, sample="Traceback\n  the sample",
                   severity=Severity.CRITICAL)  # fmt: skip
    alert = Signal(key="a", source="prometheus", service="pay", title="Slow", kind="alert", at_ms=begun_ms + 130_000,
                   labels={"alertname": "Slow"})  # fmt: skip
    feed = Signal(key="f", source="logs:app", service="web", title="flaky feed", kind="error", at_ms=NOW_MS)
    return [d.incident.id for d in intake.take([crash, alert, feed])]


@pytest.mark.parametrize(
    ("options", "services"),
    [
        (["--service", "pay"], ["pay"]),
        (["--severity", "critical"], ["pay"]),
        (["--source", "prometheus"], ["pay"]),
        (["--kind", "error"], ["web"]),
        (["--grep", "THE SAMPLE"], ["pay"]),
        (["--grep", "100%_"], []),
        (["--sort", "severity", "--limit", "1"], ["pay"]),
        (["--sort", "count", "--limit", "2"], ["shop", "shop"]),
        (["--until", "1d"], ["shop"]),
        (["--since", "1h", "--state", "open"], ["web", "pay"]),
    ],
)
def test_incidents_are_asked_for_by_what_is_in_them(nightshift, busy, options, services):
    rows = json.loads(nightshift("incidents", "--json", *options).out)
    assert [row["service"] for row in rows] == services


def test_incidents_are_found_by_the_fingerprint_that_show_prints(nightshift, busy):
    mark = json.loads(nightshift("show", busy[0], "--json").out)["incident"]["fingerprint"]
    assert [row["id"] for row in json.loads(nightshift("incidents", "--json", "--fingerprint", mark).out)] == [busy[0]]


def test_show_tells_what_belongs_together_and_why(nightshift, busy):
    ran = nightshift("show", busy[0])
    for part in ("pay prometheus alert: Slow", "joined because of the same service pay, 130 s apart", "it came first",
                 "Traceback (+1 lines)", "1  joined: ", "1  opened: seen for the first time", "█·█"):  # fmt: skip
        assert part in ran.out
    known = nightshift("show", busy[2]).out
    assert "no mission: a known error: no mission" in known and "the feed (OPS-7)" in known


def test_the_list_draws_activity(nightshift, busy):
    assert "█·█" in nightshift("incidents", "--service", "pay").out


def test_show_of_a_service_tells_of_signals_that_began_nothing(nightshift, store):
    from nightshift.daemon.intake.intake import Intake
    from nightshift.daemon.intake.settings import Settings
    from nightshift.daemon.kit.clock import ManualClock

    mild = Signal(key="m", source="logs", service="pay", title="x", at_ms=NOW_MS, kind="error", severity=Severity.INFO)
    Intake(store, ManualClock(NOW_MS), Settings(), lambda incident: None).take([mild])
    assert "1  silenced: info is below" in nightshift("show", "service:pay").out
    assert json.loads(nightshift("show", "service:pay", "--json").out)[0]["action"] == "silenced"
    assert nightshift("show", "service:none").out == "no such signals\n"


def held(store, table, **more):
    data = {"tournament": {"version": 1, "table": table, **more}}
    store.journal.append(
        Event(at_ms=NOW_MS, mission="mis-heal", stage="judging", actor="arbiter", reason="best of 2", data=data)
    )


def test_show_prints_who_competed(nightshift, store):
    row = {"round": 1, "patch": "patch-a", "creator": "templates", "kind": "constant", "rank": 1, "score": 0.5,
           "judgement": "accepted", "failed": "", "reason": "every gate passed", "gates": [], "cluster": 2,
           "refuted": "f(2) is 3, not 4"}  # fmt: skip
    held(store, [row, {**row, "round": 2, "refuted": "", "cluster": 1}])
    said = nightshift("show", "mis-heal").out
    first, second = [line.split() for line in said.partition("tournament\n")[2].splitlines()[1:3]]
    assert first[:7] == ["1", "templates", "1", "0.5", "constant", "refuted", "2"]
    assert second[:7] == ["2", "templates", "1", "0.5", "constant", "accepted", "1"]
    assert "f(2) is 3, not 4" in said
    found = json.loads(nightshift("show", "mis-heal", "--json").out)
    assert [r["round"] for r in found["tournament"]] == [1, 2]


@pytest.mark.parametrize(("args", "status", "said"), [
    (("mis-heal",), 1, "mis-heal held no tournament: quiet"),
    (("mis-nobody",), 1, "no single incident or mission 'mis-nobody'"),
])  # fmt: skip
def test_what_held_no_tournament_cannot_be_replayed(nightshift, store, args, status, said):
    ran = nightshift("replay", *args)
    assert (ran.code, ran.out) == (status, "")
    assert said in ran.err


def test_a_record_that_cannot_be_read_is_told_in_one_line(nightshift, store):
    held(store, [], case={})
    ran = nightshift("replay", "inc-heal")
    assert (ran.code, ran.out) == (2, "")
    assert len(ran.err.splitlines()) == 1


def test_replay_before_the_daemon_ever_ran(nightshift, config):
    ran = nightshift("replay", "mis-heal")
    assert (ran.code, ran.out) == (1, "")
    assert "has never run" in ran.err
