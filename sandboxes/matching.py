"""Does a failing test fail like the incident: the same exception type, raised through the crash site's function?"""

from __future__ import annotations

from nightshift.daemon.model import Diagnosis, Frame
from nightshift.sandboxes.harness import Failure, TestRun


def crash_frame(diagnosis: Diagnosis) -> Frame | None:
    """The innermost in-app frame, or None."""
    return diagnosis.frames[-1] if diagnosis.frames else None


def fails_alike(failure: Failure, diagnosis: Diagnosis) -> bool:
    """Same exception type (by its last name), and the crash frame's file and function among the test's frames."""
    crash = crash_frame(diagnosis)
    wanted = diagnosis.exception.rpartition(".")[2]
    if crash is None or not wanted:
        return False
    return any(
        path == crash.path and function == crash.function and exception == wanted
        for path, _, function, exception in failure.frames
    )


def alike(run: TestRun, diagnosis: Diagnosis) -> tuple[str, ...]:
    """Ids of a run that fail like the incident."""
    return tuple(test for test in run.bad if test in run.failures and fails_alike(run.failures[test], diagnosis))


def related(run: TestRun, diagnosis: Diagnosis) -> tuple[str, ...]:
    """Ids whose failure tells of the incident at second hand: a server caught the exception and logged it."""
    crash = crash_frame(diagnosis)
    wanted = diagnosis.exception.rpartition(".")[2]
    if crash is None or not wanted:
        return ()
    told = {test: run.failures[test].text for test in run.bad if test in run.failures}
    return tuple(test for test, text in told.items() if wanted in text and crash.path in text)
