"""Calls functions of one version of a tree with given inputs and tells what each call answered, a line per input.

Started as ``python -c <texts> <fd of orders> <fd of answers>``. A line is ``[number, what, text, more]``; `what` is
returned | raised | endless | unbuilt (the input can't be made here) | document (the outcome of docstring examples).
What the code under test writes to the descriptor itself counts as its answer too: it can answer what it likes anyway.
"""

from __future__ import annotations

import io
import json
import os
import resource
import signal
import sys
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nightshift.sandboxes.critic.inside.canon import told
    from nightshift.sandboxes.critic.inside.values import decode, named

YIELDED, MEMORY, FILE, ENDLESS = 100, 900 << 20, 16 << 20, 12


class Overtime(BaseException):
    """A call took more processor time than it may. No Exception, so that it is not swallowed by accident."""


TICKS = [0]
PATIENCE = 4


def _overtime(*_: Any) -> None:
    TICKS[0] += 1
    if TICKS[0] > PATIENCE:  # the call swallows it; the supervisor goes on behind it in another process
        os._exit(9)
    raise Overtime


def _limit(seconds: float) -> None:
    """Give what follows so much processor time."""
    TICKS[0] = 0
    signal.setitimer(signal.ITIMER_PROF, seconds, 0.1)


def answer_of(call: Any, arguments: list[Any], limit_s: float) -> list[Any]:
    """[what, text, type name] of one call, the arguments it changed and what it printed included."""
    before = [told(each) for each in arguments]
    out = io.StringIO()
    sys.stdout = out
    try:
        what, text, kind = _called(call, limit_s)
    except Overtime:  # again, while the first one was on its way
        what, text, kind = "endless", "", ""
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout = sys.__stdout__
    if what == "endless":
        return [what, "", ""]
    after = [told(each) for each in arguments]
    pairs = list(zip(before, after))  # noqa: B905 - strict is not there before Python 3.10
    changed = [f"; argument {at + 1} becomes {new}" for at, (old, new) in enumerate(pairs) if old != new]
    printed = out.getvalue()
    return [what, text + "".join(changed) + (f"; prints {told(printed)}" if printed else ""), kind]


def _called(call: Any, limit_s: float) -> tuple[str, str, str]:
    _limit(limit_s)
    try:
        text, kind = _settled(call())
    except Overtime:
        return "endless", "", ""
    except RecursionError:
        return "raised", "RecursionError", ""
    except BaseException as error:  # noqa: BLE001 - whatever a call raises is its answer
        return "raised", type(error).__name__, ""
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return "returned", text, kind


def _settled(value: Any) -> tuple[str, str]:
    """The text of what was returned: of an iterator what it yields, of a coroutine what it ends with."""
    kind = type(value)
    if kind.__name__ == "coroutine":
        import asyncio

        return _settled(asyncio.run(value))
    if hasattr(kind, "__next__") and hasattr(kind, "__iter__"):
        items = list(islice(value, YIELDED))
        return f"yields {told(items)}", kind.__name__
    return told(value), kind.__name__


def made(row: dict[str, Any]) -> tuple[Any, list[Any]]:
    """A call without arguments, and the arguments it will use."""
    if row.get("source"):
        space: dict[str, Any] = {}
        exec(row["imports"], space)  # noqa: S102 - inside the sandbox: the host wrote it from recorded literals
        compiled = compile(row["source"], "<recorded>", "eval")
        return lambda: eval(compiled, space), []  # noqa: S307 - as above
    function = named([row["module"], row["name"]])
    values = {name: decode(value) for name, value in row["args"]}
    names = [name for name, _ in row["args"]]
    count, only, star, double = row["shape"]
    if isinstance(function, property):
        function = function.fget
    bound = getattr(function, "__self__", None)
    first = names[1:count] if isinstance(bound, type) else names[:count]
    at = count + only
    positional = [values[name] for name in first] + (list(values[names[at]]) if star else [])
    keywords = {name: values[name] for name in names[count:at]}
    if double:
        keywords.update(values[names[at + bool(star)]])
    return lambda: function(*positional, **keywords), list(values.values())


def examples(row: dict[str, Any], limit_s: float) -> list[Any]:
    """Runs the examples of one docstring: a list of 0 and 1 in their order, and what the failing ones gave."""
    import doctest

    results: list[int] = []
    gave: list[str] = []

    class Runner(doctest.DocTestRunner):
        def report_start(self, *_: Any) -> None: ...

        def report_success(self, *_: Any) -> None:
            results.append(1)

        def report_failure(self, *given: Any) -> None:
            results.append(0)
            gave.append(str(given[-1]).strip()[:200])

        def report_unexpected_exception(self, *given: Any) -> None:
            info = given[-1]
            if isinstance(info[1], Overtime):
                raise info[1]
            results.append(0)
            gave.append(info[0].__name__)

    module = named([row["module"], "__dict__"])
    test = doctest.DocTestParser().get_doctest(row["text"], dict(module), "examples", None, 0)
    _limit(limit_s)
    try:
        Runner(verbose=False).run(test, out=lambda _: None)
    except (Overtime, RecursionError):
        results.append(0)
        gave.append("no end")
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout = sys.__stdout__
    return ["document", json.dumps(results), json.dumps(gave[:20])]


def main() -> None:
    """Answer every input from `after` on."""
    orders_fd, out = int(sys.argv[1]), int(sys.argv[2])
    with os.fdopen(orders_fd, "rb") as pipe:
        orders = json.loads(pipe.read().decode())
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE, FILE))
    signal.signal(signal.SIGPROF, _overtime)
    root = os.getcwd()
    sys.path[:0] = [os.path.normpath(os.path.join(root, path)) for path in orders["paths"]]
    inputs = list(enumerate(orders["inputs"]))[orders["after"] :]
    write, endless = os.write, 0
    for number, row in reversed(inputs) if orders["backwards"] else inputs:
        try:
            if "text" in row:
                told_ = examples(row, orders["limit_s"] * 4)
            else:
                call, arguments = made(row)
                told_ = answer_of(call, arguments, orders["limit_s"] / (1 + endless))
                endless += told_[0] == "endless"
        except (Exception, SystemExit, Overtime) as error:  # noqa: BLE001 - an input that can't be made is told so
            told_ = ["unbuilt", type(error).__name__, ""]
        write(out, json.dumps([number, *told_]).encode() + b"\n")
        if endless > ENDLESS:
            break
    write(out, b"[-1]\n")
    os._exit(0)


if __name__ == "__main__":
    main()
