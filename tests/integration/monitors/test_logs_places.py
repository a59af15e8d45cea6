"""Logs where people keep them: packed after rotation, behind links, beside pipes and devices, closed to us."""

import bz2
import gzip
import lzma
import os
import shutil
import stat

import pytest
import zstandard

from nightshift.daemon.kit.clock import SystemClock
from nightshift.monitors import logs
from nightshift.monitors.logs.testing import numbered
from nightshift.monitors.testing import ListSink, watching

PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstandard.ZstdCompressor().compress}


def watch(sink, *patterns, **settings):
    files = [logs.LogFile(path=str(pattern), service="shop") for pattern in patterns]
    return watching(logs.create(logs.Settings(files=files, **settings), {}, SystemClock()), sink)


def append(path, text):
    with open(path, "a") as file:
        file.write(text)


def expect(sink, numbers):
    wanted = sorted(f"'n{n}'" for n in numbers)
    sink.wait(lambda s: len(s.signals) >= len(wanted))
    assert sorted(s.message for s in sink.signals) == wanted


def pack(path, end, *, seconds=False):
    """As packers do: a new file with the time of the last write (bzip2 keeps whole seconds), then the old one goes."""
    status = os.stat(path)
    with open(path, "rb") as file, open(f"{path}.{end}", "wb") as out:
        out.write(PACKERS[end](file.read()))
    stamp = status.st_mtime_ns // 10**9 * 10**9 if seconds else status.st_mtime_ns
    os.utime(f"{path}.{end}", ns=(stamp, stamp))
    os.unlink(path)


@pytest.mark.parametrize("end", sorted(PACKERS))
@pytest.mark.parametrize("pattern", ["app.log", "app.log*"])
def test_what_was_rotated_and_packed_while_we_were_down_is_read_on_from_its_unpacked_offset(end, pattern, tmp_path):
    path, sink = tmp_path / "app.log", ListSink()
    append(path, numbered(0, pad="x" * 300))
    with watch(sink, tmp_path / pattern, from_start=True):
        expect(sink, [0])
    append(path, numbered(1))
    os.rename(path, f"{path}.2")
    pack(f"{path}.2", end, seconds=end == "bz2")
    append(path, numbered(2, pad="y" * 300))
    os.rename(path, f"{path}.1")
    pack(f"{path}.1", end)
    append(path, numbered(3))
    with watch(sink, tmp_path / pattern):
        expect(sink, range(4))
    with watch(sink, tmp_path / pattern):
        append(path, numbered(4))
        expect(sink, range(5))


