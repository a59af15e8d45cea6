"""Attempts to get out, look around or take more than is given, run for real inside each engine.

A probe is Python that calls `escaped(why)` when the attack worked. It ends with a nonce that only a probe that ran to
its end prints, so a probe that crashes early fails the test instead of passing it. Some probes are also run outside,
where they must succeed: they can tell the difference.
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from nightshift.daemon.kit.run import run
from nightshift.daemon.kit.tar import tar_of
from nightshift.daemon.ports import Sandbox, SandboxSpec

PREAMBLE = """
import ctypes, errno, glob, mmap, os, resource, signal, socket, stat, struct, subprocess, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def escaped(why): print("ESCAPED", why, flush=True)
def call(number, *args):
    ctypes.set_errno(0)
    return libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
def attempt(action, why):
    try:
        action()
    except (OSError, PermissionError):
        return
    escaped(why)
X86 = os.uname().machine == "x86_64"
"""

PROBES = {
    # -- the network
    "network_interfaces": """
        names = [line.split(":")[0].strip() for line in open("/proc/net/dev").readlines()[2:]]
        if names != ["lo"]: escaped(names)
    """,
    "network_route_out": """
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        attempt(lambda: s.connect(("1.1.1.1", 53)), "a route leads out")
    """,
    "network_tcp_out": """
        s = socket.socket(); s.settimeout(2)
        attempt(lambda: s.connect(("1.1.1.1", 443)), "TCP leads out")
    """,
    "network_ipv6_out": """
        s = socket.socket(socket.AF_INET6); s.settimeout(2)
        attempt(lambda: s.connect(("2606:4700:4700::1111", 443)), "IPv6 leads out")
    """,
    "network_names": """
        attempt(lambda: socket.getaddrinfo("example.org", 80), "names resolve")
    """,
    "vsock": """
        attempt(lambda: socket.socket(getattr(socket, "AF_VSOCK", 40), socket.SOCK_STREAM), "AF_VSOCK")
    """,
    "packet_socket": "attempt(lambda: socket.socket(17, socket.SOCK_RAW), 'AF_PACKET')",
    "raw_socket": "attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1), 'raw socket')",
    "netlink_socket": "attempt(lambda: socket.socket(16, socket.SOCK_RAW, 0), 'AF_NETLINK')",
    "kernel_crypto_socket": "attempt(lambda: socket.socket(38, socket.SOCK_SEQPACKET, 0), 'AF_ALG')",
    "bluetooth_and_can_sockets": """
        for family in (29, 31, 39, 21, 41, 44):
            attempt(lambda: socket.socket(family, socket.SOCK_RAW, 1), f"socket family {family}")
    """,
    "abstract_unix_sockets_of_the_host": """
        for line in open("/proc/net/unix").readlines()[1:]:
            if "@" in line and "/" in line: escaped(line)
    """,
    # -- the kernel
    "io_uring": """
        if call(425, 8, ctypes.create_string_buffer(256)) >= 0: escaped("io_uring_setup")
    """,
    "ptrace_init": """
        if call(101 if X86 else 117, 16, 1, 0, 0) == 0: escaped("ptrace of pid 1")
    """,
    "ptrace_own_child": """
        child = os.fork()
        if child == 0:
            time.sleep(3); os._exit(0)
        if call(101 if X86 else 117, 16, child, 0, 0) == 0: escaped("ptrace")
        os.kill(child, 9); os.waitpid(child, 0)
    """,
    "read_another_process_memory": """
        if call(310 if X86 else 270, 1, 0, 0, 0, 0, 0) == 0: escaped("process_vm_readv")
    """,
    "bpf": "call(321 if X86 else 280, 0, ctypes.create_string_buffer(128), 128) >= 0 and escaped('bpf')",
    "perf_events": """
        if call(298 if X86 else 241, ctypes.create_string_buffer(128), 0, -1, -1, 0) >= 0: escaped("perf_event_open")
    """,
    "userfaultfd": "call(323 if X86 else 282, 0) >= 0 and escaped('userfaultfd')",
    "keyring": "call(250 if X86 else 219, 0, -3, 1) >= 0 and escaped('keyctl')",
    "user_namespace": """
        if libc.unshare(0x10000000) == 0: escaped("unshare user namespace")
        if libc.unshare(0x00020000) == 0: escaped("unshare mounts")
    """,
    "namespace_by_clone": """
        pid = call(56 if X86 else 220, 0x10000000 | 17, 0, 0, 0, 0)
        if pid == 0: os._exit(0)
        if pid > 0: escaped("clone with a user namespace")
    """,
    "namespace_by_clone3": """
        args = struct.pack("8Q", 0x10000000, 0, 0, 0, 17, 0, 0, 0)
        pid = call(435, ctypes.c_char_p(args), 64)
        if pid == 0: os._exit(0)
        if pid > 0 or ctypes.get_errno() != errno.ENOSYS: escaped("clone3")
    """,
    "join_a_namespace": """
        for name in os.listdir("/proc/1/ns") if os.access("/proc/1/ns", os.R_OK) else []:
            try: fd = os.open("/proc/1/ns/" + name, os.O_RDONLY)
            except OSError: continue
            if libc.setns(fd, 0) == 0: escaped("setns " + name)
    """,
    "mount": """
        if libc.mount(b"none", b"/sandbox", b"tmpfs", 0, None) == 0: escaped("mount")
        if libc.mount(b"/usr", b"/usr", None, 0x1000 | 0x20, None) == 0: escaped("remount")
        if libc.umount2(b"/proc", 2) == 0: escaped("umount")
        if call(428, -100, b"/usr", 1) >= 0: escaped("open_tree")
    """,
    "chroot_and_pivot": "libc.chroot(b'/usr') == 0 and escaped('chroot')",
    "load_a_module": "call(313 if X86 else 273, 0, b'', 0) == 0 and escaped('finit_module')",
    "reboot": "call(169 if X86 else 142, 0xfee1dead, 672274793, 0) == 0 and escaped('reboot')",
    "set_the_clock": """
        attempt(lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()), "clock_settime")
    """,
    "set_the_hostname": "attempt(lambda: socket.sethostname('owned'), 'sethostname')",
    "kernel_log": """
        attempt(lambda: os.open("/dev/kmsg", os.O_RDONLY), "/dev/kmsg")
        if libc.klogctl(3, ctypes.create_string_buffer(64), 64) > 0: escaped("syslog(2)")
    """,
    "kernel_identity": """
        for path in ("/proc/cmdline", "/proc/version", "/proc/kallsyms", "/proc/modules", "/proc/config.gz"):
            try: data = open(path, "rb").read(64)
            except OSError: continue
            if data: escaped((path, data))
    """,
    "kernel_memory": """
        for path in ("/dev/mem", "/dev/kmem", "/dev/port", "/proc/kcore", "/dev/sda", "/dev/vda", "/dev/nvme0n1"):
            try: data = os.read(os.open(path, os.O_RDONLY), 1)
            except OSError: continue
            if data: escaped(path)
    """,
    "kernel_settings": """
        for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/vm/overcommit_memory", "/proc/sys/kernel/hostname",
                     "/proc/sysrq-trigger", "/proc/sys/kernel/modprobe"):
            attempt(lambda: os.open(path, os.O_WRONLY), path)
    """,
    "other_terminals": "attempt(lambda: __import__('fcntl').ioctl(0, 0x5412, b'x'), 'TIOCSTI')",
    # -- privileges
    "become_root": """
        for action in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.setgroups([0])):
            attempt(action, "another identity")
        if 0 in (os.getuid(), os.geteuid(), os.getgid()): escaped("runs as root")
    """,
    "capabilities": """
        status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            if int(status[name], 16): escaped((name, status[name]))
        if status["NoNewPrivs"].strip() != "1": escaped("new privileges are possible")
        if status["Seccomp"].strip() != "2": escaped("no system-call filter")
    """,
    "setuid_programs": """
        for name in ("su", "mount", "passwd", "newgrp", "sudo"):
            try: out = subprocess.run([name, "--version"], capture_output=True, timeout=10)
            except OSError: continue
        script = "import os; print(os.geteuid())"
        path = "/sandbox/suid"; open(path, "w").write("#!/bin/sh\\nid -u\\n"); os.chmod(path, 0o4755)
        if subprocess.check_output([path]).strip() == b"0": escaped("a setuid file of ours works")
    """,
    "device_nodes": """
        attempt(lambda: os.mknod("/sandbox/disk", stat.S_IFBLK | 0o600, os.makedev(8, 0)), "mknod block")
        attempt(lambda: os.mknod("/tmp/mem", stat.S_IFCHR | 0o600, os.makedev(1, 1)), "mknod char")
    """,
    "chown": """
        open("/sandbox/mine", "w").close()
        attempt(lambda: os.chown("/sandbox/mine", 0, 0), "chown to root")
    """,
    "priority": "attempt(lambda: os.setpriority(os.PRIO_PROCESS, 0, -10), 'a better priority')",
    "raise_limits": """
        for what in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC):
            hard = resource.getrlimit(what)[1]
            if hard == resource.RLIM_INFINITY: escaped(("no limit", what))
            else:
                try: resource.setrlimit(what, (hard + 1, hard + 1)); escaped(("raised", what))
                except (ValueError, OSError): pass
        if resource.getrlimit(resource.RLIMIT_CORE) != (0, 0): escaped("core dumps")
    """,
    # -- files
    "root_is_read_only": """
        for path in ("/", "/usr", "/etc", "/opt", "/var/tmp", "/dev", "/sbin", "/run", "/sys", sys.prefix):
            attempt(lambda: open(path + "/nightshift-was-here", "w"), path)
    """,
    "secrets_of_the_host": """
        closed = ["/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/etc/ssl/private", "/etc/ssh", "/var/lib/dpkg",
                  "/var/log", "/run/secrets", "/etc/docker", "/boot", "/etc/machine-id"]
        for path in closed + glob.glob("/root/.[bs]*") + glob.glob("/home/*/.[bs]*"):
            if os.path.exists(path): escaped(path)
    """,
    "docker_socket": """
        for path in ("/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/systemd"):
            if os.path.exists(path): escaped(path)
    """,
    "environment_of_the_daemon": """
        for path in glob.glob("/proc/[0-9]*/environ") + ["/proc/self/environ"]:
            try: data = open(path, "rb").read()
            except OSError: continue
            if b"NIGHTSHIFT_PROBE_SECRET" in data: escaped(path)
    """,
    "processes_of_the_host": """
        seen = [int(name) for name in os.listdir("/proc") if name.isdigit()]
        if len(seen) > 12: escaped(seen)
    """,
    "file_through_a_foreign_root": """
        for pid in (1, 2):
            for path in (f"/proc/{pid}/root/etc/shadow", f"/proc/{pid}/cwd/../etc/shadow"):
                attempt(lambda: open(path), path)
    """,
    "handles_left_open": """
        # 0 to 2 are pipes; the directory being listed is one more.
        seen = {fd: os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if os.path.islink(
            f"/proc/self/fd/{fd}")}
        extra = {fd: where for fd, where in seen.items() if int(fd) > 2 and not where.startswith("/proc/")}
        if extra: escaped(extra)
    """,
    "open_by_handle": "call(304 if X86 else 265, 3, ctypes.create_string_buffer(128), 0) >= 0 and escaped('handle')",
    "cgroup_escape": """
        for path in glob.glob("/sys/fs/cgroup/**/release_agent", recursive=True) + glob.glob(
                "/sys/fs/cgroup/**/cgroup.procs", recursive=True):
            attempt(lambda: os.open(path, os.O_WRONLY), path)
    """,
    "host_paths_in_the_work_directory": """
        inside = [line.split()[4] for line in open("/proc/self/mountinfo")]
        nested = [path for path in inside if path.startswith("/sandbox/")]
        if nested: escaped(nested)
    """,
    "writable_mounts": """
        allowed = ("/sandbox", "/tmp", "/dev", "/proc", "/sys")
        for line in open("/proc/self/mountinfo"):
            where, options = line.split()[4:6]
            if "rw" in options.split(",") and not where.startswith(allowed): escaped(line)
    """,
    "write_to_programs": """
        for path in (sys.executable, os.path.realpath(sys.executable), "/usr/bin/env", os.__file__):
            attempt(lambda: open(path, "r+b"), path)
    """,
}  # fmt: skip


def _script(probe: str, nonce: str) -> str:
    return f"{PREAMBLE}\n{textwrap.dedent(probe)}\nprint({nonce!r}, flush=True)\n"


@pytest.mark.parametrize("name", PROBES)
def test_the_attack_is_held(shared: Sandbox, name: str) -> None:
    nonce = secrets.token_hex(8)
    done = shared.run(["python", "-I", "-S", "-c", _script(PROBES[name], nonce)], timeout_s=30)
    assert nonce.encode() in done.stdout, (done.code, done.stdout, done.stderr)
    assert b"ESCAPED" not in done.stdout, done.stdout


@pytest.mark.parametrize("name", ["kernel_identity", "host_reads", "capabilities", "raise_limits_open"])
def test_the_probes_can_tell(name: str) -> None:
    """Outside, the same probes do escape."""
    extra = {
        "host_reads": PROBES["secrets_of_the_host"],
        "raise_limits_open": PROBES["processes_of_the_host"].replace("> 12", "> 2"),
    }
    script = _script(extra.get(name) or PROBES[name], "end")
    done = run([sys.executable, "-I", "-S", "-c", script], timeout_s=30)
    assert b"ESCAPED" in done.stdout, done.stderr


def test_nothing_of_the_daemons_environment_leaks(opened: Callable[[SandboxSpec], Sandbox]) -> None:
    done = opened(SandboxSpec(memory_mb=128)).run(["sh", "-c", "env; cat /proc/*/environ 2>/dev/null"], timeout_s=20)
    ours = [value for name, value in os.environ.items() if len(value) > 12 and name not in ("PATH", "PYTEST_VERSION")]
    path = os.environ.get("PATH", "")
    assert not [value for value in ours if value.encode() in done.stdout and value not in path]


def test_files_of_other_users_stay_closed(shared: Sandbox, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("token")
    secret.chmod(0o600)
    assert shared.run(["cat", str(secret)], timeout_s=20).code != 0
    assert shared.run(["ls", str(tmp_path)], timeout_s=20).code != 0


def test_a_server_of_the_host_is_out_of_reach(shared: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        code = f"import socket; socket.create_connection(('127.0.0.1', {server.getsockname()[1]}), 3)"
        assert shared.run(["python", "-I", "-c", code], timeout_s=20).code != 0
        with pytest.raises(TimeoutError):
            server.accept()


def test_sandboxes_do_not_see_each_other(opened: Callable[[SandboxSpec], Sandbox]) -> None:
    one, two = opened(SandboxSpec(memory_mb=128)), opened(SandboxSpec(memory_mb=128))
    one.put(tar_of({"mine": "one"}))
    one.run(["sh", "-c", "echo one > /tmp/mine; echo one > /dev/shm/mine"], timeout_s=20)
    assert two.run(["sh", "-c", "cat mine /tmp/mine /dev/shm/mine"], timeout_s=20).stdout == b""
    uids = {box.run(["id", "-u"], timeout_s=20).stdout for box in (one, two)}
    assert len(uids) == 2


# ---------------------------------------------------------------- abuse: taking more than is given


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
