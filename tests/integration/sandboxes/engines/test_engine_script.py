"""`deploy/engine` against a world of stand-in programs: a second real dockerd beside the first is never started."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from nightshift.daemon.kit.run import Completed, run

SCRIPT = Path(__file__).parents[4] / "deploy" / "engine"
NAMES = "bash sh true env id mkdir cat tail head wc tr grep sleep seq timeout setsid flock rm dirname cp chmod touch"
TOOLS = NAMES.split()
DOCKER = """#!/bin/bash
[ -e "$WORLD/up" ] && { echo 20.0.1; exit 0; }
exit 1
"""
DOCKERD = """#!/bin/bash
echo "$@" >>"$WORLD/calls"
mode=$(cat "$WORLD/mode")
case "$mode $*" in
  "early "*) echo "failed to start daemon: Devices cgroup isn't mounted"; exit 1 ;;
  "overlay "*vfs*) ;;
  "overlay "*) echo 'error initializing graphdriver: driver not supported: overlay2'; exit 1 ;;
  "iptables "*--iptables=false*) ;;
  "iptables "*) echo 'failed to create NAT chain DOCKER: iptables failed'; exit 1 ;;
esac
for word in "$@"; do case $word in --pidfile=*) echo $$ >"${word#--pidfile=}" ;; esac; done
trap 'rm -f "$WORLD/up"; exit 0' TERM
touch "$WORLD/up"
while :; do sleep 0.1; done
"""
APT = """#!/bin/bash
echo "$@" >>"$WORLD/apt"
case "$*" in
  *install*docker.io*) cp "$WORLD/dockerd" "$BIN/dockerd" ;;
  *install*bubblewrap*) printf '#!/bin/bash\\nexit 0\\n' >"$BIN/bwrap"; chmod +x "$BIN/bwrap" ;;
esac
"""
SUDO = '#!/bin/bash\n[ "$1" = -n ] && shift\nexec "$@"\n'


class World:
    """A PATH with stand-ins, and what they did."""

    def __init__(self, root: Path) -> None:
        self.root, self.bin, self.proc = root, root / "bin", root / "proc"
        self.bin.mkdir(parents=True)
        self.proc.mkdir()
        (self.proc / "mounts").write_text("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n")
        for name in TOOLS:
            (self.bin / name).symlink_to(str(shutil.which(name)))
        self.add("docker", DOCKER)
        self.add("sudo", SUDO)
        self.mode("works")

    def add(self, name: str, text: str, folder: Path | None = None) -> None:
        path = (folder or self.bin) / name
        path.write_text(text)
        path.chmod(0o755)

    def mode(self, word: str) -> None:
        (self.root / "mode").write_text(word)

    def read(self, name: str) -> str:
        path = self.root / name
        return path.read_text() if path.exists() else ""

    def engine(self, *args: str, **env: str) -> Completed:
        world = {"PATH": str(self.bin), "WORLD": str(self.root), "BIN": str(self.bin), "ENGINE_PROC": str(self.proc)}
        argv = [str(SCRIPT), *args, str(self.root / "state")]
        return run([shutil.which("bash") or "bash", *argv], timeout_s=60, env={**world, **env})


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.engine("stop")


def test_an_engine_that_answers_is_used_and_never_stopped(world: World) -> None:
    (world.root / "up").touch()
    assert b"already running" in world.engine("start").stdout
    assert b"nothing to stop" in world.engine("stop").stdout
    assert (world.root / "up").exists()


def test_dockerd_is_started_once_and_stopped(world: World) -> None:
    world.add("dockerd", DOCKERD)
    first = world.engine("start")
    assert first.code == 0, first.stderr
    assert first.stdout.startswith(b"engine: docker 20.0.1, started")
    assert b"already running" in world.engine("start").stdout
    assert len(world.read("calls").splitlines()) == 1
    pid = int((world.root / "state" / "dockerd.pid").read_text())
    assert world.engine("stop").stdout == b"engine: stopped\n"
    assert not os.path.exists(f"/proc/{pid}")
    assert not (world.root / "up").exists()
    assert b"nothing to stop" in world.engine("stop").stdout


def test_docker_is_installed_where_apt_can(world: World) -> None:
    world.add("apt-get", APT)
    world.add("dockerd", DOCKERD, world.root)
    done = world.engine("start")
    assert done.code == 0, done.stderr
    calls = world.read("apt").splitlines()
    assert sum("update" in call for call in calls) == 1
    assert any("docker.io" in call for call in calls)


@pytest.mark.parametrize(("mode", "option"), [("overlay", "--storage-driver=vfs"), ("iptables", "--iptables=false")])
def test_what_this_kernel_lacks_is_done_without(world: World, mode: str, option: str) -> None:
    world.mode(mode)
    world.add("dockerd", DOCKERD)
    done = world.engine("start")
    assert done.code == 0, done.stderr
    first, second = world.read("calls").splitlines()
    assert option not in first
    assert option in second


def test_a_dockerd_that_dies_shows_its_last_words_and_bubblewrap_is_taken(world: World) -> None:
    world.mode("early")
    world.add("dockerd", DOCKERD)
    world.add("bwrap", "#!/bin/bash\nexit 0\n")
    done = world.engine("start")
    assert done.code == 0
    assert done.stdout.startswith(b"engine: bubblewrap (no Docker: dockerd ended at once")
    assert b"Devices cgroup isn't mounted" in done.stderr


def test_no_engine_at_all_is_one_clear_message(world: World) -> None:
    done = world.engine("start")
    assert done.code == 1
    assert done.stdout == b""
    assert b"no sandbox engine: Docker is not installed" in done.stderr
    assert b"apt-get install bubblewrap" in done.stderr


def test_a_silent_dockerd_of_somebody_else_is_left_alone(world: World) -> None:
    (world.proc / "4242").mkdir()
    (world.proc / "4242" / "comm").write_text("dockerd\n")
    world.add("dockerd", DOCKERD)
    done = world.engine("start")
    assert done.code == 1
    assert b"a dockerd runs (pid 4242)" in done.stderr
    assert world.read("calls") == ""


def test_an_address_given_by_the_user_is_respected(world: World) -> None:
    world.add("dockerd", DOCKERD)
    done = world.engine("start", DOCKER_HOST="tcp://192.0.2.1:2375")
    assert b"DOCKER_HOST=tcp://192.0.2.1:2375 does not answer" in done.stderr
    assert world.read("calls") == ""


def test_a_stranger_with_our_old_pid_is_not_stopped(world: World) -> None:
    state = world.root / "state"
    state.mkdir()
    (state / "dockerd.pid").write_text(str(os.getpid()))
    (state / "started").write_text("dockerd\n")
    assert world.engine("stop").stdout == b"engine: stopped\n"
    assert not (state / "dockerd.pid").exists()


def test_two_starts_at_once_start_one(world: World) -> None:
    world.add("dockerd", DOCKERD)
    both = f"{SCRIPT} start {world.root}/state & {SCRIPT} start {world.root}/state; wait"
    env = {"PATH": str(world.bin), "WORLD": str(world.root), "ENGINE_PROC": str(world.proc)}
    done = run(["/bin/bash", "-c", both], timeout_s=60, env=env)
    assert len(world.read("calls").splitlines()) == 1, done.stderr
    assert done.stdout.count(b"engine: docker") == 2


def test_usage(world: World) -> None:
    assert world.engine("dance").code == 2