def test_broken_and_unfinished_packed_files_hurt_nobody(tmp_path):
    path, sink = tmp_path / "app.log", ListSink()
    append(path, numbered(0, pad="x" * 300))
    with watch(sink, path, from_start=True):
        expect(sink, [0])
    data = gzip.compress((path.read_text() + numbered(1) + os.urandom(4000).hex()).encode())
    path.rename(tmp_path / "gone")
    (tmp_path / "app.log.1.gz").write_bytes(data[: len(data) // 2])
    (tmp_path / "app.log.2.gz").write_bytes(os.urandom(500))
    (tmp_path / "app.log.3.zst").write_bytes(b"")
    append(path, numbered(2))
    with watch(sink, path, grace_s=0.3):
        sink.wait(lambda s: any(x.message == "'n2'" for x in s.signals))
    assert {"'n0'", "'n2'"} <= {s.message for s in sink.signals}


def test_a_glob_that_matches_the_copies_of_copytruncate_counts_nothing_twice(tmp_path):
    path, sink = tmp_path / "app.log", ListSink()
    path.touch()
    with watch(sink, f"{path}*", from_start=True, reconcile_s=0.1):
        for number in range(12):
            append(path, numbered(number))
            sink.wait(lambda s, n=number: any(x.message == f"'n{n}'" for x in s.signals))
            if number % 3 == 2:
                shutil.copyfile(path, f"{path}.{number}")
                os.truncate(path, 0)
        expect(sink, range(12))
    with watch(sink, f"{path}*"):
        append(path, numbered(12))
        expect(sink, range(13))
    assert len(sink.received) == 13


POD = "shop_web-7_0a1b-2c3d"
ID = "0123456789abcdef" * 4


def test_kubernetes_logs_behind_links_are_followed_through_rotation_and_restart_of_the_container(tmp_path):
    pods, links, sink = tmp_path / "pods" / POD / "app", tmp_path / "containers", ListSink()
    pods.mkdir(parents=True)
    links.mkdir()
    path = pods / "0.log"
    append(path, numbered(0))
    (links / f"web-7_shop_app-{ID}.log").symlink_to(path)
    with watch(sink, links / "*.log", from_start=True, reconcile_s=3600):
        expect(sink, [0])
        append(path, numbered(1))
        expect(sink, range(2))
        os.rename(path, pods / "0.log.20261120-030000")
        append(path, numbered(2))
        expect(sink, range(3))
        append(pods / "1.log", numbered(3))
        (links / f"web-7_shop_app-{ID[::-1]}.log").symlink_to(pods / "1.log")
        expect(sink, range(4))
    pack(pods / "0.log.20261120-030000", "gz")
    append(path, numbered(4))
    os.rename(path, pods / "0.log.20261120-040000")
    pack(pods / "0.log.20261120-040000", "gz")
    append(path, numbered(5))
    with watch(sink, links / "*.log", reconcile_s=3600):
        expect(sink, range(6))
    labels = sink.signals[0].labels
    assert (labels["namespace"], labels["pod"], labels["container"], labels["container_id"]) == (
        "shop",
        "web-7",
        "app",
        ID,
    )


def test_a_link_that_points_elsewhere_is_a_rotation(tmp_path):
    link, sink = tmp_path / "current.log", ListSink()
    (tmp_path / "store").mkdir()
    for number in (0, 1):
        append(tmp_path / "store" / f"{number}.txt", numbered(number))
    link.symlink_to(tmp_path / "store" / "0.txt")
    with watch(sink, link, from_start=True, reconcile_s=3600):
        expect(sink, [0])
        (tmp_path / "next").symlink_to(tmp_path / "store" / "1.txt")
        os.rename(tmp_path / "next", link)
        expect(sink, [0, 1])
        append(tmp_path / "store" / "1.txt", numbered(2))
        expect(sink, range(3))


def test_pipes_devices_folders_and_closed_files_never_hold_it_up(tmp_path, caplog):
    sink = ListSink()
    os.mkfifo(tmp_path / "pipe.log")
    (tmp_path / "folder.log").mkdir()
    (tmp_path / "zero.log").symlink_to("/dev/zero")
    (tmp_path / "nothing.log").symlink_to(tmp_path / "missing")
    (tmp_path / "loop.log").symlink_to(tmp_path / "loop.log")
    closed = tmp_path / "closed.log"
    append(closed, numbered(9))
    closed.chmod(0)
    append(tmp_path / "app.log", numbered(0))
    with watch(sink, tmp_path / "*.log", from_start=True, reconcile_s=0.05):
        sink.wait(lambda s: any(x.message == "'n0'" for x in s.signals))
        append(tmp_path / "app.log", numbered(1))
        sink.wait(lambda s: any(x.message == "'n1'" for x in s.signals))
    assert stat.S_ISFIFO((tmp_path / "pipe.log").stat().st_mode)
    said = [r.getMessage() for r in caplog.records if "can't be read" in r.getMessage()]
    assert len(said) == len(set(said))


def test_a_folder_that_moves_in_brings_its_files(tmp_path):
    sink, outside = ListSink(), tmp_path / "outside"
    (tmp_path / "in").mkdir()
    (outside / "deep").mkdir(parents=True)
    append(outside / "deep" / "app.log", numbered(0))
    with watch(sink, f"{tmp_path}/in/**/app.log", reconcile_s=3600):
        sink.wait(lambda s: s.checkpoints)
        os.rename(outside, tmp_path / "in" / "now")
        expect(sink, [0])
        append(tmp_path / "in" / "now" / "deep" / "app.log", numbered(1))
        expect(sink, [0, 1])
