"""The hardened profile as data: what must be in it, and what must never be."""

from __future__ import annotations

import ctypes.util
import json

import pytest
from pydantic import ValidationError

from nightshift.daemon.ports import WORKDIR, SandboxSpec
from nightshift.sandboxes import filter, profile
from nightshift.sandboxes.all_sandboxes import ENGINES, Settings

SPEC = SandboxSpec(memory_mb=100, work_mb=20, pids=30, cpus=8.0)
NEVER = {
    "io_uring_setup", "io_uring_enter", "ptrace", "process_vm_readv", "process_vm_writev", "mount", "umount2",
    "pivot_root", "chroot", "unshare", "setns", "bpf", "perf_event_open", "userfaultfd", "keyctl", "add_key",
    "request_key", "init_module", "finit_module", "delete_module", "kexec_load", "reboot", "swapon", "syslog",
    "open_by_handle_at", "name_to_handle_at", "move_mount", "open_tree", "fsopen", "clock_settime", "settimeofday",
    "sethostname", "setdomainname", "acct", "quotactl", "iopl", "ioperm", "kcmp", "pidfd_getfd", "personality",
    "socket", "clone", "socketpair", "clone3",
}  # fmt: skip


def _rules() -> list[dict[str, object]]:
    rules: list[dict[str, object]] = json.loads(profile.seccomp_profile())["syscalls"]
    return rules


def test_system_calls_are_refused_unless_listed() -> None:
    assert json.loads(profile.seccomp_profile())["defaultAction"] == "SCMP_ACT_ERRNO"
    free = {name for rule in _rules() if rule["action"] == "SCMP_ACT_ALLOW" and not rule.get("args")
            for name in rule["names"]}  # type: ignore[attr-defined]  # fmt: skip
    assert not free & NEVER
    assert {"read", "write", "execve", "futex", "openat", "mmap"} <= free


def test_only_unix_and_internet_sockets() -> None:
    families = {rule["args"][0]["value"] for rule in _rules() if "socket" in rule["names"]}  # type: ignore[index,operator]
    assert families == {1, 2, 10}


def test_clone_makes_no_namespaces_and_clone3_is_absent_as_far_as_programs_can_tell() -> None:
    clone = next(rule for rule in _rules() if rule["names"] == ["clone"])
    assert clone["args"] == [{"index": 0, "value": 0x7E020000, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]
    clone3 = next(rule for rule in _rules() if rule["names"] == ["clone3"])
    assert (clone3["action"], clone3["errnoRet"]) == ("SCMP_ACT_ERRNO", 38)


@pytest.mark.skipif(not ctypes.util.find_library("seccomp"), reason="libseccomp is not here")
def test_the_filter_is_a_kernel_program() -> None:
    program = filter.program()
    assert len(program) % 8 == 0
    assert 100 < len(program) // 8 < 4096


def test_the_container_has_every_line_of_the_profile() -> None:
    host = profile.host_config(SPEC, 4242, ("/usr",), cpus=2.0)
    assert (host["NetworkMode"], host["IpcMode"], host["CapDrop"]) == ("none", "private", ["ALL"])
    assert (host["ReadonlyRootfs"], host["Init"], host["AutoRemove"], host["Privileged"]) == (True, True, True, False)
    assert host["Memory"] == host["MemorySwap"] == 100 << 20
    assert host["NanoCpus"] == 2_000_000_000
    assert (host["PidsLimit"], host["ShmSize"]) == (30, 16 << 20)
    assert host["LogConfig"] == {"Type": "none", "Config": {}}
    assert host["SecurityOpt"][0] == "no-new-privileges"
    assert host["SecurityOpt"][1].startswith("seccomp={")
    assert {"/proc/cmdline", "/proc/version", "/proc/kallsyms"} <= set(host["MaskedPaths"])
    assert host["Mounts"] == [{"Type": "bind", "Source": "/usr", "Target": "/usr", "ReadOnly": True}]


def test_what_can_be_written_is_small_owned_and_counted() -> None:
    tmpfs = profile.host_config(SPEC, 4242, (), cpus=2.0)["Tmpfs"]
    assert set(tmpfs) == {WORKDIR, "/tmp"}
    for options in tmpfs.values():
        assert {"uid=4242", "gid=4242", "nosuid", "nodev"} <= set(options.split(","))
        assert "size=" in options
        assert "nr_inodes=" in options
    assert "size=20m" in tmpfs[WORKDIR]
    assert "exec" in tmpfs[WORKDIR].split(",")
    assert "noexec" in tmpfs["/tmp"].split(",")


def test_limits() -> None:
    limits = {each["Name"]: each["Hard"] for each in profile.host_config(SPEC, 1, (), cpus=1.0)["Ulimits"]}
    assert limits["core"] == 0
    assert limits["fsize"] == 20 << 20
    assert limits["nofile"] == 1024
    assert limits["nproc"] >= SPEC.pids


def test_the_container_only_sleeps_until_its_deadline() -> None:
    body = profile.container(image="i", uid=7, lifetime_s=99, labels={"a": "b"}, env={"K": "v"}, host={})
    assert (body["Entrypoint"], body["Cmd"], body["User"]) == (["sleep"], ["99"], "7:7")
    assert (body["Env"], body["NetworkDisabled"], body["Labels"]) == (["K=v"], True, {"a": "b"})


def test_settings_make_specs_and_refuse_nonsense() -> None:
    settings = Settings(memory_mb=128, work_mb=64)
    assert settings.limited(SandboxSpec(python="/p")) == SandboxSpec(python="/p", memory_mb=128, work_mb=64)
    assert settings.limited(SandboxSpec(image="x")).image == "x"
    with pytest.raises(ValidationError):
        Settings(engine="rkt")  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        Settings.model_validate({"memroy_mb": 1})
    assert list(ENGINES) == ["docker", "bubblewrap"]
