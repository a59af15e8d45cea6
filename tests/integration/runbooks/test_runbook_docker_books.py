"""docker.recreate, docker.prune and the failing-probe book on the real engine."""

import contextlib
import json
import uuid

import pytest

from nightshift.daemon.ports import EnvironmentBroke
from nightshift.runbooks.actions.docker_recreate import LABEL as RECREATED
from nightshift.runbooks.context import Context
from nightshift.runbooks.limits import Limits
from nightshift.runbooks.load import load_books, parse_book
from nightshift.runbooks.runner import Runner
from nightshift.runbooks.testing import FileRecord

from .conftest import LABEL

docker = pytest.importorskip("docker")
pytestmark = pytest.mark.engine
STAY = "trap 'exit 0' TERM; while :; do sleep 0.05; done"
SECOND = 1_000_000_000


@pytest.fixture
def make(engine, image):
    names = []

    def made(script=STAY, **more):
        names.append(f"{LABEL}-{uuid.uuid4().hex[:8]}")
        binds = [f"/{name}:/{name}:ro" for name in ("usr", "lib", "lib64", "bin")]
        return engine.containers.run(
            image, ["/bin/sh", "-c", script], detach=True, volumes=binds, network_mode="none", labels=[LABEL],
            log_config={"type": "none"}, name=names[-1], environment={"KEPT": "yes"},
            restart_policy={"Name": "unless-stopped"}, **more,
        )  # fmt: skip

    yield made
    for left in engine.containers.list(all=True, filters={"label": LABEL}):
        if any(left.name.startswith(name) for name in names):
            left.remove(force=True)


def book(action, verify=(), **arguments):
    step = {"name": "do", "action": action, "timeout_s": 60, "with": arguments}
    return parse_book(json.dumps({"name": "b", "description": "d", "steps": [step], "verify": list(verify)}))


def run(chosen, key="run-1", record=None, params=None, **limits):
    return Runner(Context(limits=Limits(**limits)), record).run(chosen, params or {}, key=key)


def all_of(engine, name):
    return {c.name: c for c in engine.containers.list(all=True) if c.name.startswith(name)}


NEVER = {"name": "no-good", "action": "assert", "with": {"value": False}}


