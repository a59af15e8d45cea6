"""The JSON half: what it answers, and that a refusal has no effect."""

import sqlite3

import pytest

from nightshift.daemon.model import Health


def problem(answer, status):
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error", "fix"}
    return answer.json()["error"]


def test_health_and_readiness(client, api):
    assert client.get("/healthz").json()["status"] == "ok"
    assert client.get("/readyz").json()["ready"] is True
    api.rows = (Health(ok=False, what="engine", detail="gone", fix="start it"),)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"][0]["detail"] == "gone"
    assert client.get("/healthz").status_code == 200


def test_incidents_are_listed_with_their_missions_and_without_secrets(client):
    rows = client.get("/api/incidents").json()["incidents"]
    assert {row["id"] for row in rows} == {"inc-wait", "inc-runs", "inc-fine", "inc-hard"}
    assert {row["mission"]["id"] for row in rows} == {"mis-wait", "mis-runs", "mis-fine", "mis-hard"}
    assert "hunter22" not in str(rows)
    healed = client.get("/api/incidents", params={"state": "healed"}).json()["incidents"]
    assert [row["id"] for row in healed] == ["inc-fine"]


def test_one_incident_carries_everything(client):
    found = client.get("/api/incidents/inc-wait").json()
    assert found["mission"]["id"] == "mis-wait"
    assert [event["stage"] for event in found["journal"]] == ["queued", "drafting", "judging", "awaiting_approval"]
    assert found["verdict"]["gates"][0]["gate"] == "green"
    assert found["diff"].endswith("+x = 2\n")


def test_missions_open_or_all(client):
    assert len(client.get("/api/missions").json()["missions"]) == 4
    still = client.get("/api/missions", params={"open": "true"}).json()["missions"]
    assert {row["id"] for row in still} == {"mis-wait", "mis-runs"}
    assert client.get("/api/missions/mis-wait").json()["incident"]["id"] == "inc-wait"


@pytest.mark.parametrize("path", ["/api/incidents/nope", "/api/missions/nope", "/api/runs/nope", "/nowhere"])
def test_what_is_not_there_is_404_in_the_same_shape(client, path):
    problem(client.get(path), 404)


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": "x"}, {"state": "odd"}])
def test_wrong_queries_say_what_is_wrong(client, query):
    assert next(iter(query)) in problem(client.get("/api/incidents", params=query), 422)


@pytest.mark.parametrize("verb", ["approve", "reject", "pause"])
def test_verbs_reach_the_mission_with_actor_and_reason(client, api, bearer, verb):
    answer = client.post(
        f"/api/missions/mis-wait/{verb}", headers=bearer, json={"actor": "ada", "reason": "looks right"}
    )
    assert answer.status_code == 202
    assert answer.json() == {"mission": "mis-wait", "verb": verb}
    assert api.said == [("mis-wait", verb, "ada", "looks right")]


def test_an_incidents_id_is_good_enough(client, api, bearer):
    assert client.post("/api/missions/inc-wait/approve", headers=bearer).status_code == 202
    assert api.said == [("mis-wait", "approve", "http", "")]


