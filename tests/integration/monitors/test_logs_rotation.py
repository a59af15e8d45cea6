"""Files as they live: written, rotated by every method, emptied, deleted, made anew; no traceback lost or doubled."""

import os
import shutil
import time

import pytest

from nightshift.daemon.kit.clock import SystemClock
from nightshift.monitors import logs
from nightshift.monitors.logs.monitor import LogMonitor
from nightshift.monitors.logs.testing import numbered as crash
from nightshift.monitors.testing import ListSink, watching


def monitor_of(path, **settings):
    file = logs.LogFile(path=str(path), service="shop")
    return logs.create(logs.Settings(files=[file], **settings), {}, SystemClock())


def append(path, text):
    with open(path, "a") as file:
        file.write(text)


def messages(sink):
    return [s.message for s in sink.signals]


def expect(sink, numbers):
    wanted = [f"'n{n}'" for n in numbers]
    sink.wait(lambda s: set(wanted) <= set(messages(s)))
    assert sorted(messages(sink)) == sorted(wanted)


def started(path, sink):
    """The monitor has seen the file and saved its offset."""
    sink.wait(lambda s: any(key.endswith(str(path)) and "?" not in key for key in s.checkpoints))


def test_a_file_is_read_from_its_end_at_the_very_first_start(tmp_path):
    path, sink = tmp_path / "app.log", ListSink()
    append(path, crash(0))
    with watching(monitor_of(path), sink):
        started(path, sink)
        append(path, crash(1))
        expect(sink, [1])


def test_a_file_is_read_from_its_start_when_asked_to(tmp_path):
    path, sink = tmp_path / "app.log", ListSink()
    append(path, crash(0))
    with watching(monitor_of(path, from_start=True), sink):
        expect(sink, [0])


def test_a_file_that_does_not_exist_yet_is_read_from_its_first_byte(tmp_path):
    path, sink = tmp_path / "later" / "app.log", ListSink()
    with watching(monitor_of(path, reconcile_s=0.2), sink):
        sink.wait(lambda s: s.checkpoints)
        path.parent.mkdir()
        append(path, crash(0))
        expect(sink, [0])


def test_new_files_of_a_pattern_are_read_and_others_are_not(tmp_path):
    sink = ListSink()
    (tmp_path / "a").mkdir()
    with watching(monitor_of(tmp_path / "*" / "app-*.log"), sink):
        sink.wait(lambda s: s.checkpoints)
        append(tmp_path / "a" / "app-1.log", crash(1))
        append(tmp_path / "a" / "other.log", crash(9))
        (tmp_path / "b").mkdir()
        append(tmp_path / "b" / "app-2.log", crash(2))
        expect(sink, [1, 2])


def test_what_was_written_while_the_monitor_was_down_is_read_later(tmp_path):
    path, sink = tmp_path / "app.log", ListSink()
    append(path, crash(0))
    for number in range(1, 4):
        with watching(monitor_of(path), sink):
            started(path, sink)
        append(path, crash(number))
    with watching(monitor_of(path), sink):
        expect(sink, [1, 2, 3])


def rename(path, number):
    os.rename(path, f"{path}.{number}")


def rename_and_create(path, number):
    rename(path, number)
    path.touch()


def copytruncate(path, number):
    shutil.copyfile(path, f"{path}.{number}")
    os.truncate(path, 0)


def delete(path, number):
    path.unlink()


ROTATIONS = [rename, rename_and_create, copytruncate, delete]


@pytest.mark.parametrize("rotate", ROTATIONS)
def test_rotation_many_times_loses_and_doubles_nothing(rotate, tmp_path):
    path, sink = tmp_path / "app.log", ListSink()
    path.touch()
    with watching(monitor_of(path, from_start=True), sink):
        started(path, sink)
        for number in range(25):
            append(path, crash(number))
            if rotate is delete:
                sink.wait(lambda s, n=number: f"'n{n}'" in messages(s))
            rotate(path, number)
            if rotate is copytruncate:
                sink.wait(lambda s, n=number: f"'n{n}'" in messages(s))
        append(path, crash(25))
        expect(sink, range(26))


@pytest.mark.parametrize("rotate", [rename, rename_and_create, copytruncate])
def test_rotation_while_the_monitor_is_down_loses_nothing_that_was_there_to_find(rotate, tmp_path):
    path, sink = tmp_path / "app.log", ListSink()
    append(path, crash(0))
    with watching(monitor_of(path, from_start=True), sink):
        expect(sink, [0])
    append(path, crash(1))
    rotate(path, 1)
    append(path, crash(2))
    with watching(monitor_of(path), sink):
        expect(sink, range(3))


@pytest.mark.parametrize("rotate", [rename, rename_and_create])
def test_several_rotations_while_the_monitor_is_down(rotate, tmp_path):
    path, sink = tmp_path / "app.log", ListSink()
    append(path, crash(0))
    with watching(monitor_of(path, from_start=True), sink):
        expect(sink, [0])
    for number in range(1, 5):
        append(path, crash(number))
        time.sleep(0.01)  # file systems keep times in ticks of a few milliseconds
        rotate(path, number)
    append(path, crash(5))
    with watching(monitor_of(path), sink):
        expect(sink, range(6))


