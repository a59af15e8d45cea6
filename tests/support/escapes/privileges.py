"""Ways to more rights. Each probe is a program; see the package."""

from __future__ import annotations

PROBES = {
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
    "file_capabilities": """
        open("/sandbox/capable", "w").close()
        attempt(lambda: os.setxattr("/sandbox/capable", "security.capability", bytes(20)), "file capabilities")
    """,
    "trusted_attributes": """
        open("/sandbox/trusted", "w").close()
        attempt(lambda: os.setxattr("/sandbox/trusted", "trusted.overlay.opaque", b"y"), "trusted attributes")
    """,
    "ambient_capabilities": """
        for cap in range(41):
            if libc.prctl(47, 2, cap, 0, 0) == 0: escaped(("ambient", cap))
    """,
    "capset": """
        header, data = struct.pack("Ii", 0x20080522, 0), struct.pack("6I", *[0xFFFFFFFF] * 6)
        if call(126 if X86 else 91, ctypes.c_char_p(header), ctypes.c_char_p(data)) == 0: escaped("capset")
    """,
    "bounding_set_and_securebits": """
        if libc.prctl(28, 0, 0, 0, 0) == 0: escaped("securebits")
        if any(libc.prctl(23, cap, 0, 0, 0) == 1 for cap in range(41)): escaped("a capability in the bounding set")
    """,
    "new_privileges_again": """
        libc.prctl(38, 0, 0, 0, 0)
        if libc.prctl(39, 0, 0, 0, 0) != 1: escaped("no_new_privs can be taken back")
    """,
    "switch_off_the_filter": """
        libc.prctl(22, 0, 0, 0, 0)
        if libc.prctl(21, 0, 0, 0, 0) != 2: escaped("the system-call filter is gone")
        if call(425, 8, ctypes.create_string_buffer(256)) >= 0: escaped("io_uring after the attempt")
    """,
    "real_time_scheduling": """
        for policy in (os.SCHED_FIFO, os.SCHED_RR):
            attempt(lambda: os.sched_setscheduler(0, policy, os.sched_param(50)), "real-time scheduling")
    """,
    "survive_the_memory_killer": """
        def lower():
            now = int(open("/proc/self/oom_score_adj").read())
            with open("/proc/self/oom_score_adj", "w") as out: out.write(str(now - 1000 if now > 0 else -1000))
        attempt(lower, "oom_score_adj")
    """,
    "kill_the_init": """
        for number in (9, 19, 11):
            try: os.kill(1, number)
            except OSError: pass
        time.sleep(0.3)
        if open("/proc/1/stat").read().rpartition(")")[2].split()[0] in ("Z", "X", "T"): escaped("pid 1 was stopped")
    """,
    "map_identities": """
        for name, text in (("uid_map", "0 0 1"), ("gid_map", "0 0 1"), ("setgroups", "allow")):
            def write():
                with open("/proc/self/" + name, "w") as out: out.write(text)
            attempt(write, name)
    """,
    "security_label": """
        def write():
            with open("/proc/self/attr/current", "w") as out: out.write("changeprofile unconfined")
        attempt(write, "another security label")
    """,
    "file_system_identity": """
        libc.setfsuid(0); libc.setfsgid(0)
        if libc.setfsuid(-1) == 0 or libc.setfsgid(-1) == 0: escaped("the file system takes us for root")
    """,
    "supplementary_groups": """
        extra = set(os.getgroups()) - {os.getgid()}
        if extra: escaped(extra)
    """,
    "programs_that_give_rights": """
        tries = (["unshare", "-r", "true"], ["unshare", "-m", "true"], ["nsenter", "-t", "1", "-a", "true"],
                 ["chroot", "/", "true"], ["mount", "-t", "tmpfs", "x", "/tmp"], ["sudo", "-n", "true"],
                 ["su", "-c", "true"], ["pkexec", "true"], ["newuidmap", "1", "0", "0", "1"], ["runuser", "-c", "true"],
                 ["setpriv", "--reuid=0", "true"], ["capsh", "--user=root", "--", "-c", "true"])
        for argv in tries:
            try: code = subprocess.run(argv, capture_output=True, timeout=10, stdin=subprocess.DEVNULL).returncode
            except (OSError, subprocess.TimeoutExpired): continue
            if code == 0: escaped(argv)
    """,
}  # fmt: skip
