"""docker.restart against the real engine: an empty image with the host's shell bound in, as nothing can be pulled."""

import uuid

import pytest

from nightshift.daemon.ports import EnvironmentBroke
from nightshift.runbooks.context import Context
from nightshift.runbooks.load import load_books, parse_book
from nightshift.runbooks.runner import Runner
from nightshift.runbooks.testing import FileRecord

from .conftest import LABEL

docker = pytest.importorskip("docker")
pytestmark = pytest.mark.engine

TRAP = "trap 'exit 0' TERM; while :; do sleep 0.05; done"

BARE = """
name: bare
description: Restarts it, little patience.
parameters: {container: {}}
steps: [{name: a, action: docker.restart, with: {container: '${{ params.container }}', healthy_within_s: 2}}]
"""


@pytest.fixture
def container(engine, image):
    binds = [f"/{name}:/{name}:ro" for name in ("usr", "lib", "lib64", "bin")]
    made = engine.containers.run(
        image, ["/bin/sh", "-c", TRAP], detach=True, volumes=binds, network_mode="none", labels=[LABEL],
        log_config={"type": "none"}, name=f"{LABEL}-{uuid.uuid4().hex[:8]}",
    )  # fmt: skip
    yield made
    made.remove(force=True)


def started(container):
    container.reload()
    return container.attrs["State"]["StartedAt"]


def run(container, folder, key="run-1", record=None, **options):
    book = load_books()["restart-container"]
    runner = Runner(Context(), record or FileRecord(folder))
    return runner.run(book, {"container": container.name, "grace_s": "5"}, key=key, **options)


def test_the_container_is_restarted_once_under_a_key(container, tmp_path):
    before = started(container)
    result = run(container, tmp_path)
    assert result.ok, result.reason
    after = started(container)
    assert after != before
    assert container.status == "running"
    assert after in result.steps[0].output
    assert run(container, tmp_path).steps[0].resumed
    assert started(container) == after
    assert run(container, tmp_path, key="run-2").ok
    assert started(container) != after


class Killed(BaseException):
    """The process dies here."""


class DiesBeforeResult(FileRecord):
    def save(self, key, name, entry):
        if "result" in entry:
            raise Killed
        super().save(key, name, entry)


def test_killed_right_after_the_restart_it_does_not_restart_again(container, tmp_path):
    with pytest.raises(Killed):
        run(container, tmp_path, record=DiesBeforeResult(tmp_path))
    once = started(container)
    result = run(container, tmp_path)
    assert result.ok
    assert not result.steps[0].resumed
    assert started(container) == once


def test_a_dry_run_leaves_it_alone(container, tmp_path):
    before = started(container)
    result = run(container, tmp_path, dry_run=True)
    assert result.steps[0].output == f"restart the container {container.name} (grace 5 s)"
    assert started(container) == before


def test_a_container_that_dies_again_is_a_failure_with_its_state(engine, image, tmp_path):
    binds = [f"/{name}:/{name}:ro" for name in ("usr", "lib", "lib64", "bin")]
    dying = engine.containers.run(
        image, ["/bin/sh", "-c", "sleep 0.2; exit 3"], detach=True, volumes=binds, network_mode="none", labels=[LABEL],
        log_config={"type": "none"}, name=f"{LABEL}-{uuid.uuid4().hex[:8]}",
    )  # fmt: skip
    try:
        dying.wait(timeout=30)
        result = Runner(Context()).run(parse_book(BARE), {"container": dying.name}, key="k")
        assert result.status == "failed"
        assert "the container is exited after the restart, exit code 3" in result.reason
    finally:
        dying.remove(force=True)


def test_a_container_that_cannot_start_is_a_failure(engine, image, tmp_path):
    alone = {"NetworkMode": "none"}
    broken = engine.api.create_container(image, ["/nowhere/program"], labels=[LABEL], host_config=alone)
    try:
        result = Runner(Context()).run(parse_book(BARE), {"container": broken["Id"]}, key="k")
        assert result.status == "failed"
        assert "Docker engine refused" in result.reason
    finally:
        engine.api.remove_container(broken["Id"], force=True)


def test_an_unknown_container_is_a_failure(tmp_path):
    result = Runner(Context()).run(parse_book(BARE), {"container": "no-such-thing"}, key="k")
    assert result.status == "failed"
    assert "no such container" in result.reason


def test_an_engine_that_is_away_is_the_world_s_fault_and_the_run_goes_on_later(container, tmp_path):
    book = load_books()["restart-container"]
    gone = Runner(Context(docker_url=f"unix://{tmp_path}/none.sock"), FileRecord(tmp_path))
    with pytest.raises(EnvironmentBroke, match="can't be reached"):
        gone.run(book, {"container": container.name, "grace_s": "5"}, key="run-1")
    assert run(container, tmp_path).ok
