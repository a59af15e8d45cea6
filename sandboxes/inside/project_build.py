"""Installs a repository's packages into an environment of their own, inside a sealed build.

Shipped as text and run as ``python -I -S -c`` with frames on its standard streams (see `sandboxes.project.tunnel`):
the first line read is the order, a JSON object; then a loopback port stands for the package index. pip's words go to
standard error. The last frame is the result. There is no other way out of here.
"""

from __future__ import annotations

import glob
import json
import os
import shutil
import socket
import struct
import sys
import threading
import zipfile
from typing import Any

HEADER = struct.Struct(">II")
_FIND_PIP = "import os, pip; print(os.path.dirname(os.path.abspath(pip.__file__)))"


class Frames:
    """The build's end of the tunnel over two descriptors."""

    def __init__(self, reader: int, writer: int) -> None:
        self.reader, self.writer = os.fdopen(reader, "rb"), writer
        self.lock = threading.Lock()
        self.open: dict[int, socket.socket] = {}

    def send(self, number: int, data: bytes) -> None:
        with self.lock:
            left = memoryview(HEADER.pack(number, len(data)) + data)
            while left:
                left = left[os.write(self.writer, left) :]

    def listen(self) -> int:
        """Serve connections on a loopback port in the background; returns the port."""
        server = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, args=(server,), daemon=True).start()
        threading.Thread(target=self._incoming, daemon=True).start()
        return int(server.getsockname()[1])

    def _accept(self, server: socket.socket) -> None:
        number = 0
        while True:
            sock, _ = server.accept()
            number += 1
            self.open[number] = sock
            threading.Thread(target=self._outgoing, args=(number, sock), daemon=True).start()

    def _outgoing(self, number: int, sock: socket.socket) -> None:
        data = b"."
        while data:
            try:
                data = sock.recv(32768)
            except OSError:
                data = b""
            self.send(number, data)

    def _incoming(self) -> None:
        while True:
            header = self.reader.read(HEADER.size)
            if len(header) < HEADER.size:
                os._exit(3)  # the daemon is gone: nobody waits for this build
            number, size = HEADER.unpack(header)
            body = self.reader.read(size)
            sock = self.open.get(number)
            try:
                if sock and body:
                    sock.sendall(body)
                elif sock:
                    self.open.pop(number).close()
            except OSError:
                continue


def run(argv: list[str], env: dict[str, str], *, quiet: bool = False) -> tuple[int, bytes]:
    """A command by its absolute path: its exit code and its words, which go to standard error too unless `quiet`.

    None of this program's own descriptors are open in it.
    """
    reader, writer = os.pipe()
    actions = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0), (os.POSIX_SPAWN_DUP2, writer, 1),
               (os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0) if quiet
               else (os.POSIX_SPAWN_DUP2, writer, 2)]  # fmt: skip
    child = os.posix_spawn(argv[0], argv, env, file_actions=actions)
    os.close(writer)
    said = bytearray()
    while data := os.read(reader, 65536):
        said += data
        if not quiet:
            sys.stderr.buffer.write(data)
            sys.stderr.buffer.flush()
    os.close(reader)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), bytes(said)


def environment(folder: str, env: dict[str, str]) -> str:
    """Make the virtual environment with a pip in it; returns its site-packages, '' when there is no pip anywhere.

    What `ensurepip` would install is unpacked instead, which takes a tenth of the time.
    """
    run([sys.executable, "-I", "-m", "venv", "--without-pip", folder], env)
    site = glob.glob(folder + "/lib/python3*/site-packages")[0]
    library = os.path.dirname(os.__file__)
    bundled = glob.glob(library + "/ensurepip/_bundled/*.whl") or glob.glob("/usr/share/python-wheels/*.whl")
    for wheel in bundled:
        if os.path.basename(wheel).startswith(("pip-", "setuptools-")):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(site)
    if not os.path.isdir(site + "/pip"):
        code, found = run([sys.executable, "-I", "-c", _FIND_PIP], env, quiet=True)
        if code:
            return ""
        shutil.copytree(found.decode().strip(), site + "/pip")
    return site


def install(order: dict[str, Any], port: int, temp: str, env: dict[str, str]) -> tuple[int, str]:
    """Try the lists of requirements in turn; returns which one could be installed (-1: none) and pip's last words."""
    tail = ""
    with open(temp + "/constraints.txt", "w") as out:
        out.write("\n".join(order["constraints"]) + "\n")
    for number, lines in enumerate(order["attempts"]):
        with open(temp + "/requirements.txt", "w") as out:
            out.write("\n".join(lines) + "\n")
        code, said = run(
            [order["folder"] + "/bin/python", "-I", "-m", "pip", "--isolated", "--disable-pip-version-check", "install",
             "--no-input", "--no-color", "--progress-bar", "off", "--no-cache-dir", "--no-warn-script-location",
             "--timeout", "300", "--retries", "1", "--index-url", f"http://127.0.0.1:{port}/simple/",
             *([] if order["sdists"] else ["--only-binary", ":all:"]),
             "-c", temp + "/constraints.txt", "-r", temp + "/requirements.txt"], env)  # fmt: skip
        tail = said[-4000:].decode("utf-8", "replace")
        if code == 0:
            return number, tail
    return -1, tail


def main(reader: int = 0, writer: int = 1) -> None:
    """Build as ordered."""
    os.umask(0o022)
    for descriptor in {reader, writer} - {0, 1, 2}:
        os.set_inheritable(descriptor, False)
    frames = Frames(reader, writer)
    order = json.loads(frames.reader.readline())
    folder = order["folder"]
    temp = folder + "/.build"
    os.makedirs(temp, exist_ok=True)
    env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": temp, "TMPDIR": temp, "LANG": "C.UTF-8",
           "PIP_CONFIG_FILE": "/dev/null", "no_proxy": "*"}  # fmt: skip
    site = environment(folder, env)
    attempt, tail = install(order, frames.listen(), temp, env) if site else (-1, "this Python has no pip")
    if site:
        with open(site + "/nightshift-project.pth", "w") as out:
            out.write("import site; site.addsitedir({!r})\n".format(order["site"]))
    _, held = run([folder + "/bin/python", "-I", "-m", "pip", "freeze", "--all"], env, quiet=True)
    shutil.rmtree(temp, ignore_errors=True)
    result = {"attempt": attempt, "tail": tail, "held": held.decode("utf-8", "replace").split("\n")}
    frames.send(0, json.dumps(result).encode())


if __name__ == "__main__":
    main(*(int(each) for each in sys.argv[1:]))
