"""The search: candidates in the order the daemon ranked them, two children at a time, hung ones killed and skipped.

Rounds come as files in a mailbox folder, answers go out as JSON lines. Nothing is decided here about which survivor is
best; the daemon does that.
"""

from __future__ import annotations

import collections
import json
import os
import selectors
import signal
import time
from typing import Any, Callable, Dict

from .evaluate import Candidate, Evaluator, Plan, least_cpu_s, run_batch
from .process import fork_into

Say = Callable[[Dict[str, Any]], None]
_FAST_BATCH = 48
_WALL_S = 1.5
_MORE_RELOADS = 12
_MORE_CPU, _MOST_CPU = 6.0, 40.0
_MOST_BETTER = 24
_MOST_RETRIED, _FEWEST_RETRIED = {_MORE_CPU: 160, _MOST_CPU: 16}, {_MORE_CPU: 16, _MOST_CPU: 3}
_RETRIES_CPU_S = 20.0
_PARTNERS = 24
_PATIENCE_S = 4.0
_STARVED, _LOOK_S = 8, 0.4


class Child:
    """A forked child and what it still owes."""

    def __init__(self, pid: int, fd: int, batch: list[Candidate]) -> None:
        self.pid, self.fd, self.batch = pid, fd, collections.deque(batch)
        self.current: Candidate | None = None
        self.since, self.buffer = time.monotonic(), b""
        self.dead: list[Candidate] = []
        self.looked: Any = None

    def waits(self, now: float) -> bool:
        """Whether it wants to run and gets less than half a core: others use the machine, it does not hang."""
        state, used_s = _running(self.pid)
        if state != "R":
            return False
        if self.looked is None or now - self.looked[0] < _LOOK_S:
            self.looked = self.looked or (now, used_s)
            return True
        since, before = self.looked
        self.looked = (now, used_s)
        return bool(used_s - before < (now - since) / 2)