@pytest.mark.parametrize(
    "headers",
    [{}]
    + [{"authorization": text} for text in ("Bearer wrong", "Basic a-token-of-the-tests", "Bearer ", b"Bearer \xff")],
)
@pytest.mark.parametrize("path", ["/api/missions/mis-wait/approve", "/api/runbooks/restart/runs"])
def test_without_the_token_nothing_happens(client, api, headers, path):
    answer = client.post(path, headers=headers, json={})
    problem(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"
    assert (api.said, api.runs) == ([], {})


def test_without_a_configured_token_nothing_can_be_changed_and_the_answer_says_why(api, client_of):
    api.token = None
    answer = client_of(api).post("/api/missions/mis-wait/approve", headers={"authorization": "Bearer "})
    assert "no token is configured" in problem(answer, 403)
    assert "http.token" in answer.json()["fix"]
    assert api.said == []


def test_missions_that_do_not_run_or_refuse(client, bearer):
    assert "not running" in problem(client.post("/api/missions/mis-fine/approve", headers=bearer), 404)
    problem(client.post("/api/missions/nope/approve", headers=bearer), 404)
    assert "why" in problem(client.post("/api/missions/mis-wait/resume", headers=bearer), 409)
    problem(client.post("/api/missions/mis-wait/explode", headers=bearer), 422)
    problem(client.post("/api/missions/mis-wait/approve", headers=bearer, json={"aktor": "x"}), 422)
    problem(client.post("/api/missions/mis-wait/approve", headers=bearer, content=b"{"), 422)


def test_runbooks_are_listed_started_and_looked_up(client, api, bearer):
    assert client.get("/api/runbooks").json()["runbooks"][0]["name"] == "restart"
    body = {"params": {"container": "shop"}, "dry_run": True, "actor": "ada"}
    answer = client.post("/api/runbooks/restart/runs", headers=bearer, json=body)
    assert (answer.status_code, answer.json()) == (202, {"run": "run-1", "dry_run": True})
    assert api.runs["run-1"]["actor"] == "ada"
    assert client.get("/api/runs/run-1").json()["params"] == {"container": "shop"}
    problem(client.post("/api/runbooks/nope/runs", headers=bearer), 404)
    assert "container" in problem(client.post("/api/runbooks/restart/runs", headers=bearer), 422)


def test_a_broken_store_is_503_on_every_read(client, store):
    store.database.engine.dispose()
    with sqlite3.connect(str(store.database.engine.url.database)) as raw:
        raw.execute("ALTER TABLE incidents RENAME TO lost")
    problem(client.get("/api/incidents"), 503)
    assert client.get("/healthz").status_code == 200


def test_metrics_count_what_the_store_holds(client):
    text = client.get("/metrics").text
    for line in (
        'nightshift_incidents_total{service="shop"} 4.0',
        'nightshift_missions{stage="awaiting_approval"} 1.0',
        'nightshift_missions{stage="merging"} 0.0',
        'nightshift_candidates_total{fixer="revert"} 2.0',
        'nightshift_verdicts_total{judgement="accepted"} 1.0',
        'nightshift_stage_duration_seconds_sum{stage="drafting"} 2.5',
        'nightshift_stage_duration_seconds_count{stage="drafting"} 1.0',
    ):
        assert line in text
    assert "process_resident_memory_bytes" in text
    assert client.get("/metrics").text.count('nightshift_candidates_total{fixer="revert"} 2.0') == 1


def test_the_routes_describe_themselves(client):
    paths = client.get("/api/openapi.json").json()["paths"]
    assert "/api/missions/{name}/{verb}" in paths
    assert "/" not in paths


def test_incidents_come_in_pages(client):
    seen, after = [], ""
    for _ in range(4):
        page = client.get("/api/incidents", params={"limit": 1, "sort": "first", "after": after}).json()
        seen += [row["id"] for row in page["incidents"]]
        after = page["next"]
    assert sorted(seen) == ["inc-fine", "inc-hard", "inc-runs", "inc-wait"] and after == ""


@pytest.mark.parametrize("query", [{"after": "x"}, {"after": "1"}, {"after": "-1.inc"}, {"sort": "odd"}, {"odd": "1"}])
def test_wrong_pages_and_filters_are_refused(client, query):
    problem(client.get("/api/incidents", params=query), 422)


def test_incidents_are_filtered_by_what_is_in_them(client):
    for query, expected in (({"source": "logs"}, 4), ({"kind": "crash", "service": "shop"}, 4), ({"kind": "oom"}, 0),
                            ({"fingerprint": "wait"}, 1), ({"grep": "keyerror"}, 3),
                            ({"severity": "info"}, 0)):  # fmt: skip
        assert len(client.get("/api/incidents", params=query).json()["incidents"]) == expected, query
    found = client.get("/api/incidents/inc-wait").json()
    assert found["facets"][0]["title"] == "KeyError: 'x'" and found["samples"] == [] and found["successors"] == []


def test_decisions_of_a_service_can_be_read(client, api):
    row = {"subject": "service:shop", "action": "silenced", "count": 2, "reason": "password=hunter22", "at_ms": 5}
    api.store.ingest.add("decisions", [row])
    [found] = client.get("/api/services/shop/decisions").json()["decisions"]
    assert (found["action"], found["count"]) == ("silenced", 2) and "hunter22" not in found["reason"]