def test_a_rotated_name_that_matches_the_pattern_too_is_not_read_twice(tmp_path):
    path, sink = tmp_path / "app.log", ListSink()
    monitor = monitor_of(f"{path}*", from_start=True)
    with watching(monitor, sink):
        for number in range(10):
            append(path, crash(number))
            os.rename(path, tmp_path / f"app.log-{number}")
        expect(sink, range(10))
    append(path, crash(10))
    os.rename(path, tmp_path / "app.log-0down")
    with watching(monitor_of(f"{path}*"), sink):
        expect(sink, range(11))


def test_a_file_followed_to_a_name_that_matches_too_is_known_to_the_next_life(tmp_path):
    path, sink = tmp_path / "app.log", ListSink()
    with watching(monitor_of(f"{path}*", from_start=True), sink):
        append(path, crash(0))
        expect(sink, [0])
        os.rename(path, tmp_path / "app.log-1")
        append(tmp_path / "app.log-1", crash(1))
        expect(sink, [0, 1])
    with watching(monitor_of(f"{path}*"), sink):
        append(tmp_path / "app.log-1", crash(2))
        expect(sink, [0, 1, 2])


def test_a_writer_that_keeps_the_renamed_file_open_is_heard(tmp_path):
    path, sink = tmp_path / "app.log", ListSink()
    path.touch()
    with watching(monitor_of(path, from_start=True), sink), open(path, "a") as writer:
        started(path, sink)
        writer.write(crash(0))
        writer.flush()
        os.rename(path, tmp_path / "app.log.1")
        append(path, crash(2))
        expect(sink, [0, 2])
        writer.write(crash(1))
        writer.flush()
        expect(sink, [0, 1, 2])


def test_copytruncate_that_grows_past_the_old_offset_unseen_is_another_generation(tmp_path):
    path, sink = tmp_path / "app.log", ListSink()
    append(path, crash(0))
    with watching(monitor_of(path, from_start=True), sink):
        expect(sink, [0])
    path.write_text(crash(1, pad="x" * 300) + crash(2))
    with watching(monitor_of(path), sink):
        expect(sink, [0, 1, 2])


def test_a_path_that_was_gone_across_a_restart_is_another_generation_even_with_the_same_inode_and_offsets(tmp_path):
    path, sink = tmp_path / "app.log", ListSink()
    spare = tmp_path / "spare"
    for number in range(3):
        with watching(monitor_of(path, from_start=True, grace_s=0, reconcile_s=0.05), sink):
            if spare.exists():
                os.rename(spare, path)
            append(path, crash(number))
            expect(sink, range(number + 1))
            os.rename(path, spare)
            os.truncate(spare, 0)
            sink.wait(lambda s: '"older": []' in s.checkpoints[f"logs:{path}"] and "inode" not in str(s.checkpoints))
    assert len(sink.signals) == 3


def test_the_same_file_under_a_link_is_read_once(tmp_path):
    path, sink = tmp_path / "app.log", ListSink()
    path.touch()
    os.link(path, tmp_path / "alias.log")
    os.symlink(path, tmp_path / "current.log")
    with watching(monitor_of(tmp_path / "*.log", reconcile_s=0.1), sink):
        started("alias.log", sink)
        append(path, crash(0))
        expect(sink, [0])
        append(path, crash(1))
        expect(sink, [0, 1])


def test_more_files_than_descriptors(tmp_path):
    sink = ListSink()
    with watching(monitor_of(tmp_path / "*.log", open_files=3), sink):
        sink.wait(lambda s: s.checkpoints)
        for number in range(40):
            append(tmp_path / f"app{number % 20}.log", crash(number))
        expect(sink, range(40))


def test_without_kernel_events_files_are_polled_and_one_line_says_so(tmp_path, caplog):
    path, other, sink = tmp_path / "app.log", tmp_path / "b" / "other.log", ListSink()
    other.parent.mkdir()
    files = [logs.LogFile(path=str(p), service="shop") for p in (path, other)]
    monitor = LogMonitor(logs.Settings(files=files, poll_s=0.05, reconcile_s=0.2), SystemClock(), kernel=out_of_watches)
    with watching(monitor, sink):
        sink.wait(lambda s: s.checkpoints)
        append(path, crash(0))
        append(other, crash(1))
        expect(sink, [0, 1])
        os.rename(path, tmp_path / "app.log.1")
        append(path, crash(2))
        expect(sink, [0, 1, 2])
    assert [r.levelname for r in caplog.records if "polling" in r.getMessage()] == ["WARNING"]


def out_of_watches():
    """What the kernel says when its limit is reached."""
    raise OSError(28, "inotify watch limit reached")
