"""What every record of runs owes the runner: in memory, in files, in the store."""

import threading

import pytest

from nightshift.daemon.missions.operations import StoreRecord
from nightshift.daemon.ports import EnvironmentBroke, Refused
from nightshift.daemon.store.store import Store
from nightshift.runbooks.records import MemoryRecord
from nightshift.runbooks.testing import FileRecord


@pytest.fixture(params=["memory", "file", "store"])
def record(request, tmp_path):
    if request.param == "store":
        store = Store.open(tmp_path / "a.db")
        yield StoreRecord(store)
        store.close()
    else:
        yield MemoryRecord() if request.param == "memory" else FileRecord(tmp_path / "runs")


def test_what_is_saved_is_there_and_is_plain_json(record):
    assert record.load("k") == {}
    with record.hold("k"):
        record.save("k", "steps/a", {"evidence": {"n": 1}})
        record.save("k", "steps/a", {"evidence": {"n": 1}, "result": {"list": (1, 2)}})
        record.save("k", "steps/b[0]", {"text": "é\u2028 ${{ x }}"})
    found = record.load("k")
    assert found == {
        "steps/a": {"evidence": {"n": 1}, "result": {"list": [1, 2]}},
        "steps/b[0]": {"text": "é\u2028 ${{ x }}"},
    }
    found["steps/a"]["evidence"]["n"] = 2
    assert record.load("k")["steps/a"]["evidence"]["n"] == 1, "a copy"
    assert record.load("k/steps/a") == {}, "keys are whole"


def test_one_key_is_held_once(record):
    with record.hold("k"):
        with pytest.raises(Refused, match="going on already"), record.hold("k"):
            pass
        with record.hold("other"):
            pass
    with record.hold("k"):
        pass


def test_keys_of_inner_books_are_long(record):
    key = "run-aaaaaaaaaaaa" + "/steps/" + "/steps/".join(["n" * 63 + "[999]"] * 4)
    record.save(key, "steps/x", {"a": 1})
    assert record.load(key) == {"steps/x": {"a": 1}}


def test_many_threads_save_under_their_own_keys(record):
    def save(at):
        for turn in range(5):
            record.save(f"k{at}", f"steps/{turn}", {"at": at})

    threads = [threading.Thread(target=save, args=(at,)) for at in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(len(record.load(f"k{at}")) == 5 for at in range(6))


def test_a_record_that_can_not_be_kept_is_the_world_s_fault(tmp_path):
    (tmp_path / "runs").write_text("in the way")
    with pytest.raises(EnvironmentBroke):
        FileRecord(tmp_path / "runs").save("k", "a", {})
    store = Store.open(tmp_path / "a.db")
    with store.transaction() as connection:
        connection.exec_driver_sql("DROP TABLE run_entries")
    with pytest.raises(EnvironmentBroke):
        StoreRecord(store).save("k", "a", {})
    store.close()
