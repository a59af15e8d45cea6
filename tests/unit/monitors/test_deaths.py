"""Reading deaths out of pod statuses: each death has one ordinal, whichever state of the pod shows it."""

import pytest

from nightshift.monitors.deaths import deaths_of, service_of, unix_ms

KILLED = {"reason": "OOMKilled", "exitCode": 137, "finishedAt": "2026-01-02T03:04:05Z"}
ERROR = {"reason": "Error", "exitCode": 1, "finishedAt": "2026-01-02T03:04:05Z"}


def pod(state, last=None, restarts=0, **status):
    row = {"name": "app", "restartCount": restarts, "state": state, "lastState": {"terminated": last} if last else {}}
    meta = {"name": "shop-1", "uid": "u1", "namespace": "prod", "labels": {"app": "shop"}}
    return {"metadata": meta, "status": {"containerStatuses": [row], **status}}


@pytest.mark.parametrize(
    ("shown", "gone"),
    [
        (pod({"terminated": KILLED}), False),
        (pod({"waiting": {"reason": "CrashLoopBackOff"}}, KILLED), True),
        (pod({"running": {}}, KILLED, restarts=1), True),
    ],
)
def test_the_first_death_is_number_one_in_every_state(shown, gone):
    [death] = deaths_of(shown)
    assert (death.ordinal, death.oom, death.exit_code, death.gone) == (1, True, 137, gone)
    assert death.at_ms == 1_767_323_045_000


def test_the_second_death_is_number_two_in_every_state():
    shown = [
        pod({"terminated": ERROR}, ERROR, restarts=1),
        pod({"waiting": {"reason": "CrashLoopBackOff"}}, ERROR, restarts=1),
        pod({"running": {}}, ERROR, restarts=2),
    ]
    assert [deaths_of(p)[0].ordinal for p in shown] == [2, 2, 2]
    assert [deaths_of(p)[0].looping for p in shown] == [False, True, False]


@pytest.mark.parametrize(
    "quiet",
    [{}, {"metadata": {}}, {"status": None}, pod({"running": {}}), pod({"waiting": {"reason": "ContainerCreating"}})],
)
def test_nothing_died(quiet):
    assert deaths_of(quiet) == []


def test_init_containers_die_too():
    shown = pod({"running": {}})
    shown["status"]["initContainerStatuses"] = [{"name": "migrate", "state": {"terminated": ERROR}}]
    assert [d.container for d in deaths_of(shown)] == ["migrate"]


@pytest.mark.parametrize("stamp", [None, "", "0001-01-01T00:00:00Z", "yesterday", 7])
def test_no_time_is_zero(stamp):
    assert unix_ms(stamp) == 0


def test_nanoseconds_are_read():
    assert unix_ms("2026-01-02T03:04:05.123456789Z") == 1_767_323_045_123


def test_service_names():
    wanted = ("app.kubernetes.io/name", "app")
    assert service_of({"app": "a", "app.kubernetes.io/name": "b"}, wanted, {}, "c") == "b"
    assert service_of({"app": "a"}, wanted, {"a": "shop"}, "c") == "shop"
    assert service_of({}, wanted, {}, "c") == "c"