def test_a_container_is_made_anew_with_what_it_had(engine, make):
    old = make(mem_limit="64m", hostname="shop")
    result = run(book("docker.recreate", container=old.name))
    assert result.status == "done", result
    new = engine.containers.get(old.name)
    assert new.id != old.id
    assert new.attrs["HostConfig"]["Memory"] == 64 << 20
    assert "KEPT=yes" in new.attrs["Config"]["Env"]
    assert new.attrs["Config"]["Hostname"] == "shop"
    assert new.attrs["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    assert new.labels[RECREATED]
    (aside,) = [c for name, c in all_of(engine, old.name).items() if name != old.name]
    assert (aside.id, aside.status) == (old.id, "exited")
    assert run(book("docker.recreate", container=old.name), key="run-2").status == "done"


def test_when_it_does_not_help_the_old_one_is_back(engine, make):
    old = make()
    result = run(book("docker.recreate", [NEVER], container=old.name))
    assert result.status == "rolled_back", result
    back = all_of(engine, old.name)
    assert set(back) == {old.name}
    assert (back[old.name].id, back[old.name].status) == (old.id, "running")
    assert back[old.name].attrs["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"


class Killed(BaseException):
    """The process dies here."""


class DiesBeforeResult(FileRecord):
    def save(self, key, name, entry):
        if "result" in entry:
            raise Killed
        super().save(key, name, entry)


def test_killed_right_after_it_does_not_make_another(engine, make, tmp_path):
    old = make()
    chosen = book("docker.recreate", container=old.name)
    with pytest.raises(Killed):
        run(chosen, record=DiesBeforeResult(tmp_path))
    made = engine.containers.get(old.name).id
    assert run(chosen, record=FileRecord(tmp_path)).ok
    assert engine.containers.get(old.name).id == made
    assert len(all_of(engine, old.name)) == 2


@pytest.mark.parametrize("stage", ["stopped", "renamed", "created"])
def test_killed_halfway_it_goes_on(engine, make, tmp_path, stage):
    from nightshift.daemon.kit.ids import stable_id

    old = make()

    class DiesBeforeEffect(FileRecord):
        def save(self, key, name, entry):
            super().save(key, name, entry)
            if "evidence" in entry:
                raise Killed

    chosen = book("docker.recreate", container=old.name)
    with pytest.raises(Killed):
        run(chosen, record=DiesBeforeEffect(tmp_path))
    mark = stable_id("run", "run-1/steps/do")
    old.stop(timeout=1)
    if stage != "stopped":
        old.rename(f"{old.name}-before-{mark.removeprefix('run-')}")
    if stage == "created":
        config = old.attrs["Config"] | {"Labels": {LABEL: "", RECREATED: mark}, "HostConfig": old.attrs["HostConfig"]}
        engine.api.create_container_from_config(config, old.name)
    result = run(chosen, record=FileRecord(tmp_path))
    assert result.ok, result
    found = all_of(engine, old.name)
    assert len(found) == 2
    assert found[old.name].status == "running"


def test_other_containers_and_images_are_out_of_reach(engine, make, image):
    old = make()
    for chosen in (book("docker.recreate", container=old.name), book("docker.restart", container=old.id[:12])):
        result = run(chosen, key=chosen.steps[0].action, containers=("other-*",))
        assert "limits.containers" in result.reason
    other = book("docker.recreate", container=old.name, image="evil:latest")
    assert "limits.images" in run(other, key="c").reason
    assert engine.containers.get(old.name).id == old.id


def ill(flag):
    return {"test": ["CMD-SHELL", flag], "interval": SECOND // 4, "timeout": SECOND, "retries": 1, "start_period": 0}


def test_a_failing_probe_is_cured_by_a_restart(engine, make):
    script = f"[ -f /tmp/began ] && touch /tmp/well; mkdir -p /tmp; touch /tmp/began; {STAY}"
    container = make(script, healthcheck=ill("test -f /tmp/well"))
    result = run(load_books()["failing-probe"], params={"container": container.name, "healthy_within_s": "15"})
    assert result.status == "done", result
    assert [s.status for s in result.steps] == ["done", "skipped"]
    assert engine.containers.get(container.name).id == container.id


def test_a_failing_probe_that_survives_a_restart_is_cured_by_a_new_container(engine, make):
    container = make(healthcheck=ill("! test -f /sick"))
    container.exec_run(["/bin/sh", "-c", "touch /sick"])
    result = run(load_books()["failing-probe"], params={"container": container.name, "healthy_within_s": "3"})
    assert result.status == "done", result
    new = engine.containers.get(container.name)
    assert new.id != container.id
    assert new.attrs["State"]["Health"]["Status"] == "healthy"


def test_a_failing_probe_nothing_cures_leaves_the_old_container(engine, make):
    container = make(healthcheck=ill("false"))
    result = run(load_books()["failing-probe"], params={"container": container.name, "healthy_within_s": "1"})
    assert result.status == "rolled_back", result
    assert engine.containers.get(container.name).id == container.id


def test_pruning_removes_what_is_stopped_and_labelled_and_nothing_else(engine, make, image):
    mark = f"{LABEL}-prune={uuid.uuid4().hex[:8]}"
    host = {"NetworkMode": "none"}
    labels = dict([mark.split("=")])
    stopped = engine.api.create_container(image, ["/bin/true"], labels=labels, host_config=host)
    kept = engine.api.create_container(image, ["/bin/true"], labels=[LABEL], host_config=host)
    running = make()
    try:
        result = run(book("docker.prune", what=["containers"], older_than_h=0, labels=[mark]))
        assert result.steps[0].values["removed"] == 1, result
        names = {c.id for c in engine.containers.list(all=True)}
        assert stopped["Id"] not in names
        assert {kept["Id"], running.id} <= names
    finally:
        with contextlib.suppress(docker.errors.NotFound):
            engine.api.remove_container(stopped["Id"], force=True)
        engine.api.remove_container(kept["Id"], force=True)


def test_an_engine_that_is_away_is_the_world_s_fault(tmp_path):
    with pytest.raises(EnvironmentBroke):
        Runner(Context(docker_url=f"unix://{tmp_path}/none.sock")).run(book("docker.prune"), {}, key="k")
