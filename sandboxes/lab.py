"""Runs checks on trees, each run in a sandbox of its own, a few at a time.

Reproducer and tester own one lab each: they share no sandbox, no cache and no thread.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from nightshift.daemon.model import Case
from nightshift.daemon.ports import EnvironmentBroke, Sandbox, Sandboxes, SandboxSpec
from nightshift.sandboxes import caps
from nightshift.sandboxes.harness import TestRun, run_check
from nightshift.sandboxes.project import files_for, image_for
from nightshift.sandboxes.trees import Trees

log = logging.getLogger(__name__)


def spec_of(case: Case, treeish: str = "") -> SandboxSpec:
    """The sandbox a case runs in (at its base, where no other tree is named); equal for every part of the house, so
    that a warm one fits all."""
    return image_for(case, treeish)


class Lab:
    """Opens sandboxes holding a tree and runs checks in them, `workers` at a time. Thread-safe."""

    def __init__(self, sandboxes: Sandboxes, *, timeout_s: float, name: str, workers: int = 2) -> None:
        self.sandboxes, self.timeout_s = sandboxes, timeout_s
        self.trees = Trees(limit_mb=SandboxSpec().work_mb)
        self._name, self._slots = name, threading.BoundedSemaphore(workers)
        self._boxes: set[Sandbox] = set()
        weakref.finalize(self, _close_all, self._boxes)
        self._closers = ThreadPoolExecutor(2, thread_name_prefix=f"{name}-close")

    def open(self, case: Case, treeish: str, files: Mapping[str, str]) -> Sandbox:
        """A fresh sandbox, of the image that fits the tree, with the tree and `files` in WORKDIR. Raises
        EnvironmentBroke."""
        tar = self.trees.tar(case.repo, treeish, {**files_for(case, treeish), **files})
        box = self.sandboxes.open(spec_of(case, treeish))
        try:
            box.put(tar)
        except BaseException:
            box.close()
            raise
        return box

    @contextmanager
    def hold(self, spec: SandboxSpec) -> Iterator[Sandbox]:
        """An empty sandbox that is put away afterwards, in the background, or when nobody waits for it any more. Raises
        EnvironmentBroke."""
        box = self.sandboxes.open(spec)
        self._boxes.add(box)
        try:
            yield box
        finally:
            self._boxes.discard(box)
            self._closers.submit(_close, box)

    def start(self, case: Case, treeish: str, files: Mapping[str, str], command: str, **how: Any) -> Future[TestRun]:
        """Run a check in the background; `how` goes to `run_check`. The future raises EnvironmentBroke."""
        future: Future[TestRun] = Future()
        work = (future, case, treeish, files, command, how)
        # Not a pool: its threads are waited for at exit, and a check may take minutes when somebody presses Ctrl-C.
        threading.Thread(target=self._work, args=work, name=self._name, daemon=True).start()
        return future

    def _work(
        self, future: Future[TestRun], case: Case, treeish: str, files: Mapping[str, str], command: str,
        how: dict[str, Any],
    ) -> None:  # fmt: skip
        with self._slots:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(self.run(case, treeish, files, command, **how))
            except BaseException as error:  # noqa: BLE001 - a thread's edge: whatever it is, the waiting side gets it
                future.set_exception(error)

    def run(self, case: Case, treeish: str, files: Mapping[str, str], command: str, **how: Any) -> TestRun:
        """Run a check on a tree. A run that was killed is tried once more: a restarting engine looks the same."""
        run = self._once(case, treeish, files, command, how)
        return self._once(case, treeish, files, command, how) if run.ended == "killed" else run

    def _once(self, case: Case, treeish: str, files: Mapping[str, str], command: str, how: dict[str, Any]) -> TestRun:
        box = self.open(case, treeish, files)
        self._boxes.add(box)
        try:
            run = run_check(box, command, timeout_s=self.timeout_s, **how)
            return replace(run, cap=caps.named(run.ended, box, self.timeout_s))
        finally:
            self._boxes.discard(box)
            self._closers.submit(_close, box)

    def pair(
        self, case: Case, treeish: str, files: Mapping[str, str], command: str, **how: Any
    ) -> tuple[TestRun, TestRun]:
        """The same check twice, side by side in two sandboxes: what differs is flaky."""
        first, second = (self.start(case, treeish, files, command, **how) for _ in range(2))
        return first.result(), second.result()


def _close_all(boxes: set[Sandbox]) -> None:
    """What is still running when nobody waits any more leaves no sandbox behind."""
    for box in list(boxes):
        _close(box)


def _close(box: Sandbox) -> None:
    try:
        box.close()
    except EnvironmentBroke as error:
        log.warning("a sandbox did not close: %s", error)
