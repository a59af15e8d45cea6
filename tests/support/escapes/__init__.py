"""Attempts to get out of a sandbox, look around or take more than is given, as programs.

A probe is Python that calls `escaped(why)` when the attack worked. It ends with a nonce that only a probe that ran to
its end prints, so a probe that crashes early fails the test instead of passing it.
"""

from __future__ import annotations

import textwrap

from support.escapes import files, kernel, network, privileges, resources

TOPICS = {
    "the network": network.PROBES, "the kernel": kernel.PROBES, "privileges": privileges.PROBES, "files": files.PROBES,
    "taking more than is given": resources.PROBES,
}  # fmt: skip
PROBES = {name: text for probes in TOPICS.values() for name, text in probes.items()}

PREAMBLE = """
import ctypes, errno, glob, mmap, os, resource, signal, socket, stat, struct, subprocess, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def escaped(why): print("ESCAPED", why, flush=True)
def call(number, *args):
    ctypes.set_errno(0)
    return libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
def barred(name, x86, arm, *args):
    number = x86 if X86 else arm
    if number >= 0 and (call(number, *args) >= 0 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS)):
        escaped((name, errno.errorcode.get(ctypes.get_errno())))
def attempt(action, why):
    try:
        action()
    except (OSError, PermissionError):
        return
    escaped(why)
X86 = os.uname().machine == "x86_64"
"""


def script(probe: str, nonce: str) -> str:
    """The whole program of a probe."""
    return f"{PREAMBLE}\n{textwrap.dedent(probe)}\nprint({nonce!r}, flush=True)\n"
