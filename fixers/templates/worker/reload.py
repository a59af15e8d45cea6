"""For changes beyond function bodies: a fresh pytest with the modified source laid over the file, in a forked child.

The server is the process in which pytest is imported and nothing of the repository is, so every child imports and
collects anew. Slower than swapping (about a collection each), never wrong about decorators, defaults or constants.
"""

from __future__ import annotations

import functools
import importlib.machinery
import json
import os
import resource
import signal
import sys
from typing import Any

from .evaluate import Watch, limit_memory
from .items import Items, Plugin, extra_arguments, prepare
from .process import fork_into
from .swap import apply_edits, read_source


def overlay(texts: dict[str, bytes]) -> None:
    """Make the import system read these bytes instead of the files at these paths."""
    loader: Any = importlib.machinery.SourceFileLoader
    get_data, path_stats = loader.get_data, loader.path_stats

    def get(self: Any, path: str) -> bytes:
        return texts[os.path.realpath(path)] if os.path.realpath(path) in texts else get_data(self, path)

    def stats(self: Any, path: str) -> Any:
        if os.path.realpath(path) in texts:
            return {"mtime": 1, "size": len(texts[os.path.realpath(path)])}
        return path_stats(self, path)

    loader.get_data, loader.path_stats = get, stats


def serve(setup: dict[str, Any], requests: int, answers: int) -> None:
    """Fork a child per request line until the other side hangs up."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    buffer = b""
    while True:
        data = os.read(requests, 1 << 16)
        if not data:
            return
        *lines, buffer = (buffer + data).split(b"\n")
        for line in lines:
            request = json.loads(line)
            _, fd = fork_into(functools.partial(_attempt, setup, request, answers))
            os.close(fd)


def _attempt(setup: dict[str, Any], request: dict[str, Any], answers: int, _: int) -> None:
    os.write(answers, b"P %d %d\n" % (request["n"], os.getpid()))
    word = b"dead"
    try:
        word = b"good" if _passes(setup, request) else b"dead"
    finally:
        os.write(answers, b"R %d %s 0 0\n" % (request["n"], word))


def _passes(setup: dict[str, Any], request: dict[str, Any]) -> bool:
    import pytest

    grouped: dict[str, list[Any]] = {}
    for path, start, end, text in request["edits"]:
        grouped.setdefault(path, []).append((start, end, text))
    root = setup["root"]
    texts = {}
    for path, edits in grouped.items():
        real = os.path.realpath(os.path.join(root, path))
        text = apply_edits(read_source(real), edits)
        compile(text.lstrip("\ufeff"), real, "exec", dont_inherit=True)
        texts[real] = text.encode(setup["encodings"].get(path, "utf-8"))
    overlay(texts)
    limit_memory()
    resource.setrlimit(resource.RLIMIT_CPU, (int(request["cpu"]) + 1, int(request["cpu"]) + 2))
    outcome = {"good": False}

    def collected(session: Any) -> None:
        outcome["good"] = not plugin.collect_errors and _all_pass(Items(session, plugin), request)

    plugin = Plugin(collected)
    prepare(root, setup["module_mode"])
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - the process ends with it
    pytest.main([*setup["args"], *extra_arguments(setup["args"])], plugins=[plugin])
    return outcome["good"]


def _all_pass(items: Items, request: dict[str, Any]) -> bool:
    wanted: list[str] = request["failing"]
    if any(i not in items.by_id for i in wanted + request["passing"]):
        return False
    first = [items.by_id[i] for i in wanted] or items.items
    watch = Watch()
    for item in first:
        watch.arm(request["item_cpu"])
        if items.run(item, full=True) != "passed":
            return False
    watch.disarm()
    good = all(items.run(items.by_id[i], full=True) == "passed" for i in request["passing"])
    items.cleanup()
    return bool(first) and good
