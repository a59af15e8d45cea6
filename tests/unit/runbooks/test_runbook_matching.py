"""Which books a signal gets, and what its labels may say."""

import json

import pytest

from nightshift.daemon.model import Signal
from nightshift.runbooks.errors import BookError
from nightshift.runbooks.load import load_books, parse_book
from nightshift.runbooks.matching import by_promql_alone, match, told
from nightshift.runbooks.parameters import bind


def book(name, parameters=None, **wanted):
    step = {"name": "s", "action": "notify", "with": {"title": "x"}}
    data = {"name": name, "description": "d", "match": wanted, "parameters": parameters or {}, "steps": [step]}
    return parse_book(json.dumps(data))


def signal(**more):
    given = {"key": "k", "source": "s", "service": "shop", "title": "t", "at_ms": 1, "kind": "alert"} | more
    return Signal(**given)


def names(books, found, ask=lambda _: False):
    return [b.name for b in match({b.name: b for b in books}, found, ask)]


@pytest.mark.parametrize(
    "url",
    [
        "restart",
        "https://wiki/x/restart",
        "https://wiki/x/restart.md#how",
        "https://wiki/restart.html?v=2",
        "a/../restart",
    ],
)
def test_a_label_names_a_book(url):
    assert names([book("restart"), book("other", kind="alert")], signal(labels={"runbook_url": url})) == [
        "restart",
        "other",
    ]
    assert names([book("restart")], signal(labels={"runbook": url})) == ["restart"]


@pytest.mark.parametrize(
    "url", ["", "https://wiki/", "restart2", "../../etc/passwd", "https://restart/", "http://[restart"]
)
def test_what_names_none(url):
    assert names([book("restart"), book("passwd2")], signal(labels={"runbook_url": url})) == []


def test_all_that_is_asked_for_must_hold_and_the_most_particular_comes_first():
    books = [book("a", kind="oom"), book("b", kind="oom", service="shop"), book("c", kind="oom", labels={"x": "1"}),
             book("d", regex="disk .* full"), book("e", exception="MemoryError")]  # fmt: skip
    assert names(books, signal(kind="oom")) == ["b", "a"]
    assert names(books, signal(kind="oom", labels={"x": "1"}, service="other")) == ["c", "a"]
    assert names(books, signal(message="disk sda full")) == ["d"]
    assert names(books, signal(exception="builtins.MemoryError")) == ["e"]


def test_promql_is_asked_last_and_alone_it_waits_for_no_signal():
    asked = []

    def ask(promql):
        asked.append(promql)
        return promql == "yes"

    books = [book("a", kind="oom", promql="yes"), book("b", kind="oom", promql="no"), book("c", promql="yes"),
             book("d", kind="alert", promql="yes")]  # fmt: skip
    assert names(books, signal(kind="oom"), ask) == ["a"]
    assert asked == ["yes", "no"]
    assert [b.name for b in books if by_promql_alone(b)] == ["c"]


def test_labels_give_parameters_and_are_checked():
    made = book("a", {"name": {"label": "workload"}, "service": {}, "grace": {"type": "integer", "default": 3}})
    given = told(made, signal(labels={"workload": "web", "name": "other", "extra": "x"}))
    assert bind(made, given) == {"name": "web", "service": "shop", "grace": 3}
    for hostile in ("web; reboot", "$(id)", "`id`", "a\nb", "${{ params.x }}", "x" * 1001, "a|b", "'", '"'):
        with pytest.raises(BookError):
            bind(made, told(made, signal(labels={"workload": hostile})))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"kind": "crash_loop", "labels": {"namespace": "prod", "workload": "shop"}}, "crash-loop-undo"),
        ({"kind": "oom", "labels": {"namespace": "prod", "workload": "shop", "container": "web"}}, "out-of-memory"),
        ({"kind": "rollout", "labels": {"namespace": "prod", "workload": "shop"}}, "stuck-rollout"),
        ({"kind": "node", "labels": {"node": "n1"}}, "node-pressure"),
        ({"kind": "unhealthy", "labels": {"container": "web"}}, "failing-probe"),
        ({"message": "FATAL: sorry, too many clients already"}, "connection-pool-exhaustion"),
        ({"labels": {"alertname": "DiskFull", "folder": "/var/log"}}, "disk-full"),
        ({"labels": {"alertname": "QueueBacklog", "workload": "w", "queue": "q"}}, "queue-backlog"),
        ({"labels": {"alertname": "CertificateExpiry", "host": "a.b"}}, "certificate-expiry"),
        ({"kind": "config", "labels": {"namespace": "prod", "workload": "shop", "configmap": "c"}}, "bad-config-map"),
    ],
)
def test_the_shipped_books_know_their_signals(found, expected):
    assert expected in [b.name for b in match(load_books(), signal(**found))]
