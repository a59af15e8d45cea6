"""Runs one pytest session inside a sandbox and reports what each test did, over a pipe opened before any code
under test was imported.

The supervisor starts it as ``python -c <texts> <fd to read orders> <fd to write reports>``; `pytest_integrity` is
executed before it in the same namespace. Every report line
carries a sequence number and a MAC whose key exists in this process only inside closures: code under test shares the
process, so this raises the price of a forgery; the supervisor's cross-checks (canaries, exit code, raw exceptions
against reports, expected ids) and the tester's rules on the patch carry the rest.
"""

from __future__ import annotations

import hashlib
import hmac
import importlib.util
import json
import os
import signal
import sys
import time
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from nightshift.sandboxes.inside.pytest_integrity import Integrity, equal_to_anything

    Send = Callable[[dict[str, Any]], None]

_FRAMES, _TEXT = 40, 2000


class Overtime(BaseException):
    """A test ran longer than it may. Not an `Exception`, so that code under test does not swallow it by accident."""


def sender(fd: int, key: bytes) -> Send:
    """A function that writes signed, numbered records to the supervisor; silent in forked children."""
    owner, count, write, mac, dumps = os.getpid(), [0], os.write, hmac.new, json.dumps
    getpid, sha = os.getpid, hashlib.sha256

    def send(record: dict[str, Any]) -> None:
        if getpid() != owner:
            return
        body = f"{count[0]} {dumps(record)}".encode()
        count[0] += 1
        line = memoryview(mac(key, body, sha).hexdigest().encode() + b" " + body + b"\n")
        while line:
            line = line[write(fd, line) :]

    return send


def frames_of(error: Any) -> list[Any]:
    """In-tree frames of an exception, its causes' first, innermost last: [path, line, function, type] each."""
    root = os.getcwd() + os.sep
    frames: list[Any] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        frames[:0] = _frames_of(error, root)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return frames[-_FRAMES:]


def _frames_of(error: BaseException, root: str) -> list[Any]:
    found, trace = [], error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        path = os.path.abspath(code.co_filename)
        if path.startswith(root) and not code.co_filename.startswith("<"):
            found.append([path[len(root) :], trace.tb_lineno, code.co_name, type(error).__name__])
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and str(error.filename or "").startswith(root):
        found.append([str(error.filename)[len(root) :], error.lineno or 0, "<module>", type(error).__name__])
    return found


def failure(error: BaseException) -> dict[str, Any]:
    """What the tester wants to know of a raised exception."""
    try:
        message = str(error)[:_TEXT]
    except Exception:  # noqa: BLE001 - str() is code under test
        message = "<unprintable>"
    missing = getattr(error, "name", "") if isinstance(error, ImportError) else ""
    return {"frames": frames_of(error), "exception": type(error).__name__, "message": message,
            "missing": str(missing or "")}  # fmt: skip


def canaries_of(pytest: Any) -> Any:
    """A maker of tests that must fail, known to nobody but this run: plain items, and one test function."""

    class Canary(pytest.Item):  # type: ignore[misc]
        fixturenames: tuple[str, ...] = ()

        def runtest(self) -> None:
            raise AssertionError(self.name)

        def repr_failure(self, excinfo: Any, style: Any = None) -> str:  # noqa: ARG002 - pytest calls it so
            return "meant to fail"

        def reportinfo(self) -> Any:
            return "", 0, self.name

    class Nest(pytest.Module):  # type: ignore[misc]
        def _getobj(self) -> Any:
            return types.ModuleType("nest")

    def must_fail() -> None:
        raise AssertionError("meant to fail")

    def make(session: Any, names: list[str]) -> list[Any]:
        made = [Canary.from_parent(session, name=name) for name in names]
        try:
            where = (
                {"path": session.path / (names[-1] + ".py")} if hasattr(session, "path") else {"fspath": session.fspath}
            )
            nest = Nest.from_parent(session, **where)
            made[-1] = pytest.Function.from_parent(nest, name=names[-1], callobj=must_fail)
        except (TypeError, AttributeError):  # a pytest of another make: the plain canaries have to do
            pass
        return made

    return make


class Witness:
    """The pytest plugin: selects, repeats, times and reports tests. Passed as an object, importable under no name."""

    def pytest_collection(self) -> None:
        self.collecting = True

    def __init__(self, send: Send, orders: dict[str, Any], pytest: Any, integrity: Integrity) -> None:
        self.collecting = False
        # Everything the hooks need is bound now, before code under test could replace it in its module.
        self.pytest_collection_modifyitems = pytest.hookimpl(hookwrapper=True, tryfirst=True)(
            _select(orders, canaries_of(pytest), integrity, send)
        )
        self.pytest_runtest_makereport = pytest.hookimpl(hookwrapper=True, tryfirst=True)(_raw(send))
        self.pytest_make_collect_report = pytest.hookimpl(hookwrapper=True, tryfirst=True)(_collect(send))
        self.pytest_runtest_logreport = pytest.hookimpl(tryfirst=True)(_logged(send))
        self.pytest_runtest_protocol = pytest.hookimpl(hookwrapper=True, tryfirst=True)(_timed(orders, integrity, send))
        self.pytest_sessionfinish = pytest.hookimpl(hookwrapper=True, tryfirst=True)(_finish(orders, integrity, send))