class Search:
    """Keeps its queues between rounds, so that the daemon can ask for more."""

    def __init__(self, evaluator: Evaluator | None, plan: Plan, ids: dict[str, list[str]], setup: Any, say: Say):
        self.evaluator, self.plan, self.ids, self.setup, self.say = evaluator, plan, ids, setup, say
        self.fresh: collections.deque[Candidate] = collections.deque()
        self.reloads: collections.deque[Candidate] = collections.deque()
        self.confirms: collections.deque[Candidate] = collections.deque()
        self.losers: list[Candidate] = []
        self.retried: dict[float, int] = {}
        self.endless: dict[Any, int] = {}
        self.children: dict[int, Child] = {}
        self.reloading: dict[int, Any] = {}
        self.selector = selectors.DefaultSelector()
        self.seen: set[int] = evaluator.seen if evaluator else set()
        self.good_marks: dict[int, int] = {}
        self.best, self.best_score = -1, 0.0
        self.tried = self.found = self.single = self.batches = 0
        self.reload_buffer, self.retry = b"", True
        if setup["answers"] >= 0:
            self.selector.register(setup["answers"], selectors.EVENT_READ, "reload")

    def run(self, order: dict[str, Any]) -> None:
        """One round: until enough were found, the linger after the first find is over, all is tried, or time is up.

        A `spare` one also ends when only what must be imported anew is left, which is slow: there may be better to do.
        """
        if order["op"] == "try":
            for row in order["candidates"]:
                edits = tuple((p, s, e, t) for p, s, e, t in row["e"])
                candidate = Candidate(row["n"], edits, mode=order.get("mode", "quick"), score=row["s"])
                (self.reloads if row.get("r") or self.evaluator is None else self.fresh).append(candidate)
        start, self.found, self.retried = time.monotonic(), 0, {}
        self.retry = order["op"] == "try"
        if not self.retry:
            self.losers = []
            self.reloads = collections.deque(list(self.reloads)[:_MORE_RELOADS])
        tick = start
        why = ""
        first_find = 0.0
        while not why:
            self._fill()
            self._read(0.05)
            self._kill_hung()
            now = time.monotonic()
            first_find = first_find or (now if self.found else 0.0)
            if now - tick > 0.5:
                tick = now
                self.say({"t": "tick", "tried": self.tried, "left": len(self.fresh) + len(self.reloads)})
            why = self._over(order, start, first_find, now)
        self._abandon()
        self.say({"t": "idle", "why": why, "tried": self.tried, "left": len(self.fresh) + len(self.reloads),
                  "lost": len(self.losers), "reloads": len(self.reloads), "batches": self.batches,
                  "polluted": self.single, "seconds": time.monotonic() - start})  # fmt: skip

    def _over(self, order: dict[str, Any], start: float, first_find: float, now: float) -> str:
        if self.found >= order["patches"]:
            return "patches"
        lingered = now - first_find - order["linger_s"] if first_find else -1.0
        if lingered > 0 and (lingered > _PATIENCE_S or not self._better_waits()):
            return "linger"
        if self.found and self._rest_unlikely(order["unlikely"]):
            return "unlikely"
        if now - start > order["deadline_s"]:
            return "deadline"
        if order.get("spare") and not (self.fresh or self.confirms or self.losers or self.children):
            return "spare"
        waiting = self.fresh or self.reloads or self.confirms or self.losers
        return "" if waiting or self.children or self.reloading else "exhausted"

    # ------------------------------------------------------------ starting

    def _fill(self) -> None:
        while len(self.children) + len(self.reloading) < self.setup["cores"]:
            if not self._start_one():
                return

    def _start_one(self) -> bool:
        self.batches += 1
        reload_turn = self.batches % 4 == 0 or not self.fresh
        better = self._better_losers()
        if self.confirms:
            self._fork([self.confirms.popleft()])
        elif better:
            self.losers.remove(better[0])
            self._fork([better[0]])
        elif self.reloads and not self.reloading and reload_turn:
            self._start_reload(self.reloads.popleft())
        elif self.fresh:
            size = 1 if self.single > 8 or self.fresh[0].mode == "alone" else min(_FAST_BATCH, 6 + self.batches * 4)
            batch = [self.fresh.popleft() for _ in range(min(size, len(self.fresh)))]
            hopeful = [c for c in batch if not self._hopeless(c)]
            self.tried += len(batch) - len(hopeful)
            if hopeful:
                self._fork(hopeful)
        elif self.losers and not self.reloads:
            self._fork([self.losers.pop(0)])
        else:
            return False
        return True

    def _better_losers(self) -> list[Candidate]:
        """After a find: those ranked before it that were only out of time at their first try."""
        return [c for c in self.losers if c.n < self.best and c.cpu == _MORE_CPU][:_MOST_BETTER]

    def _better_waits(self) -> bool:
        """Whether something ranked before the finds, or confirming one, is still to be decided."""
        running = [c for child in self.children.values() for c in (child.current, *child.batch) if c is not None]
        if self.confirms or any(c.mode == "confirm" for c in running) or self._better_losers():
            return True
        return any(c.n < self.best for c in (*running, *list(self.fresh)[:1]))

    def _rest_unlikely(self, share: float) -> bool:
        """Whether all that is left to try is less likely than this share of the best find: it would change nothing."""
        held = (c for child in self.children.values() for c in (child.current, *child.batch) if c is not None)
        left = max((c.score for c in (*held, *list(self.fresh)[:1])), default=0.0)
        return left < share * self.best_score and not self._better_waits()

    def _fork(self, batch: list[Candidate]) -> None:
        evaluator = self.evaluator
        assert evaluator is not None
        pid, fd = fork_into(lambda out: run_batch(evaluator, batch, out))
        child = self.children[fd] = Child(pid, fd, batch)
        self.selector.register(fd, selectors.EVENT_READ, child)

    def _start_reload(self, candidate: Candidate) -> None:
        cpu = max(3.0, 4 * (self.plan.full_cpu + self.plan.failing_cpu))
        request = {
            "n": candidate.n,
            "edits": candidate.edits,
            "cpu": cpu,
            "item_cpu": max(0.2, 20 * self.plan.failing_cpu),
            **self.ids,
        }
        os.write(self.setup["requests"], (json.dumps(request) + "\n").encode())
        self.reloading[candidate.n] = [candidate, 0, time.monotonic(), cpu * 2]

    # ------------------------------------------------------------ listening

    def _read(self, wait_s: float) -> None:
        for key, _ in self.selector.select(wait_s):
            data = os.read(key.fd, 1 << 16)
            if key.data == "reload":
                if not data:
                    self.selector.unregister(key.fd)
                *lines, self.reload_buffer = (self.reload_buffer + data).split(b"\n")
                for line in lines:
                    self._reload_line(line.decode().split())
                continue
            child = key.data
            *lines, child.buffer = (child.buffer + data).split(b"\n")
            for line in lines:
                self._line(child, line.decode().split())
            if not data:
                self._ended(child)

    def _line(self, child: Child, words: list[str]) -> None:
        child.since = time.monotonic()
        if words[0] == "S":
            child.current, child.looked = child.batch.popleft(), None
        elif words[0] == "R" and child.current is not None:
            candidate, child.current = child.current, None
            self._verdict(child, candidate, words[2], int(words[3]), float(words[4]))
        elif words[0] == "Z" and words[1] == "0" and child.dead:
            self.single += 1
            again = [c._replace(mode="alone") for c in child.dead]
            self.fresh.extendleft(reversed(again))
            self.tried -= len(again)

    def _verdict(self, child: Child, candidate: Candidate, word: str, mark: int, grade: float) -> None:
        if candidate.mode != "confirm":
            self.tried += 1
        if word == "reload":
            self.reloads.append(candidate)
        elif word == "budget":
            self._lost(candidate)
        elif word == "good" and candidate.mode == "confirm":
            self._good(candidate, mark)
        elif word == "good":
            self.confirms.append(candidate._replace(mode="confirm"))
        elif word == "dead":
            self.seen.add(mark)
            if candidate.mode == "quick":
                child.dead.append(candidate)
        if candidate.mode == "grade":
            self.say({"t": "grade", "n": candidate.n, "grade": grade})

    def _good(self, candidate: Candidate, mark: int) -> None:
        known = self.good_marks.get(mark, -1) if mark else -1
        if 0 <= known <= candidate.n:
            return
        self.good_marks[mark] = candidate.n
        self.found += known < 0
        self.best = candidate.n if self.best < 0 else min(self.best, candidate.n)
        self.best_score = max(self.best_score, candidate.score)
        self.say({"t": "plausible", "n": candidate.n, "tried": self.tried})

    def _lost(self, candidate: Candidate) -> None:
        """Tried again later with more time: first a little, as the first run of a fresh child is slow, then a lot.

        Only the best ranked, and as many as some CPU seconds allow: where most candidates loop for ever, giving each a
        lot of time would take hours. Nothing is retried to be graded, nor what holds an edit that was endless alone.
        """
        again = [edit for edit in candidate.edits if edit in self.endless] if len(candidate.edits) > 1 else []
        for edit in again:
            self.endless[edit] += 1
        if again or candidate.mode == "grade":
            return
        more = _MORE_CPU if candidate.cpu == 1.0 else _MOST_CPU
        if self.retry and candidate.cpu < _MOST_CPU and self.retried.get(more, 0) < self._most_retried(more):
            self.retried[more] = self.retried.get(more, 0) + 1
            self.losers.append(candidate._replace(cpu=more))
        elif len(candidate.edits) == 1:
            self.endless.setdefault(candidate.edits[0], 0)

    def _most_retried(self, more: float) -> int:
        """How many tries with this much more time fit into the CPU seconds for them all, within bounds."""
        fitting = int(_RETRIES_CPU_S / (more * least_cpu_s(self.plan)))
        return max(_FEWEST_RETRIED[more], min(_MOST_RETRIED[more], fitting))

    def _hopeless(self, candidate: Candidate) -> bool:
        """Whether an edit of several is endless by itself and stayed so with each partner tried."""
        return len(candidate.edits) > 1 and any(self.endless.get(e, 0) >= _PARTNERS for e in candidate.edits)

    def _ended(self, child: Child) -> None:
        """A child is gone: by itself, killed, or torn down by its candidate."""
        self.selector.unregister(child.fd)
        os.close(child.fd)
        os.waitpid(child.pid, 0)
        self.children.pop(child.fd, None)
        if child.current is not None:
            self.tried += 1
        self.fresh.extendleft(reversed(child.batch))

    def _reload_line(self, words: list[str]) -> None:
        entry = self.reloading.get(int(words[1]))
        if entry is None:
            return
        if words[0] == "P":
            entry[1] = int(words[2])
            return
        del self.reloading[int(words[1])]
        self.tried += 1
        if words[2] == "good":
            self._good(entry[0], 0)

    # ------------------------------------------------------------ ending

    def _kill_hung(self) -> None:
        now = time.monotonic()
        for child in list(self.children.values()):
            cpu = child.current.cpu if child.current else 1.0
            allowed = max(_WALL_S, 20 * self.plan.failing_cpu + 8 * self.plan.full_cpu) * (1 if cpu == 1.0 else 6)
            if now - child.since > allowed and not (now - child.since < _STARVED * allowed and child.waits(now)):
                if child.current is not None:
                    self._lost(child.current)
                _kill(child.pid)
                self._ended(child)
        for n, (_, pid, since, limit) in list(self.reloading.items()):
            if now - since > limit + 2:
                self.tried += 1
                del self.reloading[n]
                _kill(pid)

    def _abandon(self) -> None:
        for child in list(self.children.values()):
            if child.current is not None:
                child.batch.appendleft(child.current)
                child.current = None
            _kill(child.pid)
            self._ended(child)
        for entry in self.reloading.values():
            self.reloads.appendleft(entry[0])
            _kill(entry[1])
        self.reloading.clear()
        self.fresh = collections.deque(c for c in self.fresh if c.mode not in ("confirm", "grade"))


def _running(pid: int) -> tuple[str, float]:
    """State and CPU seconds of a process; ('', 0) where that can't be told."""
    try:
        with open("/proc/%d/stat" % pid) as stream:
            words = stream.read().rpartition(")")[2].split()
        return words[0], (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return "", 0.0


def _kill(pid: int) -> None:
    if pid:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return
