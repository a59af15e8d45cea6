"""Runs inside a library's own interpreter: records what its tests call a function with, and answers such calls.

python differential.py record FILE QUALNAME LINE OUT -- PYTEST ARGS     python differential.py replay FILE QUALNAME IN
"""

from __future__ import annotations

import gc
import importlib.util
import inspect
import itertools
import os
import pickle
import random
import re
import signal
import sys

_MOST, _EACH = 150, 6


def record(path: str, name: str, line: int, out: str, arguments: list[str]) -> None:
    """Keep the arguments (pickled) of the first different calls while the tests run."""
    import pytest

    kept: dict[bytes, None] = {}

    def watch(frame, event, _):
        code = frame.f_code
        if event != "call" or code.co_firstlineno != line or len(kept) >= _MOST:
            return
        if code.co_name != name.rpartition(".")[2] or os.path.realpath(code.co_filename) != path:
            return
        info = inspect.getargvalues(frame)
        given = [info.locals[a] for a in info.args], list(info.locals.get(info.varargs or "", ()))
        keywords = dict(info.locals.get(info.keywords or "", {}))
        only = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
        try:
            kept.setdefault(pickle.dumps((*given, {**keywords, **{k: info.locals[k] for k in only}})))
        except Exception:  # noqa: BLE001 - whatever can't be pickled is left out
            return

    sys.setprofile(watch)
    try:
        pytest.main(["-q", "-p", "no:cacheprovider", *arguments])
    finally:
        sys.setprofile(None)
    with open(out, "wb") as stream:
        pickle.dump(list(kept), stream)


def replay(path: str, name: str, source: str) -> None:
    """Print one line for each call and each of its variations: what came back, or what was raised."""
    function = _live(path, name)
    with open(source, "rb") as stream:
        kept = pickle.load(stream)
    chance = random.Random(7)
    for data in kept:
        for number in range(_EACH):
            try:
                positional, rest, keywords = pickle.loads(data)
            except Exception:  # noqa: BLE001 - the module that made it may be gone
                print("lost")
                continue
            if number:
                positional = _varied(positional, chance)
            print(_answer(function, [*positional, *rest], keywords))


def _live(path: str, name: str):
    module = path.removesuffix(".py").removesuffix("/__init__")
    for root in (os.getcwd() + "/src", os.getcwd()):
        if module.startswith(root + "/"):
            importlib.import_module(module[len(root) + 1 :].replace("/", "."))
            break
    for thing in gc.get_objects():
        if not inspect.isfunction(thing) or thing.__qualname__.replace("<locals>.", "") != name:
            continue
        if os.path.realpath(thing.__code__.co_filename) == path:
            return thing
    raise SystemExit("no live function")


def _varied(values: list, chance: random.Random) -> list:
    at = chance.randrange(len(values)) if values else 0
    return [_other(v, chance) if i == at else v for i, v in enumerate(values)]


def _other(value, chance: random.Random):
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return chance.choice([value + 1, value - 1, 0, -value])
    if isinstance(value, float):
        return chance.choice([value + 1, -value, value / 2])
    if isinstance(value, (str, bytes, list, tuple)) and value:
        cut = chance.randrange(len(value))
        return chance.choice([value[:cut], value[cut:], value[:cut] + value[cut + 1 :], value + value, value[::-1]])
    if isinstance(value, dict) and value:
        gone = chance.choice(list(value))
        return {k: v for k, v in value.items() if k != gone}
    return value


def _answer(function, positional: list, keywords: dict) -> str:
    def ring(*_):
        raise TimeoutError

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 1.0)
    try:
        result = function(*positional, **keywords)
        if hasattr(result, "__next__"):
            result = list(itertools.islice(result, 100))
        said = repr(result) + "|" + repr(positional[:1])
    except BaseException as error:  # noqa: BLE001 - an answer too
        said = "raised " + type(error).__name__
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return re.sub(r"0x[0-9a-f]+", "0x", said).replace("\n", " ")[:2000]


if __name__ == "__main__":
    sys.path[:1] = [os.getcwd()]
    if sys.argv[1] == "record":
        record(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5], sys.argv[7:])
    else:
        replay(*sys.argv[2:5])