def _select(
    orders: dict[str, Any], canaries_for: Any, integrity: Integrity, send: Send
) -> Callable[..., Generator[None, Any, None]]:
    def pytest_collection_modifyitems(session: Any, items: list[Any]) -> Generator[None, Any, None]:
        yield
        if orders["only"] is not None:
            items[:] = [i for i in items if i.nodeid in set(orders["only"])]
        if orders["backwards"]:
            items.reverse()
        ids = [i.nodeid for i in items]
        again = [i for i in items if i.nodeid in set(orders["repeat"])]
        names = orders["canaries"][: 2 + (orders["rounds"] if again else 0)]
        canaries = canaries_for(session, names)
        send({"k": "items", "ids": ids, "canaries": names, "tampered": integrity.broken()})
        items.insert(0, canaries.pop())
        while len(canaries) > 1:  # a canary parts the rounds: pytest can't run one item twice in a row
            items.append(canaries.pop())
            items.extend(again)
        items.append(canaries.pop())

    return pytest_collection_modifyitems


def _raw(send: Send) -> Callable[..., Generator[None, Any, None]]:
    def pytest_runtest_makereport(item: Any, call: Any) -> Generator[None, Any, None]:
        before = call.excinfo
        if before is not None:
            send({"k": "raised", "id": item.nodeid, "when": call.when, **failure(before.value)})
        yield
        if before is None and call.excinfo is not None:  # unittest's exceptions arrive late
            send({"k": "raised", "id": item.nodeid, "when": call.when, **failure(call.excinfo.value)})

    return pytest_runtest_makereport


def _collect(send: Send) -> Callable[..., Generator[None, Any, None]]:
    def pytest_make_collect_report(collector: Any) -> Generator[None, Any, None]:
        report = (yield).get_result()
        if not report.failed and (report.skipped or not collector.nodeid or "::" in collector.nodeid):
            return
        info = getattr(getattr(report, "call", None), "excinfo", None)
        error: Any = info.value if info is not None else None
        if type(error).__name__ == "CollectError":
            error = error.__cause__ or error.__context__ or error
        told = failure(error) if report.failed and error is not None else {}
        send({"k": "collected", "id": collector.nodeid, "ok": not report.failed, **told,
              "text": str(report.longrepr)[-_TEXT:] if report.failed else ""})  # fmt: skip

    return pytest_make_collect_report


def _logged(send: Send) -> Callable[..., None]:
    def pytest_runtest_logreport(report: Any) -> None:
        text = ""
        if report.outcome == "failed":
            kept = [body for title, body in getattr(report, "sections", ()) if "err" in title or "log" in title]
            text = "\n".join([str(report.longrepr)[-_TEXT:]] + [body[-_TEXT:] for body in kept])
        send({"k": "report", "id": report.nodeid, "when": report.when, "outcome": report.outcome,
              "xfail": hasattr(report, "wasxfail"), "text": text})  # fmt: skip

    return pytest_runtest_logreport


def _timed(orders: dict[str, Any], integrity: Integrity, send: Send) -> Callable[..., Generator[None, Any, None]]:
    clock, setitimer = time.monotonic, signal.setitimer
    names: dict[int, dict[str, Any]] = {}

    def ring(number: int, frame: Any) -> None:  # noqa: ARG001 - a signal handler
        raise Overtime(f"the test ran longer than {orders['test_timeout_s']:g} s")

    def pytest_runtest_protocol(item: Any) -> Generator[None, Any, None]:
        send({"k": "start", "id": item.nodeid})
        examples = getattr(item, "dtest", None)
        if examples is not None:  # doctest empties the names of what it ran
            examples.globs = dict(names.setdefault(id(item), dict(examples.globs)))
        began, previous = clock(), signal.signal(signal.SIGALRM, ring)
        setitimer(signal.ITIMER_REAL, orders["test_timeout_s"], 1.0)
        try:
            yield
        finally:
            setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)
            taken = round(clock() - began, 4)
            send({"k": "end", "id": item.nodeid, "s": taken, "tampered": integrity.broken_hot()})

    return pytest_runtest_protocol


def _finish(orders: dict[str, Any], integrity: Integrity, send: Send) -> Callable[..., Generator[None, Any, None]]:
    def pytest_sessionfinish(session: Any) -> Generator[None, Any, None]:
        yield
        classes = equal_to_anything(os.getcwd() + os.sep) if orders["probe"] else []
        send({"k": "equal", "classes": classes, "tampered": integrity.broken()})
        send({"k": "finish", "code": int(session.exitstatus)})

    return pytest_sessionfinish


def main(read_fd: int, write_fd: int) -> int:
    """Read the orders, run pytest, say how it ended."""
    with os.fdopen(read_fd, "rb") as pipe:
        orders = json.loads(pipe.read().decode())
    os.set_inheritable(write_fd, False)
    send = sender(write_fd, bytes.fromhex(orders.pop("key")))
    if "PYTEST_DISABLE_PLUGIN_AUTOLOAD" not in os.environ and importlib.util.find_spec("xdist"):
        orders["args"] += ["-n0"]  # its workers would run the tests where nobody watches
    sys.argv = ["pytest"] + orders["args"]
    try:
        import pytest
    except ImportError as error:
        send({"k": "nopytest", "why": f"{type(error).__name__}: {error}"})
        return 3
    if orders["module"]:
        sys.path.insert(0, os.getcwd())
    send({"k": "begin", "pytest": pytest.__version__})
    witness = Witness(send, orders, pytest, Integrity(os.getcwd() + os.sep))
    code = int(pytest.main(orders["args"], plugins=[witness]))
    if code == 3 and not witness.collecting:
        blocked = broken_plugins()
        if blocked:
            code = int(pytest.main(blocked + orders["args"], plugins=[witness]))
    return code


def broken_plugins() -> list[Any]:
    """Options that keep out installed pytest plugins which can't even be imported: a fault of the environment."""
    from importlib.metadata import entry_points

    found: Any = entry_points()
    chosen = found.select(group="pytest11") if hasattr(found, "select") else found.get("pytest11", [])
    options = []
    for point in chosen:
        try:
            point.load()
        except ImportError:
            options += ["-p", "no:" + point.name]
    return options


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
