"""The parts that read hostile bytes, and the owner's name."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import sys
import tarfile
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.daemon.kit.run import run
from nightshift.daemon.kit.tar import tar_of, tar_of_entries
from nightshift.sandboxes.archive import read_members
from nightshift.sandboxes.exec_stream import Stream
from nightshift.sandboxes.owner import is_gone, this_owner


def _frame(kind: int, data: bytes) -> bytes:
    return bytes([kind, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


def _pumped(
    sent: bytes, *, cap: int = 1 << 20, early: bytes = b"", lines: list[bytes] | None = None
) -> tuple[str, Stream]:
    ours, theirs = socket.socketpair()
    stream = Stream(ours, early, cap, lines.append if lines is not None else None)

    def feed() -> None:
        with contextlib.suppress(OSError):
            theirs.sendall(sent)
        theirs.close()

    feeder = threading.Thread(target=feed)
    feeder.start()
    ended = stream.pump(b"", time.monotonic() + 10, lambda: False)
    stream.close()
    feeder.join()
    return ended, stream


def test_frames_are_taken_apart() -> None:
    lines: list[bytes] = []
    ended, stream = _pumped(
        _frame(2, b"err") + _frame(1, b"b\nla") + _frame(1, b"st"), early=_frame(1, b"a"), lines=lines
    )
    assert ended == "exited"
    assert stream.output() == (b"ab\nlast", b"err")
    assert lines == [b"ab", b"last"]


def test_a_flood_is_cut_at_the_cap() -> None:
    ended, stream = _pumped(b"".join(_frame(1, b"x" * 1000) for _ in range(500)), cap=10_000)
    assert ended == "output"
    assert stream.output()[0] == b"x" * 10_000


def test_silence_ends_at_the_deadline_or_when_the_command_is_over() -> None:
    ours, theirs = socket.socketpair()
    stream = Stream(ours, b"", 100, None)
    assert stream.pump(b"", time.monotonic() + 0.05, lambda: False) == "timeout"
    assert stream.pump(b"", time.monotonic() + 30, lambda: True) == "exited"
    stream.close()
    theirs.close()


def test_standard_input_is_sent_whole_and_then_closed() -> None:
    ours, theirs = socket.socketpair()
    got = bytearray()

    def read() -> None:
        while data := theirs.recv(65536):
            got.extend(data)
        theirs.close()

    reader = threading.Thread(target=read)
    reader.start()
    stream = Stream(ours, b"", 100, None)
    data = os.urandom(3 << 20)
    assert stream.pump(data, time.monotonic() + 20, lambda: False) == "exited"
    reader.join()
    stream.close()
    assert got == data


def test_members_asked_for_are_read() -> None:
    tar = tar_of({"a/b.txt": "B", "c": b"\0" * 1000, "x" * 150: "long", "not/asked": "no"})
    wanted = ["/a/b.txt", "/c", "/" + "x" * 150, "/missing"]
    assert read_members(tar, wanted) == {"/a/b.txt": b"B", "/c": b"\0" * 1000, "/" + "x" * 150: b"long"}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])
def test_only_regular_files_are_read(kind: bytes) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("a")
        info.type, info.linkname = kind, "/etc/shadow"
        archive.addfile(info)
    assert read_members(buffer.getvalue(), ["/a"]) == {}


def test_a_name_that_climbs_matches_nothing() -> None:
    tar = tar_of_entries([("../a", 0o644, b"evil"), ("b/../a", 0o644, b"evil")])
    assert read_members(tar, ["/a"]) == {}


def test_the_first_of_two_members_with_one_name_counts() -> None:
    tar = tar_of({"a": "first"})[:1024] + tar_of({"a": "second"})
    assert read_members(tar, ["/a"]) == {"/a": b"first"}


def test_a_cut_off_archive_yields_what_was_whole() -> None:
    tar = tar_of({"a": "x" * 2000, "b": "y" * 5000})
    assert read_members(tar[:6000], ["/a", "/b"]) == {"/a": b"x" * 2000}


@given(st.binary(max_size=4096))
def test_no_bytes_upset_the_reader(data: bytes) -> None:
    read_members(data, ["/a"])


@given(st.data())
def test_no_change_of_a_header_upsets_the_reader(data: st.DataObject) -> None:
    tar = bytearray(tar_of({"a": "A" * 700}))
    for _ in range(data.draw(st.integers(1, 8))):
        tar[data.draw(st.integers(0, 511))] = data.draw(st.integers(0, 255))
    found = read_members(bytes(tar), ["/a"])
    assert set(found) <= {"/a"}


def test_a_negative_size_does_not_lead_backwards() -> None:
    header = bytearray(tar_of({"a": "A"})[:512])
    header[124:136] = b"\xff" * 12
    assert read_members(bytes(header) * 4, ["/a"]) == {}


def test_this_process_is_alive_and_an_ended_one_is_not() -> None:
    assert not is_gone(this_owner())
    code = "from nightshift.sandboxes.owner import this_owner; print(this_owner())"
    other = run([sys.executable, "-c", code], timeout_s=30).text().strip()
    assert is_gone(other)


def test_a_reused_pid_is_somebody_else() -> None:
    world, pid, started = this_owner().rsplit(":", 2)
    assert is_gone(f"{world}:{pid}:{int(started) + 1}")


@pytest.mark.parametrize("owner", ["", "x", "::", "other-boot:1:2:3", "a:b:c:d:e:f"])
def test_owners_that_cannot_be_judged_count_as_alive(owner: str) -> None:
    assert not is_gone(owner)
