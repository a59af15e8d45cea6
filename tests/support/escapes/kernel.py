"""Ways into the kernel, and system calls that no test needs. Each probe is a program; see the package."""

from __future__ import annotations

PROBES = {
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
    # -- calls that the filter bars; it must answer itself, so that the kernel behind never sees the arguments
    "enter_an_io_uring": "barred('io_uring_enter', 426, 426, 0, 0, 0, 0, 0, 0)",
    "register_with_an_io_uring": "barred('io_uring_register', 427, 427, 0, 0, 0, 0)",
    "kernel_aio": "barred('io_setup', 206, 0, 1, ctypes.create_string_buffer(8))",
    "swap_on": "barred('swapon', 167, 224, b'/sandbox/swap', 0)",
    "swap_off": "barred('swapoff', 168, 225, b'/dev/zero')",
    "process_accounting": "barred('acct', 163, 89, b'/sandbox/acct')",
    "load_another_kernel": "barred('kexec_load', 246, 104, 0, 0, 0, 0)",
    "load_another_kernel_from_a_file": "barred('kexec_file_load', 320, 294, 0, 0, 0, 0, 0)",
    "insert_a_module": "barred('init_module', 175, 105, 0, 0, b'')",
    "remove_a_module": "barred('delete_module', 176, 106, b'loop', 0)",
    "disk_quotas": "barred('quotactl', 179, 60, 0, 0, 0, 0)",
    "watch_whole_file_systems": "barred('fanotify_init', 300, 262, 0, 0)",
    "open_a_file_system": "barred('fsopen', 430, 430, b'tmpfs', 0)",
    "move_a_mount": "barred('move_mount', 429, 429, -100, b'/usr', -100, b'/sandbox', 0)",
    "change_a_mount": "barred('mount_setattr', 442, 442, -100, b'/usr', 0, 0, 0)",
    "pivot_the_root": "barred('pivot_root', 155, 41, b'/', b'/tmp')",
    "take_a_descriptor_of_another_process": "barred('pidfd_getfd', 438, 438, 0, 0, 0)",
    "write_another_process_memory": "barred('process_vm_writev', 311, 271, 1, 0, 0, 0, 0, 0)",
    "advise_another_process_memory": "barred('process_madvise', 440, 440, 0, 0, 0, 0, 0)",
    "compare_kernel_pointers": "barred('kcmp', 312, 272, 1, 1, 0, 0, 0)",
    "move_pages_of_another_process": "barred('move_pages', 279, 239, 1, 0, 0, 0, 0, 0)",
    "migrate_pages_of_another_process": "barred('migrate_pages', 256, 238, 1, 0, 0, 0)",
    "memory_policy": "barred('set_mempolicy', 238, 237, 0, 0, 0)",
    "add_a_key": "barred('add_key', 248, 217, b'user', b'a', b'b', 1, -3)",
    "request_a_key": "barred('request_key', 249, 218, b'user', b'a', 0, -3)",
    "file_handle_of_a_path": "barred('name_to_handle_at', 303, 264, -100, b'/', ctypes.create_string_buffer(128), 0, 0)",
    "set_the_day": "barred('settimeofday', 164, 170, 0, 0)",
    "tune_the_clock": "barred('adjtimex', 159, 171, ctypes.create_string_buffer(256))",
    "set_the_domain_name": "barred('setdomainname', 171, 162, b'owned', 5)",
    "hang_up_the_terminal": "barred('vhangup', 153, 58)",
    "system_v_shared_memory": "barred('shmget', 29, 194, 0, 4096, 0o1666)",
    "system_v_messages": "barred('msgget', 68, 186, 0, 0o1666)",
    "system_v_semaphores": "barred('semget', 64, 190, 0, 1, 0o1666)",
    "posix_message_queues": "barred('mq_open', 240, 180, b'q', 0o102, 0o600, 0)",
    "secret_memory": "barred('memfd_secret', 447, 447, 0)",
    "switch_off_address_randomness": "barred('personality', 135, 92, 0x0040000)",
    "port_input_and_output": "barred('iopl', 172, -1, 3)",
    "segment_descriptors": "barred('modify_ldt', 154, -1, 0, ctypes.create_string_buffer(16), 16)",
    "splice_user_pages": "barred('vmsplice', 278, 75, 1, 0, 0, 0)",
}  # fmt: skip
