"""The supervisor's book-keeping: what it takes, what it calls forged, how it settles."""

from __future__ import annotations

import hashlib
import hmac
import json

from nightshift.sandboxes.inside.supervise import Ledger, settle

KEY = b"k" * 32
ITEMS = {"k": "items", "ids": ["a::t"], "canaries": ["test_1"], "tampered": []}


def signed(number: int, record: dict, key: bytes = KEY) -> bytes:
    body = f"{number} {json.dumps(record)}".encode()
    return hmac.new(key, body, hashlib.sha256).hexdigest().encode() + b" " + body


def report(test: str, outcome: str, when: str = "call", xfail: bool = False) -> dict:
    return {"k": "report", "id": test, "when": when, "outcome": outcome, "xfail": xfail, "text": ""}


def ledger(*records: dict) -> Ledger:
    made = Ledger(KEY, ["test_1"])
    for number, record in enumerate(records):
        made.line(signed(number, record))
    return made


CANARY = report("::test_1", "failed")
FINISH = {"k": "finish", "code": 1}


def test_an_honest_session() -> None:
    told = settle(ledger(ITEMS, report("a::t", "passed"), CANARY, FINISH), "exited", 1)
    assert (told["ended"], told["forged"], told["statuses"]) == ("exited", [], {"a::t": "passed"})


def test_the_worst_status_of_a_test_wins() -> None:
    for later in ("failed", "skipped"):
        made = ledger(ITEMS, report("a::t", "passed"), report("a::t", later), report("a::t", "passed"))
        assert made.statuses == {"a::t": later}


def test_a_failing_set_up_is_an_error() -> None:
    made = ledger(ITEMS, report("a::t", "failed", when="setup"))
    assert made.statuses == {"a::t": "error"}


def test_a_record_without_the_key() -> None:
    made = ledger(ITEMS)
    made.line(signed(1, report("a::t", "passed"), key=b"x" * 32))
    assert made.forged
    assert not made.statuses


def test_a_record_played_back() -> None:
    made = ledger(ITEMS, report("a::t", "passed"))
    made.line(signed(1, report("a::t", "passed")))
    assert made.forged


def test_garbage_on_the_channel() -> None:
    made = ledger()
    made.line(b"\xff\x00 no record")
    assert made.forged


def test_records_after_the_end() -> None:
    assert ledger(ITEMS, CANARY, FINISH, report("a::t", "passed")).forged


def test_passed_where_an_exception_was_raised() -> None:
    raised = {"k": "raised", "id": "a::t", "when": "call", "exception": "KeyError"}
    made = ledger(ITEMS, raised, report("a::t", "passed"))
    assert made.forged
    assert made.statuses == {"a::t": "failed"}


def test_an_exception_whose_report_never_came() -> None:
    raised = {"k": "raised", "id": "a::t", "when": "call", "exception": "KeyError"}
    made = ledger(ITEMS, raised, {"k": "end", "id": "a::t", "s": 0.1, "tampered": []})
    assert made.statuses == {"a::t": "failed"}


def test_an_expected_failure_is_a_skip() -> None:
    raised = {"k": "raised", "id": "a::t", "when": "call", "exception": "KeyError"}
    made = ledger(ITEMS, raised, report("a::t", "skipped", xfail=True))
    assert (made.statuses, made.forged) == ({"a::t": "skipped"}, [])


def test_a_canary_that_passed() -> None:
    told = settle(ledger(ITEMS, report("::test_1", "passed"), FINISH), "exited", 1)
    assert told["forged"]


def test_a_canary_that_never_ran() -> None:
    assert settle(ledger(ITEMS, FINISH), "exited", 1)["ended"] == "stopped"


def test_a_process_that_left_with_another_code() -> None:
    assert settle(ledger(ITEMS, CANARY, FINISH), "exited", 0)["forged"]


def test_a_process_that_left_without_finishing() -> None:
    told = settle(ledger(ITEMS, {"k": "start", "id": "a::t"}), "exited", 0)
    assert (told["ended"], told["statuses"]) == ("died", {"a::t": "error"})


def test_a_time_out_blames_the_test_that_was_running() -> None:
    told = settle(ledger(ITEMS, {"k": "start", "id": "a::t"}), "timeout", -9)
    assert told["statuses"] == {"a::t": "error"}
