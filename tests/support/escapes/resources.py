"""Ways to more than the share that is given. Each probe is a program; see the package."""

from __future__ import annotations

PROBES = {
    "threads": """
        import threading
        gate, made = threading.Event(), 0
        threading.stack_size(65536)
        try:
            for _ in range(2000):
                threading.Thread(target=gate.wait, daemon=True).start(); made += 1
        except RuntimeError: pass
        gate.set()
        if made > 140: escaped(made)
    """,
    "open_files": """
        held = []
        try:
            while len(held) < 5000: held.append(os.open("/dev/null", os.O_RDONLY))
        except OSError: pass
        count = len(held)
        for fd in held: os.close(fd)
        if count > 1024: escaped(count)
    """,
    "locked_memory": """
        page = ctypes.create_string_buffer(8 << 20)
        if libc.mlock(page, 8 << 20) == 0: escaped("8 MB locked")
        if libc.mlockall(3) == 0: escaped("everything locked")
    """,
    "shared_memory": """
        total = 0
        try:
            with open("/dev/shm/flood", "wb", buffering=0) as out:
                while total < 64: out.write(bytes(1 << 20)); total += 1
        except OSError: pass
        try: os.unlink("/dev/shm/flood")
        except OSError: pass
        if total > 33: escaped(total)
    """,
    "pipe_buffers": """
        import fcntl
        reader, writer = os.pipe()
        attempt(lambda: fcntl.fcntl(writer, 1031, 64 << 20), "a pipe of 64 MB")
    """,
    "huge_pages": """
        try: mmap.mmap(-1, 2 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000)
        except (OSError, ValueError): pass
        else: escaped("huge pages of the host")
    """,
    "a_file_larger_than_the_place": """
        fd = os.open("/sandbox/large", os.O_WRONLY | os.O_CREAT)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        attempt(lambda: os.ftruncate(fd, 100 << 30), "100 GB")
        os.close(fd); os.unlink("/sandbox/large")
    """,
    "reserve_a_large_file": """
        fd = os.open("/sandbox/large", os.O_WRONLY | os.O_CREAT)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        attempt(lambda: os.posix_fallocate(fd, 0, 4 << 30), "4 GB reserved")
        os.close(fd); os.unlink("/sandbox/large")
    """,
    "processes": """
        made = []
        try:
            while len(made) < 1000:
                child = os.fork()
                if child == 0:
                    time.sleep(20); os._exit(0)
                made.append(child)
        except OSError: pass
        for child in made: os.kill(child, 9)
        for child in made: os.waitpid(child, 0)
        if len(made) > 140: escaped(len(made))
    """,
}  # fmt: skip
