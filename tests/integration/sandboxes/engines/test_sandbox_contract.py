"""The port's contract, over each real engine."""

from __future__ import annotations

import io
import sys
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from nightshift.daemon.kit.run import run
from nightshift.daemon.kit.tar import tar_of, tar_of_entries
from nightshift.daemon.ports import EnvironmentBroke, Sandbox, Sandboxes, SandboxSpec


def test_a_command_runs_to_its_end(shared: Sandbox) -> None:
    done = shared.run(["sh", "-c", "echo out; echo err >&2; exit 7"], timeout_s=20)
    assert (done.code, done.stdout, done.stderr, done.ended) == (7, b"out\n", b"err\n", "exited")
    assert done.argv[0] == "sh"
    assert done.duration_s > 0


def test_standard_input_reaches_the_command_whole(shared: Sandbox) -> None:
    data = bytes(range(256)) * 2048
    done = shared.run(["cat"], timeout_s=20, stdin=data)
    assert done.stdout == data


def test_a_command_that_ignores_its_input_is_no_error(shared: Sandbox) -> None:
    done = shared.run(["true"], timeout_s=20, stdin=b"x" * (1 << 20))
    assert (done.code, done.ended) == (0, "exited")


def test_lines_come_as_they_are_written(shared: Sandbox) -> None:
    lines: list[bytes] = []
    done = shared.run(["sh", "-c", "echo one; echo two; printf rest"], timeout_s=20, on_line=lines.append)
    assert lines == [b"one", b"two", b"rest"]
    assert done.stdout == b"one\ntwo\nrest"


def test_the_environment_is_ours_alone(shared: Sandbox) -> None:
    done = shared.run(["env"], timeout_s=20, env={"EXTRA": "a b=c"})
    seen = dict(line.split("=", 1) for line in done.stdout.decode().splitlines())
    assert seen["EXTRA"] == "a b=c"
    assert (seen["HOME"], seen["TZ"], seen["LANG"]) == ("/tmp", "UTC", "C.UTF-8")
    assert (seen["PYTHONHASHSEED"], seen["PYTHONDONTWRITEBYTECODE"]) == ("0", "1")
    allowed = {"EXTRA", "HOME", "TZ", "LANG", "PATH", "PYTHONHASHSEED", "PYTHONDONTWRITEBYTECODE", "USER", "LOGNAME",
               "TMPDIR", "PWD", "HOSTNAME", "PYTEST_ADDOPTS", "OLDPWD", "_"}  # fmt: skip
    assert set(seen) <= allowed


def test_the_daemons_own_python_is_on_the_path(shared: Sandbox) -> None:
    code = "import sys, pytest; print(sys.prefix, sys.version_info[:2])"
    for name in ("python", "python3", sys.executable):
        done = shared.run([name, "-c", code], timeout_s=30)
        assert done.stdout.decode().split(" ", 1)[0] == sys.prefix, done.stderr
    assert shared.run(["pytest", "--version"], timeout_s=30).code == 0


def test_another_interpreter_is_bound_in(opened: Callable[[SandboxSpec], Sandbox]) -> None:
    box = opened(SandboxSpec(python="/usr/bin/python3", memory_mb=256))
    done = box.run(["python", "-c", "import sys; print(sys.prefix)"], timeout_s=30)
    assert done.stdout == b"/usr\n", done.stderr


