"""Sandboxes under abuse that ends them: bombs, floods, full disks; each gets a sandbox of its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nightshift.daemon.ports import Sandbox, SandboxSpec


def test_a_fork_bomb_is_contained(box: Sandbox) -> None:
    code = """
import os, time
made = 0
try:
    while made < 5000:
        if os.fork() == 0:
            time.sleep(30); os._exit(0)
        made += 1
except OSError:
    pass
print(made, flush=True)
os.kill(-1, 9)
"""
    done = box.run(["python", "-I", "-S", "-c", code], timeout_s=20)
    assert done.stdout.split() == [] or int(done.stdout.split()[0]) <= 130, done


def test_a_memory_bomb_gets_no_more_than_its_share(box: Sandbox) -> None:
    done = box.run(["python", "-I", "-S", "-c", "x = bytearray(900 << 20); print('ESCAPED')"], timeout_s=30)
    assert b"ESCAPED" not in done.stdout
    assert done.ended in ("oom", "exited")
    assert done.code != 0


@pytest.mark.parametrize("where", ["/sandbox", "/tmp", "/dev/shm"])
def test_filling_the_disk_stops_at_its_size(box: Sandbox, where: str) -> None:
    code = f"""
total = 0
try:
    for n in range(1000):
        with open('{where}/part%d' % n, 'wb') as out:
            for _ in range(16):
                out.write(bytes(1 << 20)); out.flush(); total += 1
except OSError:
    pass
print(total, flush=True)
"""
    done = box.run(["python", "-I", "-S", "-c", code], timeout_s=60)
    assert done.ended in ("killed", "oom") or int(done.stdout) <= 170, done


def test_a_large_file_is_refused(box: Sandbox) -> None:
    done = box.run(["truncate", "-s", "10G", "huge"], timeout_s=20)
    assert done.code != 0


def test_filling_the_inodes_stops(opened: Callable[[SandboxSpec], Sandbox]) -> None:
    code = """
made = 0
try:
    for n in range(400_000):
        open('/tmp/f%d' % n, 'w').close(); made += 1
except OSError:
    pass
print(made)
"""
    done = opened(SandboxSpec(memory_mb=512)).run(["python", "-I", "-S", "-c", code], timeout_s=60)
    assert done.ended in ("killed", "oom", "timeout") or int(done.stdout) < 260_000


def test_descriptors_run_out(shared: Sandbox) -> None:
    code = """
import os
held = []
try:
    while len(held) < 100_000: held.append(os.open('/dev/null', os.O_RDONLY))
except OSError:
    pass
os.write(1, str(len(held)).encode())
"""
    assert int(shared.run(["python", "-I", "-S", "-c", code], timeout_s=30).stdout) <= 1024


def test_a_flood_on_both_streams_is_cut(box: Sandbox) -> None:
    done = box.run(["sh", "-c", "yes & yes >&2"], timeout_s=30)
    assert done.ended == "output"
    assert max(len(done.stdout), len(done.stderr)) <= 1 << 20


def test_killing_everything_inside_harms_only_itself(box: Sandbox) -> None:
    done = box.run(["python", "-I", "-S", "-c", "import os; os.kill(-1, 9)"], timeout_s=20)
    assert done.code != 0 or done.ended == "killed"


def test_deep_directories_and_locked_ones_leave_nothing(box: Sandbox) -> None:
    code = """
import os
for _ in range(1500):
    os.mkdir('d'); os.chdir('d')
os.chdir('/sandbox'); os.mkdir('locked'); open('locked/x', 'w').close(); os.chmod('locked', 0)
"""
    box.run(["python", "-I", "-S", "-c", code], timeout_s=30)
    box.close()
    home = getattr(box, "home", None)
    assert home is None or not home.exists()
