"""Ways to files, and to knowing about the host. Each probe is a program; see the package."""

from __future__ import annotations

PROBES = {
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
    "link_to_a_foreign_root": """
        for target in ("/proc/1/root/etc/shadow", "/proc/1/root/var/log", "../../../../etc/shadow"):
            try: os.unlink("/sandbox/link")
            except OSError: pass
            os.symlink(target, "/sandbox/link")
            attempt(lambda: os.open("/sandbox/link", os.O_RDONLY), target)
    """,
    "hard_link_to_a_program": "attempt(lambda: os.link('/usr/bin/env', '/sandbox/env'), 'hard link')",
    "rename_over_a_program": """
        open("/sandbox/fake", "w").close()
        attempt(lambda: os.rename("/sandbox/fake", "/usr/bin/env"), "rename")
        attempt(lambda: os.unlink("/usr/bin/env"), "unlink")
        attempt(lambda: os.chmod("/usr/bin/env", 0o777), "chmod")
        attempt(lambda: os.utime("/usr/bin/env"), "utime")
    """,
    "write_through_proc_exe": "attempt(lambda: os.open('/proc/self/exe', os.O_RDWR), '/proc/self/exe')",
    "map_a_program_writable": """
        fd = os.open("/usr/bin/env", os.O_RDONLY)
        attempt(lambda: mmap.mmap(fd, 4096, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE), "a writable mapping")
    """,
    "dirty_pipe": """
        # The flaw of 2022: a page of a read-only file in a pipe with its merge flag left set.
        path = os.path.realpath(os.__file__)
        before = open(path, "rb").read(64)
        reader, writer = os.pipe()
        for _ in range(16): os.write(writer, bytes(4096))
        for _ in range(16): os.read(reader, 4096)
        fd = os.open(path, os.O_RDONLY)
        try: os.splice(fd, writer, 1, offset_src=0)
        except OSError: pass
        else: os.write(writer, b"NIGHTSHIFT")
        if open(path, "rb").read(64) != before: escaped("a read-only file was changed")
    """,
    "dirty_cow": """
        path = os.path.realpath(os.__file__)
        before = open(path, "rb").read(64)
        page = mmap.mmap(os.open(path, os.O_RDONLY), 4096, mmap.MAP_PRIVATE, mmap.PROT_READ)
        def write():
            with open("/proc/self/mem", "r+b", buffering=0) as memory:
                address = ctypes.addressof(ctypes.py_object(page))
                for line in open("/proc/self/maps"):
                    if path in line and " r--p" in line:
                        memory.seek(int(line.split("-")[0], 16)); memory.write(b"NIGHTSHIFT"); return
        try: write()
        except OSError: pass
        if open(path, "rb").read(64) != before: escaped("a read-only file was changed")
    """,
    "devices": """
        known = {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm", "mqueue", "fd", "stdin",
                 "stdout", "stderr", "console", "core"}
        extra = set(os.listdir("/dev")) - known
        if extra: escaped(extra)
    """,
    "terminals_of_the_host": """
        for name in os.listdir("/dev/pts") if os.path.isdir("/dev/pts") else []:
            if name != "ptmx": escaped("/dev/pts/" + name)
    """,
    "devices_of_virtual_machines": """
        for name in ("kvm", "vhost-vsock", "vhost-net", "vfio/vfio", "uinput", "dri/card0", "nvidia0", "hpet", "rtc"):
            attempt(lambda: os.open("/dev/" + name, os.O_RDONLY), name)
    """,
    "loop_devices_and_fuse": """
        for name in ("loop-control", "loop0", "fuse", "mapper/control", "btrfs-control", "nbd0", "ram0", "cuse"):
            attempt(lambda: os.open("/dev/" + name, os.O_RDONLY), name)
    """,
    "anything_writable_in_sys": """
        seen = 0
        for folder, _, names in os.walk("/sys"):
            for name in names:
                seen += 1
                path = os.path.join(folder, name)
                if seen < 20000 and os.access(path, os.W_OK): escaped(path)
    """,
    "anything_writable_in_proc_sys": """
        for folder, _, names in os.walk("/proc/sys"):
            for name in names:
                path = os.path.join(folder, name)
                def write():
                    with open(path, "r+b", buffering=0) as out: out.write(out.read(64) or b"1")
                attempt(write, path)
    """,
    "hidden_parts_of_proc": """
        for name in ("kcore", "keys", "key-users", "latency_stats", "timer_list", "sched_debug", "interrupts", "iomem",
                     "ioports", "diskstats", "partitions", "vmallocinfo", "slabinfo", "kpagecount", "kpageflags", "mtrr"):
            try: data = open("/proc/" + name, "rb").read(16)
            except OSError: continue
            if data: escaped((name, data))
        for name in ("acpi", "scsi", "asound", "fs"):
            if os.path.isdir("/proc/" + name) and os.listdir("/proc/" + name): escaped(name)
    """,
    "hidden_parts_of_sys": """
        for path in ("/sys/firmware", "/sys/kernel", "/sys/devices/virtual/powercap", "/sys/block", "/sys/class/net",
                     "/sys/fs/ext4"):
            if os.path.isdir(path) and os.listdir(path): escaped((path, os.listdir(path)[:3]))
    """,
    "serial_numbers_of_the_machine": """
        for name in ("product_serial", "product_uuid", "board_serial", "chassis_serial"):
            attempt(lambda: os.open("/sys/class/dmi/id/" + name, os.O_RDONLY), name)
    """,
    "only_two_places_to_write": """
        allowed = ("/sandbox", "/tmp", "/dev/shm", "/proc", "/dev/mqueue")
        for folder, names, _ in os.walk("/"):
            names[:] = [n for n in names if os.path.join(folder, n) not in allowed and not os.path.islink(
                os.path.join(folder, n)) and folder.count("/") < 4]
            if not folder.startswith(allowed) and os.access(folder, os.W_OK): escaped(folder)
    """,
    "raise_limits_of_the_control_group": """
        for name in ("memory.limit_in_bytes", "memory.max", "pids.max", "cpu.max", "cpu.cfs_quota_us"):
            for path in glob.glob("/sys/fs/cgroup/**/" + name, recursive=True):
                attempt(lambda: os.open(path, os.O_WRONLY), path)
    """,
    "make_a_control_group": """
        for path in ["/sys/fs/cgroup"] + glob.glob("/sys/fs/cgroup/*"):
            attempt(lambda: os.mkdir(path + "/nightshift-was-here"), path)
    """,
    "name_of_the_host": "os.uname().nodename == 'sandbox' or escaped(os.uname().nodename)",
    "users_of_the_host": """
        names = [line.split(":")[0] for line in open("/etc/passwd")]
        if set(names) - {"root", "nobody"}: escaped(names)
    """,
    "a_crash_leaves_no_core": """
        child = os.fork()
        if child == 0:
            os.chdir("/sandbox"); os.abort()
        _, status = os.waitpid(child, 0)
        if os.WCOREDUMP(status) or glob.glob("/sandbox/*core*"): escaped("a core file")
    """,
}  # fmt: skip
