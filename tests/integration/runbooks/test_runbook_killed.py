"""A process that runs a book is killed with -9; another one goes on from the record it left."""

import json
import os
import signal
import sys
import time

from nightshift.daemon.kit.run import spawn
from nightshift.runbooks.context import Context
from nightshift.runbooks.load import load_book
from nightshift.runbooks.runner import Runner
from nightshift.runbooks.testing import FileRecord

WRITE = "import sys; open(sys.argv[1], 'a').write(sys.argv[2] + chr(10))"
WAIT = (
    "import os, sys, time\n"
    "if not os.path.exists(sys.argv[2]):\n"
    "    open(sys.argv[1] + '.new', 'w').write(str(os.getpid()))\n"
    "    os.rename(sys.argv[1] + '.new', sys.argv[1])\n"
    "    time.sleep(120)\n"
)
RUN = """
import sys
from nightshift.runbooks.context import Context
from nightshift.runbooks.load import load_book
from nightshift.runbooks.testing import FileRecord
from nightshift.runbooks.runner import Runner
import json
commands = tuple(map(tuple, json.loads(sys.argv[2])))
Runner(Context(commands=commands), FileRecord(sys.argv[3])).run(load_book(sys.argv[1]), key="run-1")
"""


def test_kill_9_in_the_middle_of_a_step(tmp_path):
    effects, waiting, go = tmp_path / "effects", tmp_path / "waiting", tmp_path / "go"
    commands = [
        [sys.executable, "-c", WRITE, str(effects), "one"],
        [sys.executable, "-c", WAIT, str(waiting), str(go)],
        [sys.executable, "-c", WRITE, str(effects), "three"],
    ]
    steps = [
        {"name": f"s{n}", "action": "command", "with": {"argv": c, "repeat": n == 1}} for n, c in enumerate(commands)
    ]
    (tmp_path / "b.yaml").write_text(json.dumps({"name": "b", "description": "d", "steps": steps}))
    argv = [sys.executable, "-c", RUN, str(tmp_path / "b.yaml"), json.dumps(commands), str(tmp_path / "runs")]
    child = spawn(argv)
    deadline = time.monotonic() + 60
    while not waiting.exists() and time.monotonic() < deadline and child.poll() is None:
        time.sleep(0.01)
    child.kill()
    child.wait()
    assert waiting.exists()
    os.kill(int(waiting.read_text()), signal.SIGKILL)
    assert effects.read_text() == "one\n"
    go.touch()
    context = Context(commands=tuple(map(tuple, commands)))
    result = Runner(context, FileRecord(tmp_path / "runs")).run(load_book(tmp_path / "b.yaml"), key="run-1")
    assert [s.resumed for s in result.steps] == [True, False, False]
    assert result.ok
    assert effects.read_text() == "one\nthree\n"