def test_a_virtual_environment_anywhere_is_bound_in(
    opened: Callable[[SandboxSpec], Sandbox], tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("made") / "env"
    assert run([sys.executable, "-m", "venv", "--without-pip", str(home)], timeout_s=60).ok
    box = opened(SandboxSpec(python=str(home / "bin" / "python"), memory_mb=256))
    done = box.run(["python", "-c", "import sys; print(sys.prefix, sys.base_prefix)"], timeout_s=30)
    assert done.stdout.decode().split() == [str(home), sys.base_prefix], done.stderr


def test_pytest_runs_with_threads_processes_sockets_and_sqlite(box: Sandbox) -> None:
    test = """
import asyncio, multiprocessing, socket, sqlite3, subprocess, tempfile, threading

def test_threads():
    seen = []
    workers = [threading.Thread(target=seen.append, args=(n,)) for n in range(8)]
    [w.start() for w in workers]; [w.join() for w in workers]
    assert sorted(seen) == list(range(8))

def test_processes():
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(abs, [-1, 2]) == [1, 2]

def test_sockets():
    async def main():
        async def serve(reader, writer):
            writer.write(await reader.readline()); writer.close()
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hi\\n")
        assert await reader.readline() == b"hi\\n"
    asyncio.run(main())

def test_sqlite(tmp_path):
    with sqlite3.connect(tmp_path / "x.db") as db:
        db.execute("create table t (a)")

def test_subprocess_and_fifo(tmp_path):
    assert subprocess.check_output(["echo", "a"]) == b"a\\n"
    __import__("os").mkfifo(tmp_path / "f")
"""
    box.put(tar_of({"tests/test_all.py": test}))
    done = box.run(["python", "-m", "pytest", "-q", "tests"], timeout_s=180)
    assert done.code == 0, (done.stdout, done.stderr)


def test_what_is_put_stays_over_several_commands_and_can_be_run(box: Sandbox) -> None:
    box.put(tar_of_entries([("bin/tool", 0o755, b"#!/bin/sh\necho ran\n"), ("link", 0o120000, b"bin/tool")]))
    assert box.run(["./bin/tool"], timeout_s=20).stdout == b"ran\n"
    assert box.run(["./link"], timeout_s=20).stdout == b"ran\n"
    box.run(["sh", "-c", "echo kept > note; echo kept > /tmp/note"], timeout_s=20)
    assert box.run(["cat", "note", "/tmp/note"], timeout_s=20).stdout == b"kept\nkept\n"


def test_put_elsewhere_and_cwd(box: Sandbox) -> None:
    box.put(tar_of({"a.txt": "A"}), to="/tmp/deep/er")
    assert box.run(["cat", "a.txt"], timeout_s=20, cwd="/tmp/deep/er").stdout == b"A"


def test_a_thousand_files_and_back(box: Sandbox) -> None:
    files = {f"pkg{n % 20}/module_{n}.py": f"x = {n}\n" * 20 for n in range(1000)}
    box.put(tar_of(files))
    wanted = [f"/sandbox/{name}" for name in list(files)[:200]]
    got = box.get(wanted)
    assert {name: data.decode() for name, data in got.items()} == {n: files[n[9:]] for n in wanted}


def test_get_takes_regular_files_only(box: Sandbox) -> None:
    box.put(tar_of({"real.txt": "real", "dir/inner": "x"}))
    make = (
        "ln -s /etc/passwd soft; ln real.txt hard; mkfifo pipe; : > empty; head -c 300 /dev/zero > $(printf %0150d 1)"
    )
    assert box.run(["sh", "-c", make], timeout_s=20).code == 0
    long = "/sandbox/" + "1".rjust(150, "0")
    paths = [f"/sandbox/{name}" for name in ("real.txt", "soft", "hard", "pipe", "dir", "empty", "nosuch", "-x")]
    got = box.get([*paths, long, "/dev/zero", "/etc/shadow"])
    assert got == {"/sandbox/real.txt": b"real", "/sandbox/hard": b"real", "/sandbox/empty": b"", long: bytes(300)}


def test_get_is_capped(opened: Callable[[SandboxSpec], Sandbox]) -> None:
    box = opened(SandboxSpec(memory_mb=256, work_mb=128))
    box.put(tar_of({"first": "small"}))
    assert box.run(["truncate", "-s", "100M", "huge"], timeout_s=20).code == 0
    assert box.get(["/sandbox/first", "/sandbox/huge"]) == {"/sandbox/first": b"small"}


def test_a_command_that_takes_too_long(box: Sandbox) -> None:
    done = box.run(["sh", "-c", "echo begun; sleep 60"], timeout_s=4)
    assert (done.ended, done.stdout) == ("timeout", b"begun\n")
    assert done.code != 0
    assert box.run(["echo", "again"], timeout_s=20).stdout == b"again\n"


def test_a_command_that_ignores_signals_is_killed_all_the_same(box: Sandbox) -> None:
    done = box.run(["sh", "-c", "trap '' TERM INT HUP; while :; do sleep 1; done"], timeout_s=1)
    assert done.ended == "timeout"


def test_stopping_the_time_keeper_gains_nothing(box: Sandbox) -> None:
    code = 'kill -STOP "$PPID"; kill -STOP -1; sleep 60'
    done = box.run(["sh", "-c", code], timeout_s=1)
    assert done.ended in ("timeout", "killed")
    assert done.code != 0


def test_output_is_capped(box: Sandbox) -> None:
    done = box.run(["yes"], timeout_s=30)
    assert done.ended == "output"
    assert done.code != 0
    assert len(done.stdout) == 1 << 20


def test_error_output_is_capped(box: Sandbox) -> None:
    done = box.run(["sh", "-c", "yes >&2"], timeout_s=30)
    assert (done.ended, len(done.stderr)) == ("output", 1 << 20)


def test_a_child_left_behind_does_not_hold_the_command(box: Sandbox) -> None:
    done = box.run(["sh", "-c", "sleep 40 & echo over"], timeout_s=30)
    assert (done.code, done.stdout, done.ended) == (0, b"over\n", "exited")


def test_a_missing_program_is_the_commands_failure(shared: Sandbox) -> None:
    assert shared.run(["no-such-program"], timeout_s=20).code == 127
    assert shared.run(["true"], timeout_s=20, cwd="/no/such/place").code != 0


def test_a_tree_that_does_not_fit_broke_the_environment(opened: Callable[[SandboxSpec], Sandbox]) -> None:
    box = opened(SandboxSpec(work_mb=16, memory_mb=512))
    with pytest.raises(EnvironmentBroke, match="could not be unpacked"):
        box.put(tar_of({f"part{n}": bytes(4 << 20) for n in range(50)}))


def test_rubbish_instead_of_a_tar_broke_the_environment(box: Sandbox) -> None:
    with pytest.raises(EnvironmentBroke, match="could not be unpacked"):
        box.put(b"\x01not a tar" * 1000)


@pytest.mark.parametrize("name", ["../../evil", "/evil", "../evil"])
def test_names_in_a_tar_never_lead_out_of_the_work_directory(box: Sandbox, name: str) -> None:
    try:
        box.put(tar_of({name: "evil", "good": "good"}))
    except EnvironmentBroke:
        refused = True
    else:
        refused = False
    assert box.run(["sh", "-c", "test -e /evil"], timeout_s=20).code != 0
    assert refused or box.run(["test", "-e", "good"], timeout_s=20).code == 0


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE])
def test_devices_in_a_tar_are_refused(box: Sandbox, kind: bytes, request: pytest.FixtureRequest) -> None:
    if "gvisor" in request.node.name:
        pytest.skip("gVisor lets anybody make nodes; there is no device behind them")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("disk")
        info.type, info.devmajor, info.devminor = kind, 1, 8
        archive.addfile(info)
    with pytest.raises(EnvironmentBroke, match="could not be unpacked"):
        box.put(buffer.getvalue())
    assert box.run(["test", "-e", "disk"], timeout_s=20).code != 0


