"""What every deployer owes: once per key, the way back, and a failure that says so."""

from __future__ import annotations

import threading

import pytest

from nightshift.daemon.ports import EnvironmentBroke

from .conftest import BAD, NEW, NEWER, UNDONE, WORLDS, of

everywhere = pytest.mark.parametrize("world", of(*WORLDS), indirect=True)
keeps = pytest.mark.parametrize("world", of("memory", "docker", "two containers", "kubernetes"), indirect=True)


def shipped(world, commit=NEW, key="m-1-fix"):
    world.merge(commit)
    return world.deployer().deploy(world.service, commit, key)


@everywhere
def test_a_commit_is_shipped_once_per_key_whoever_asks_again(world) -> None:
    assert world.runs() == "old"
    said = shipped(world)
    assert said and world.runs() == "new"
    once = world.changes()
    assert shipped(world) == said
    assert (world.runs(), world.changes()) == ("new", once)
    shipped(world, NEWER, "m-2-fix")
    assert world.runs() == "newer"


@everywhere
def test_it_goes_back_to_what_ran_before_however_often_it_is_told(world) -> None:
    shipped(world)
    world.merge(UNDONE)
    for _ in range(3):
        assert world.deployer().undo(world.service, UNDONE, "m-1-rollback", of="m-1-fix")
        assert world.runs() == "old"
    shipped(world, NEWER, "m-2-fix")
    assert world.runs() == "newer"


@everywhere
def test_what_does_not_come_up_is_told_and_taken_back(world) -> None:
    with pytest.raises(EnvironmentBroke):
        shipped(world, BAD)
    world.merge(UNDONE)
    world.deployer().undo(world.service, UNDONE, "m-1-rollback", of="m-1-fix")
    assert world.runs() == "old"


@keeps
def test_going_back_from_nothing_changes_nothing(world) -> None:
    world.deployer().undo(world.service, UNDONE, "m-1-rollback", of="m-1-fix")
    assert (world.runs(), world.changes()) == ("old", 0)


@keeps
def test_a_second_deploy_goes_back_to_the_first(world) -> None:
    shipped(world)
    shipped(world, NEWER, "m-2-fix")
    world.deployer().undo(world.service, UNDONE, "m-2-rollback", of="m-2-fix")
    assert world.runs() == "new"


@pytest.mark.parametrize("world", of("command", "docker", "kubernetes"), indirect=True)
def test_racing_callers_ship_once(world) -> None:
    said: list[str] = []
    racers = [threading.Thread(target=lambda: said.append(shipped(world))) for _ in range(3)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert len(said) == 3 and len(set(said)) == 1
    assert (world.runs(), world.changes()) == ("new", 1)
