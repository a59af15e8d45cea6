"""What happens when the engine, not the command, goes wrong; and that nothing stays behind."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.small_image import small_image

from nightshift.daemon.kit.clock import ManualClock
from nightshift.daemon.kit.run import run
from nightshift.daemon.kit.tar import tar_of
from nightshift.daemon.ports import EnvironmentBroke, SandboxSpec
from nightshift.sandboxes import profile
from nightshift.sandboxes.all_sandboxes import Settings, connect_docker, engine
from nightshift.sandboxes.bubblewrap import BubblewrapSandboxes
from nightshift.sandboxes.docker import DockerSandboxes
from nightshift.sandboxes.owner import this_owner

SPEC = SandboxSpec(memory_mb=128, work_mb=16, lifetime_s=120)
DIES = """
import os, sys
from nightshift.daemon.ports import SandboxSpec
from nightshift.sandboxes.all_sandboxes import ENGINES, Settings
from nightshift.sandboxes.bubblewrap import BubblewrapSandboxes
made = ENGINES["docker"](Settings()) if sys.argv[1] == "docker" else BubblewrapSandboxes(base=sys.argv[2])
box = made.open(SandboxSpec(memory_mb=128))
print(getattr(box, "id", ""), flush=True)
os._exit(9)
"""


class Proxy:
    """A TCP door to the engine's socket that can be slammed, so that the real engine need not be harmed."""

    def __init__(self, target: str) -> None:
        self._target, self._server = target, socket.create_server(("127.0.0.1", 0))
        self._pairs: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()
        self.url = f"tcp://127.0.0.1:{self._server.getsockname()[1]}"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._target)
                self._pairs += [near, far]
                for a, b in ((near, far), (far, near)):
                    threading.Thread(target=self._copy, args=(a, b), daemon=True).start()

    @staticmethod
    def _copy(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def slam(self) -> None:
        """Cut every connection and take no more."""
        for each in [self._server, *self._pairs]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@pytest.fixture
def api() -> Iterator[object]:
    client = connect_docker()
    yield client
    client.close()


@pytest.fixture
def proxy(api: object) -> Iterator[Proxy]:
    path = str(getattr(api, "_custom_adapter").socket_path)  # noqa: B009
    made = Proxy(path)
    yield made
    made.slam()


def _ids(api: object) -> set[str]:
    listed = api.containers(all=True, filters={"label": profile.OWNER})  # type: ignore[attr-defined]
    return {each["Id"] for each in listed}


def _gone(api: object, container: str) -> bool:
    deadline = time.monotonic() + 20
    while container in _ids(api) and time.monotonic() < deadline:
        time.sleep(0.1)
    return container not in _ids(api)


# ---------------------------------------------------------------- docker


@pytest.mark.engine
def test_closing_leaves_nothing(docker_engine: DockerSandboxes, api: object) -> None:
    volumes = api.volumes()["Volumes"]  # type: ignore[attr-defined]
    with docker_engine.open(SPEC) as box:
        assert box.id in _ids(api)
    assert _gone(api, box.id)
    assert len(api.volumes()["Volumes"] or []) <= len(volumes or [])  # type: ignore[attr-defined]


@pytest.mark.engine
def test_the_container_has_the_whole_profile(docker_engine: DockerSandboxes, api: object) -> None:
    with docker_engine.open(SPEC) as box:
        seen = api.inspect_container(box.id)  # type: ignore[attr-defined]
    host = seen["HostConfig"]
    assert (host["NetworkMode"], host["IpcMode"], host["ReadonlyRootfs"]) == ("none", "private", True)
    assert (host["CapDrop"], host["Privileged"], host["Init"], host["AutoRemove"]) == (["ALL"], False, True, True)
    assert host["Memory"] == host["MemorySwap"] == 128 << 20
    assert host["PidsLimit"] == SPEC.pids
    assert host["LogConfig"]["Type"] == "none"
    assert "no-new-privileges" in host["SecurityOpt"]
    assert all(mount["RW"] is False for mount in seen["Mounts"])
    assert int(seen["Config"]["User"].split(":")[0]) > 100_000


@pytest.mark.engine
def test_a_killed_container_is_killed_not_failed(docker_engine: DockerSandboxes, api: object) -> None:
    with docker_engine.open(SPEC) as box:
        threading.Timer(0.7, lambda: api.kill(box.id)).start()  # type: ignore[attr-defined]
        done = box.run(["sleep", "30"], timeout_s=30)
        assert (done.ended, done.code) == ("killed", 137)
        assert box.run(["true"], timeout_s=5).ended == "killed"


@pytest.mark.engine
def test_a_container_gone_between_commands_broke(docker_engine: DockerSandboxes, api: object) -> None:
    with docker_engine.open(SPEC) as box:
        api.remove_container(box.id, force=True)  # type: ignore[attr-defined]
        with pytest.raises(EnvironmentBroke, match="gone before the command"):
            box.run(["true"], timeout_s=5)


@pytest.mark.engine
def test_a_container_ends_itself_at_its_deadline(docker_engine: DockerSandboxes, api: object) -> None:
    short = SandboxSpec(memory_mb=128, lifetime_s=2 - 300)
    with docker_engine.open(short) as box:
        assert _gone(api, box.id)


@pytest.mark.engine
def test_an_engine_that_dies_in_the_middle_broke(proxy: Proxy) -> None:
    made = DockerSandboxes(lambda: connect_docker(proxy.url))
    direct = connect_docker()
    box = made.open(SPEC)
    threading.Timer(0.7, proxy.slam).start()
    try:
        with pytest.raises(EnvironmentBroke, match="does not answer"):
            box.run(["sleep", "30"], timeout_s=30)
        with pytest.raises(EnvironmentBroke, match="deploy/engine start"):
            box.run(["true"], timeout_s=5)
        with pytest.raises(EnvironmentBroke):
            made.open(SPEC)
        assert not made.probe().ok
        assert "deploy/engine start" in made.probe().fix
        box.close()
    finally:
        with contextlib.suppress(Exception):
            direct.remove_container(box.id, force=True)
        direct.close()


@pytest.mark.engine
def test_no_engine_at_all_is_one_clear_message(tmp_path: Path) -> None:
    settings = Settings(engine="docker", docker_host=f"unix://{tmp_path}/no.sock")
    with pytest.raises(EnvironmentBroke, match=r"no sandbox engine: docker: .*deploy/engine start"):
        engine(settings)


@pytest.mark.engine
@pytest.mark.bubblewrap
def test_auto_falls_back_to_bubblewrap(tmp_path: Path) -> None:
    if not BubblewrapSandboxes(base=str(tmp_path)).probe().ok:
        pytest.skip("bubblewrap does not work here")
    assert engine(Settings(docker_host=f"unix://{tmp_path}/no.sock")).name == "bubblewrap"
    with contextlib.closing(engine(Settings())) as made:
        assert made.name == "docker"


@pytest.mark.engine
def test_memory_run_out_is_oom(docker_engine: DockerSandboxes) -> None:
    with docker_engine.open(SPEC) as box:
        hungry = ["python", "-I", "-S", "-c", "x = bytearray(900 << 20)"]
        assert box.run(hungry, timeout_s=30).ended == "oom"
        assert box.run(["sh", "-c", "exit 3"], timeout_s=10).ended == "exited"
        child = ["sh", "-c", "python -I -S -c 'x = bytearray(900 << 20)'; exit 5"]
        assert (done := box.run(child, timeout_s=30)).ended == "oom"
        assert done.code == 5


@pytest.mark.engine
def test_warm_sandboxes_are_taken_once_and_thrown_away(docker_engine: DockerSandboxes, api: object) -> None:
    before = _ids(api)
    docker_engine.prewarm(SPEC, 2)
    docker_engine.prewarm(SPEC, 2)
    deadline = time.monotonic() + 30
    while len(warm := _ids(api) - before) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    for filler in docker_engine._pool._fillers:
        filler.join(30)
    with docker_engine.open(SPEC) as one:
        assert one.id in warm
        assert one.run(["echo", "warm"], timeout_s=10).stdout == b"warm\n"
    with docker_engine.open(SandboxSpec(memory_mb=96)) as other:
        assert other.id not in warm
    docker_engine.close()
    assert not (warm & _ids(api))


@pytest.mark.engine
def test_the_reaper_takes_the_dead_and_leaves_the_living(docker_engine: DockerSandboxes, api: object) -> None:
    died = run([sys.executable, "-c", DIES, "docker"], timeout_s=60)
    orphan = died.stdout.decode().strip()
    with docker_engine.open(SPEC) as living:
        assert {orphan, living.id} <= _ids(api), died.stderr
        assert docker_engine.reap() >= 1
        assert orphan not in _ids(api)
        assert living.run(["echo", "alive"], timeout_s=10).stdout == b"alive\n"


@pytest.mark.engine
def test_the_reaper_takes_what_is_past_its_deadline(docker_engine: DockerSandboxes, api: object) -> None:
    with docker_engine.open(SPEC) as late:
        mine = api.inspect_container(late.id)["Config"]["Labels"]  # type: ignore[attr-defined]
        assert mine[profile.OWNER] == this_owner()
        future = ManualClock(int(mine[profile.DEADLINE]) * 1000 + 2000)
        seen = DockerSandboxes(connect_docker, clock=future)
        assert seen._is_stale(mine)
        assert not docker_engine._is_stale(mine)
        assert not docker_engine._is_stale({profile.OWNER: "another-boot:1:2:3", profile.DEADLINE: "99999999999"})


@pytest.mark.engine
def test_a_named_image_runs_under_the_same_profile(docker_engine: DockerSandboxes, api: object) -> None:
    tag, layer = "nightshift-test-small:1", small_image()
    api.import_image_from_data(layer, repository=tag.split(":")[0], tag="1")  # type: ignore[attr-defined]
    try:
        with docker_engine.open(SandboxSpec(image=tag, memory_mb=128)) as box:
            box.put(tar_of({"a": "A"}))
            assert box.run(["cat", "a"], timeout_s=10).stdout == b"A"
            assert box.get(["/sandbox/a"]) == {"/sandbox/a": b"A"}
            assert box.run(["sleep", "9"], timeout_s=1).ended == "timeout"
            assert box.run(["id", "-u"], timeout_s=10).stdout != b"0\n"
    finally:
        api.remove_image(tag, force=True)  # type: ignore[attr-defined]


# ---------------------------------------------------------------- bubblewrap


@pytest.fixture
def private(tmp_path: Path) -> BubblewrapSandboxes:
    made = BubblewrapSandboxes(base=str(tmp_path))
    if not made.probe().ok:
        pytest.skip("bubblewrap does not work here")
    return made


@pytest.mark.bubblewrap
def test_bubblewrap_leaves_nothing(private: BubblewrapSandboxes, tmp_path: Path) -> None:
    with private.open(SPEC) as box:
        box.put(tar_of({"a/b": "c"}))
        assert len(list(tmp_path.iterdir())) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.bubblewrap
def test_bubblewrap_reaps_the_dead_and_leaves_the_living(private: BubblewrapSandboxes, tmp_path: Path) -> None:
    died = run([sys.executable, "-c", DIES, "bubblewrap", str(tmp_path)], timeout_s=60)
    assert died.code == 9, died.stderr
    with private.open(SPEC) as living:
        assert len(list(tmp_path.iterdir())) == 2
        assert private.reap() == 1
        assert living.run(["echo", "alive"], timeout_s=10).stdout == b"alive\n"


@pytest.mark.bubblewrap
def test_bubblewrap_reaps_what_is_past_its_deadline(private: BubblewrapSandboxes, tmp_path: Path) -> None:
    box = private.open(SPEC)
    owner = json.loads((next(tmp_path.iterdir()) / "owner").read_text())
    later = BubblewrapSandboxes(base=str(tmp_path), clock=ManualClock(owner["deadline_ms"] + 1))
    assert private.reap() == 0
    assert later.reap() == 1
    assert not list(tmp_path.iterdir())
    box.close()


@pytest.mark.bubblewrap
def test_bubblewrap_ends_at_its_deadline(private: BubblewrapSandboxes, tmp_path: Path) -> None:
    clock = ManualClock()
    with BubblewrapSandboxes(base=str(tmp_path), clock=clock).open(SPEC) as box:
        clock.advance(SPEC.lifetime_s + 1)
        with pytest.raises(EnvironmentBroke, match="lifetime"):
            box.run(["true"], timeout_s=5)


@pytest.mark.bubblewrap
def test_nothing_of_a_command_outlives_it(private: BubblewrapSandboxes) -> None:
    with private.open(SPEC) as box:
        box.run(["sh", "-c", "setsid sh -c 'sleep 1; echo late > late' & exit 0"], timeout_s=10)
        assert box.run(["sh", "-c", "sleep 1.5; cat late"], timeout_s=10).code != 0


@pytest.mark.bubblewrap
def test_bubblewrap_works_for_an_ordinary_user(tmp_path: Path) -> None:
    python, code = "/usr/bin/python3", "import sys; sys.exit(sys.version_info < (3, 11))"
    if os.getuid() != 0 or not os.path.exists(python) or not run([python, "-c", code], timeout_s=20).ok:
        pytest.skip("needs root to become somebody else, and a system Python for them")
    work = tmp_path / "theirs"
    work.mkdir()
    for folder in [work, *list(work.parents)[:3]]:
        folder.chmod(folder.stat().st_mode | 0o011)
    os.chown(work, 65534, 65534)
    script = f"""
from nightshift.daemon.ports import SandboxSpec
from nightshift.sandboxes.bubblewrap import BubblewrapSandboxes
made = BubblewrapSandboxes(base={str(work)!r})
health = made.probe()
if not health.ok:
    print("cannot:", health.detail)
    raise SystemExit
with made.open(SandboxSpec(python="/usr/bin/python3")) as box:
    box.run(["sh", "-c", "echo kept > note"], timeout_s=10)
    print(box.run(["sh", "-c", "cat note; id -u; python -V; grep Seccomp: /proc/self/status"], timeout_s=10))
"""
    source = str(Path(__file__).parents[4] / "src")
    argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", python, "-c", script]
    done = run(argv, timeout_s=60, env={"PATH": os.environ["PATH"], "PYTHONPATH": source}, cwd="/")
    if b"cannot:" in done.stdout or b"Permission denied" in done.stderr:
        pytest.skip(f"not for ordinary users here: {done.text()} {done.why()}")
    assert b"kept" in done.stdout, done.stderr
    assert b"Seccomp:\\t2" in done.stdout
    assert not list(work.iterdir())


@pytest.mark.bubblewrap
def test_the_callers_variables_never_reach_the_programs_that_hold_capabilities(private: BubblewrapSandboxes) -> None:
    evil = "#!/bin/sh\ncat /proc/self/status >/sandbox/status\nexit 66\n"
    with private.open(SPEC) as box:
        names = ("prlimit", "setpriv", "env", "timeout", "bwrap")
        box.put(tar_of({f"bin/{name}": evil for name in names}, mode=0o755))
        done = box.run(["sh", "-c", "echo $PATH; id -u"], timeout_s=10, env={"PATH": "/sandbox/bin:/usr/bin"})
        assert done.stdout.startswith(b"/sandbox/bin:/usr/bin\n"), done.stderr
        assert box.get(["/sandbox/status"]) == {}
