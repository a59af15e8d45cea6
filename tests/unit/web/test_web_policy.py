"""The kill switch and the rules over HTTP."""

import pytest


def test_a_stop_needs_the_token_and_holds_until_it_is_released(client, bearer, store):
    assert client.get("/api/stop").json() == {"stopped": False, "reason": ""}
    for method in ("POST", "DELETE"):
        assert client.request(method, "/api/stop").status_code == 401
    assert store.switches.thrown() is None
    said = {"actor": "ada", "reason": "password=hunter2222 leaked"}
    answer = client.post("/api/stop", headers=bearer, json=said)
    assert (answer.status_code, answer.json()["stopped"]) == (200, True)
    assert "ada" in answer.json()["reason"] and "hunter2222" not in answer.text
    assert store.switches.thrown().actor == "ada"
    assert client.get("/api/stop").json()["stopped"]
    assert client.request("DELETE", "/api/stop", headers=bearer).json() == {"stopped": False, "reason": ""}
    assert store.switches.thrown() is None


def test_thrown_twice_the_last_word_counts_and_released_once_it_is_over(client, bearer, store):
    for actor in ("ada", "bob"):
        client.post("/api/stop", headers=bearer, json={"actor": actor})
    assert store.switches.thrown().actor == "bob"
    client.request("DELETE", "/api/stop", headers=bearer)
    assert not client.get("/api/stop").json()["stopped"]


@pytest.mark.parametrize("name", ["mis-wait", "inc-wait"])
def test_the_rules_of_a_mission(client, name):
    answer = client.get(f"/api/missions/{name}/policy")
    assert answer.status_code == 200
    assert answer.json()["mission"] == "mis-wait"
    assert answer.json()["rules"][0].keys() == {"rule", "limit", "allowed", "reason"}


def test_no_rules_of_what_is_not_there(client):
    assert client.get("/api/missions/nope/policy").status_code == 404
