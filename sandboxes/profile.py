"""The hardened container profile, as data: one place to read what a Docker sandbox may and may not do.

docs/security.md says what each line stops. Pure functions: nothing here talks to an engine.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from nightshift.daemon.ports import WORKDIR, SandboxSpec

OWNER = "nightshift.sandbox.owner"
DEADLINE = "nightshift.sandbox.deadline"
WORK_INODES = 200_000
TMP_INODES = 50_000
TMP_MB = 128
SHM_BYTES = 16 << 20
MASKED = (
    "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
    "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/proc/interrupts", "/proc/cmdline", "/proc/version",
    "/proc/kallsyms", "/proc/modules", "/proc/config.gz", "/proc/iomem", "/proc/ioports", "/proc/diskstats",
    "/proc/partitions", "/proc/vmallocinfo", "/proc/slabinfo", "/proc/kpagecount", "/proc/kpageflags",
    "/proc/key-users", "/proc/mtrr", "/proc/fs", "/sys/firmware", "/sys/devices/virtual/powercap", "/sys/kernel",
    "/sys/class/net", "/sys/block", "/sys/fs/ext4",
)  # fmt: skip


@functools.cache
def seccomp_profile() -> str:
    """The system-call allow-list, as JSON text in Docker's format."""
    return (files("nightshift.sandboxes") / "seccomp.json").read_text()


def limits(spec: SandboxSpec) -> Mapping[str, int]:
    """Resource limits by their ulimit names; bytes where a size is meant."""
    return {"nofile": 1024, "core": 0, "fsize": spec.work_mb << 20, "nproc": spec.pids * 2, "memlock": 65536}


def host_config(spec: SandboxSpec, uid: int, binds: tuple[str, ...], cpus: float) -> dict[str, Any]:
    """The `HostConfig` of a sandbox's container, in the engine's own words."""
    owner = f"uid={uid},gid={uid},nosuid,nodev"
    memory = spec.memory_mb << 20
    return {
        "NetworkMode": "none", "IpcMode": "private", "CgroupnsMode": "private", "Init": True, "AutoRemove": True,
        "ReadonlyRootfs": True, "Privileged": False, "CapDrop": ["ALL"], "CapAdd": [],
        "SecurityOpt": ["no-new-privileges", f"seccomp={seccomp_profile()}"],
        "MaskedPaths": list(MASKED), "LogConfig": {"Type": "none", "Config": {}},
        "Memory": memory, "MemorySwap": memory, "PidsLimit": spec.pids, "OomScoreAdj": 500,
        "NanoCpus": int(min(spec.cpus, cpus) * 1e9), "ShmSize": SHM_BYTES,
        "Ulimits": [{"Name": name, "Soft": value, "Hard": value} for name, value in limits(spec).items()],
        "Tmpfs": {
            WORKDIR: f"rw,exec,{owner},size={spec.work_mb}m,nr_inodes={WORK_INODES},mode=0700",
            "/tmp": f"rw,noexec,{owner},size={TMP_MB}m,nr_inodes={TMP_INODES},mode=1777",  # noqa: S108
        },
        "Mounts": [{"Type": "bind", "Source": path, "Target": path, "ReadOnly": True} for path in binds],
    }  # fmt: skip


def container(
    *, image: str, uid: int, lifetime_s: int, labels: Mapping[str, str],
    env: Mapping[str, str], host: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """The body of a create call. The container sleeps until its deadline, then ends and removes itself."""
    return {
        "Image": image, "Entrypoint": ["sleep"], "Cmd": [str(lifetime_s)], "User": f"{uid}:{uid}",
        "WorkingDir": WORKDIR, "Hostname": "sandbox", "NetworkDisabled": True, "AttachStdin": False,
        "AttachStdout": False, "AttachStderr": False, "OpenStdin": False, "Tty": False, "StopSignal": "SIGKILL",
        "Labels": dict(labels), "Env": [f"{name}={value}" for name, value in env.items()],
        "Healthcheck": {"Test": ["NONE"]}, "HostConfig": dict(host),
    }  # fmt: skip
