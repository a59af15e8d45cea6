"""Merges and the switch as they are remembered."""

import pytest

from nightshift.daemon.store.shipping import Merged
from nightshift.daemon.store.store import Store


@pytest.fixture
def own(tmp_path):
    store = Store.open(tmp_path / "n.db")
    yield store
    store.close()


def merged(key, at_ms=1, service="shop", fixer="templates", kind="guard", alone=True):
    return Merged(key=key, service=service, fixer=fixer, kind=kind, commit=f"c-{key}", at_ms=at_ms, alone=alone)


def test_a_merge_is_written_once_and_reverted_once(own):
    own.merges.add(merged("a"))
    own.merges.add(merged("a", at_ms=99))
    assert [m.at_ms for m in own.merges.of("shop", "templates", "guard")] == [1]
    assert own.merges.revert("a", 5, "ada")
    assert not own.merges.revert("a", 9, "bob")
    [found] = own.merges.of("shop", "templates", "guard")
    assert (found.reverted_ms, found.reverted_by) == (5, "ada")
    assert not own.merges.revert("nothing", 5, "ada")


def test_records_are_kept_apart(own):
    for key, more in (("a", {}), ("b", {"kind": "none"}), ("c", {"fixer": "revert"}), ("d", {"service": "bank"})):
        own.merges.add(merged(key, **more))
    assert [m.key for m in own.merges.of("shop", "templates", "guard")] == ["a"]


def test_what_stands_and_what_went_alone(own):
    for at, key in enumerate("abcd"):
        own.merges.add(merged(key, at_ms=at, alone=key != "d"))
    own.merges.revert("c", 9, "ada")
    assert [m.key for m in own.merges.standing("shop", 1)] == ["d", "b"]
    assert own.merges.alone_since("shop", 1) == 2
    assert own.merges.alone_since("bank", 0) == 0


def test_the_switch_survives_a_restart(own, tmp_path):
    assert own.switches.thrown() is None
    own.switches.throw("ada", "why", 7)
    again = Store.open(tmp_path / "n.db")
    thrown = again.switches.thrown()
    assert (thrown.actor, thrown.reason, thrown.at_ms) == ("ada", "why", 7)
    again.switches.release("bob", "", 8)
    assert own.switches.thrown() is None
    again.close()
