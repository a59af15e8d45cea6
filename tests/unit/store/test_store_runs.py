"""Runs of runbooks: who may begin when, and what steps left."""

import threading

from nightshift.daemon.store.runs import BookRun
from nightshift.daemon.store.store import Store


def made(name, book="restart", target="", **more):
    return BookRun(id=name, book=book, definition={"name": book}, params={"a": 1}, target=target, made_ms=1, **more)


def test_a_cool_down_is_read_from_history_and_survives_a_restart(tmp_path):
    store = Store.open(tmp_path / "a.db")
    for name in ("run-a", "run-b", "run-c", "run-d"):
        store.runs.ensure(made(name))
    assert store.runs.begin("run-a", 1_000_000, person="ada", cool_down_ms=60_000) is None
    store.close()
    store = Store.open(tmp_path / "a.db")
    assert store.runs.begin("run-b", 1_059_999, person="", cool_down_ms=60_000) == 1_000_000
    assert store.runs.get("run-b").began_ms == 0
    assert store.runs.begin("run-a", 1_059_999, person="", cool_down_ms=60_000) is None, "it has begun already"
    assert store.runs.begin("run-c", 1_060_000, person="", cool_down_ms=60_000) is None
    assert store.runs.get("run-a").person == "ada"
    store.close()


def test_targets_cool_down_by_themselves_and_a_person_may_insist(store: Store):
    store.runs.ensure(made("run-a", target="container=web"))
    store.runs.ensure(made("run-b", target="container=db"))
    store.runs.ensure(made("run-c", target="container=web", forced=True))
    for name in ("run-a", "run-b", "run-c"):
        assert store.runs.begin(name, 1000, person="", cool_down_ms=60_000) is None


def test_of_many_that_want_to_begin_at_once_one_does(store: Store):
    for at in range(8):
        store.runs.ensure(made(f"run-{at}"))
    allowed, gate = [], threading.Barrier(8)

    def begin(at):
        gate.wait()
        if store.runs.begin(f"run-{at}", 5000 + at, person="", cool_down_ms=60_000) is None:
            allowed.append(at)

    threads = [threading.Thread(target=begin, args=(at,)) for at in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(allowed) == 1


def test_what_steps_left_is_kept_by_key_and_forgotten_later(store: Store):
    store.runs.ensure(made("run-a"))
    assert store.runs.ensure(made("run-a", book="other")).book == "restart"
    store.runs.put("run-a", "steps/x", {"evidence": {}})
    store.runs.put("run-a", "steps/x", {"evidence": {}, "result": 1})
    store.runs.put("run-a/steps/y", "#run", {"book": "inner"})
    assert store.runs.entries("run-a") == {"steps/x": {"evidence": {}, "result": 1}}
    assert store.runs.forget(10**15) == 0, "it is not over"
    store.runs.finish("run-a", "done", {"status": "done"})
    assert store.runs.forget(10**15) == 2
    assert store.runs.get("run-a").result == {"status": "done"}
    assert [run.id for run in store.runs.list(book="restart")] == ["run-a"]