def test_links_in_a_tar_stay_inside(box: Sandbox) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        link = tarfile.TarInfo("out")
        link.type, link.linkname = tarfile.SYMTYPE, "/usr"
        archive.addfile(link)
        inner = tarfile.TarInfo("out/nightshift-was-here")
        inner.size = 4
        archive.addfile(inner, io.BytesIO(b"evil"))
    with pytest.raises(EnvironmentBroke, match="could not be unpacked"):
        box.put(buffer.getvalue())
    assert box.run(["test", "-e", "/usr/nightshift-was-here"], timeout_s=20).code != 0


def test_a_missing_python_is_told(engine: Sandboxes) -> None:
    with pytest.raises(EnvironmentBroke, match="no Python at /no/such/python"):
        engine.open(SandboxSpec(python="/no/such/python"))


def test_a_missing_image_is_told(engine: Sandboxes) -> None:
    with pytest.raises(EnvironmentBroke, match="nowhere/nothing"):
        engine.open(SandboxSpec(image="nowhere/nothing:1"))


def test_a_closed_sandbox_runs_nothing(engine: Sandboxes) -> None:
    box = engine.open(SandboxSpec(memory_mb=128))
    box.close()
    box.close()
    assert box.run(["echo", "x"], timeout_s=5).ended == "killed"
    assert box.get(["/etc/passwd"]) == {}


def test_many_at_once(engine: Sandboxes) -> None:
    def one(number: int) -> bytes:
        with engine.open(SandboxSpec(memory_mb=128)) as box:
            box.put(tar_of({"number": str(number)}))
            done = box.run(["sh", "-c", "cat number; cat"], timeout_s=60, stdin=b"!" * 100_000)
            assert box.get(["/sandbox/number"]) == {"/sandbox/number": str(number).encode()}
            return done.stdout.rstrip(b"!")

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, range(8))) == [str(number).encode() for number in range(8)]


def test_health_names_the_engine(engine: Sandboxes) -> None:
    health = engine.probe()
    assert health.ok
    assert engine.name.lower() in health.detail.lower()
