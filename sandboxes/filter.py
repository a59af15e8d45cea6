"""The system-call allow-list as a kernel program, for engines that don't read Docker's JSON themselves.

libseccomp turns the rules into BPF; it is on every Debian (apt needs it). It is called directly: its Python
binding is not on PyPI.
"""

from __future__ import annotations

import ctypes
import functools
import json
import os
from typing import Any

from nightshift.daemon.ports import EnvironmentBroke
from nightshift.sandboxes.profile import seccomp_profile

_LIBRARY = "libseccomp.so.2"
_ALLOW, _EPERM = 0x7FFF0000, 0x00050001
_COMPARE = {"SCMP_CMP_EQ": 4, "SCMP_CMP_MASKED_EQ": 7}


class _Argument(ctypes.Structure):
    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


@functools.cache
def program() -> bytes:
    """The filter for this machine's architecture, as the kernel takes it. Raises `EnvironmentBroke` without
    libseccomp. System calls this machine does not have are skipped."""
    library = _load()
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(_EPERM)))
    if not context:
        raise EnvironmentBroke("libseccomp could not start a filter")
    try:
        for rule in json.loads(seccomp_profile())["syscalls"]:
            _add(library, context, rule)
        return _export(library, context)
    finally:
        library.seccomp_release(context)


def _load() -> Any:
    try:
        library = ctypes.CDLL(_LIBRARY, use_errno=True)
    except OSError as error:
        raise EnvironmentBroke("libseccomp is missing: apt-get install libseccomp2") from error
    library.seccomp_init.restype = ctypes.c_void_p
    return library


def _add(library: Any, context: ctypes.c_void_p, rule: dict[str, Any]) -> None:
    action = _ALLOW if rule["action"] == "SCMP_ACT_ALLOW" else 0x00050000 | int(rule.get("errnoRet", 1))
    wanted = [
        _Argument(each["index"], _COMPARE[each["op"]], each["value"], each["valueTwo"]) for each in rule.get("args", [])
    ]
    arguments = (_Argument * len(wanted))(*wanted)
    for name in rule["names"]:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            continue
        failed = library.seccomp_rule_add_array(context, ctypes.c_uint32(action), number, len(wanted), arguments)
        if failed:
            raise EnvironmentBroke(f"libseccomp refused the rule for {name} ({failed})")


def _export(library: Any, context: ctypes.c_void_p) -> bytes:
    descriptor = os.memfd_create("seccomp")
    try:
        if library.seccomp_export_bpf(context, descriptor):
            raise EnvironmentBroke("libseccomp could not write the filter")
        return os.pread(descriptor, 1 << 20, 0)
    finally:
        os.close(descriptor)
