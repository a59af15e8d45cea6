"""`nightshift heal` as a user and as a program would use it, with every kind of bad input."""

import contextlib
import json
import socket
import threading
import time

import pytest

pytestmark = pytest.mark.engine

MEAN = "def mean(values):\n    return sum(values) / (len(values) - 1)\n"
TEST = "from stats import mean\n\n\ndef test_mean():\n    assert mean([1, 2, 3]) == 2\n    assert mean([4]) == 4\n"
CHECK = "python -m pytest -q"


def snapshot(repository) -> tuple[str, str, set[str]]:
    files = {str(p) for p in repository.path.rglob("*") if ".git/" not in str(p)}
    return repository.git("status", "--porcelain"), repository.git("rev-parse", "HEAD"), files


def test_heals_a_one_edit_bug(repository):
    repository.commit({"stats.py": MEAN, "test_stats.py": TEST})
    before = snapshot(repository)
    healed = repository.heal("--check", CHECK)
    assert healed.code == 0, healed.err
    result = healed.json
    assert result["outcome"] == "healed"
    assert result["patch"]["files"] == ["stats.py"]
    assert result["patch"]["fixer"] == "templates"
    assert repository.applies(result["patch"]["diff"])
    assert [g["judgement"] for g in result["verdict"]["gates"]] == ["accepted"] * len(result["verdict"]["gates"])
    assert {"reproducing", "drafting", "judging", "total"} <= set(result["durations_s"])
    assert result["candidates"] > 0
    assert all(repository.applies(diff) for diff in result["alternatives"])
    assert healed.err == "", "progress is for terminals"
    assert snapshot(repository) == before, "the repository is only read"


def test_reverts_the_commit_to_blame(repository):
    good = "def price(cents):\n    return f'{cents // 100}.{cents % 100:02d}'\n"
    test = "from money import price\n\n\ndef test_price():\n    assert price(1205) == '12.05'\n"
    repository.commit({"money.py": good, "test_money.py": test, "notes.txt": "a"}, "prices")
    repository.commit({"money.py": "def price(cents):\n    return '%d.%d' % divmod(cents, 100)\n"}, "shorter")
    repository.commit({"notes.txt": "b"}, "later work")
    healed = repository.heal("--check", CHECK, "--fixers", "revert")
    assert healed.code == 0, healed.out + healed.err
    assert healed.json["patch"]["kind"] == "revert"
    assert "shorter" in healed.json["patch"]["rationale"]
    assert "notes.txt" not in healed.json["patch"]["files"]


def test_heals_from_a_log_alone(repository):
    code = "def average(xs):\n    return sum(xs) // len(xs)\n"
    repository.commit(
        {"shop/__init__.py": "", "shop/cart.py": "def average(xs):\n    return sum(xs) // len(xs) if xs else 0\n"}
    )
    repository.commit({"shop/cart.py": code}, "simpler")
    frame = {"filename": "/srv/r/7/shop/cart.py", "lineno": 2, "name": "average", "locals": {"xs": "[]"}}
    trace = {"exc_type": "ZeroDivisionError", "exc_value": "integer division or modulo by zero", "frames": [frame]}
    line = json.dumps({"level": "error", "event": "request failed", "exception": [trace]}).encode()
    healed = repository.heal("--log", "-", stdin=b"noise \xff\xfe\x00\n" + line + b"\n")
    assert healed.code == 0, healed.out + healed.err
    assert healed.json["reproduction"]["kind"] == "synthesised"
    assert healed.json["patch"]["fixer"] == "revert"


def test_a_dirty_work_tree_is_left_alone_and_head_is_healed(repository):
    repository.commit({"stats.py": MEAN, "test_stats.py": TEST})
    repository.write({"stats.py": "this is not python(", "new.txt": "untracked"})
    before = snapshot(repository)
    healed = repository.heal("--check", CHECK)
    assert healed.json["outcome"] == "healed"
    assert snapshot(repository) == before


def test_a_detached_head_is_healed(repository):
    first = repository.commit({"stats.py": MEAN, "test_stats.py": TEST})
    repository.commit({"other.py": "x = 1\n"})
    repository.git("checkout", "-q", first)
    healed = repository.heal("--check", CHECK, "--fixers", "templates")
    assert healed.json["outcome"] == "healed"


def test_no_tests_at_all(repository):
    repository.commit({"app.py": "x = 1\n"})
    healed = repository.heal("--check", CHECK)
    assert healed.code == 1
    assert healed.json["outcome"] == "no_patch"
    assert "no test" in healed.json["reason"]


def test_tests_that_nothing_can_make_pass(repository):
    repository.commit(
        {"app.py": "x = 1\n", "test_app.py": "import app\n\n\ndef test_x():\n    assert app.x == 'unheard of'\n"}
    )
    healed = repository.heal("--check", CHECK, "--budget-s", "60")
    assert healed.code == 1
    assert healed.json["patch"] is None


def test_a_check_that_passes_already(repository):
    repository.commit({"stats.py": "def mean(v):\n    return sum(v) / len(v)\n", "test_stats.py": TEST})
    healed = repository.heal("--check", CHECK)
    assert healed.code == 1
    assert "passes already" in healed.json["reason"]


def test_a_check_that_hangs(repository):
    repository.commit({"app.py": "x = 1\n"})
    started = time.monotonic()
    healed = repository.heal("--check", "sleep 600", "--budget-s", "5")
    assert healed.code in (1, 3)
    assert healed.json["outcome"] in ("no_patch", "unjudged")
    assert time.monotonic() - started < 120


def test_a_log_that_points_nowhere(repository):
    repository.commit({"app.py": "x = 1\n"})
    healed = repository.heal("--log", "-", stdin=b"2026-01-01 INFO all is well\n" * 100)
    assert healed.code == 2
    assert healed.out == ""
    assert "--check" in healed.err


def test_binary_garbage_and_a_50_mb_line_in_the_log(repository):
    repository.commit({"stats.py": MEAN, "test_stats.py": TEST})
    garbage = bytes(range(256)) * 1000 + b"x" * (50 << 20) + b"\nTraceback (most recent call last):\n\xff\xfe\n"
    healed = repository.heal("--check", CHECK, "--log", "-", "--fixers", "templates", stdin=garbage)
    assert healed.json["outcome"] == "healed", healed.err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "nothing to heal"),
        (("--check", "true", "--fixers", "revrt"), "revert"),
        (("--log", "/no/such/file"), "can't read the log"),
        (("--check", "true", "--python", "/no/python"), "python"),
        (("--check", "true", "--budget-s", "-1"), "more than 0"),
        (("--chek", "true"), "--check"),
    ],
)
def test_bad_usage_is_one_clear_line(repository, args, said):
    repository.commit({"app.py": "x = 1\n"})
    healed = repository.heal(*args)
    assert healed.code == 2
    assert healed.out == ""
    assert said in healed.err
    assert "Traceback" not in healed.err


def test_not_a_repository_and_an_empty_one(repository, tmp_path):
    empty = repository.heal("--check", "true")
    assert (empty.code, empty.out) == (2, "")
    assert "no commit" in empty.err
    (tmp_path / "plain").mkdir()
    repository.path = tmp_path / "plain"
    plain = repository.heal("--check", "true")
    assert (plain.code, plain.out) == (2, "")
    assert "not a git repository" in plain.err


def test_an_image_that_is_not_there(repository):
    repository.commit({"app.py": "x = 1\n"})
    healed = repository.heal("--check", "true", "--image", "no-such-image:1")
    assert healed.code == 3
    assert healed.json["outcome"] == "unjudged"
    assert "no-such-image:1" in healed.json["reason"]


class Cable:
    """A TCP way to the engine's socket that can be cut."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.pairs: list[socket.socket] = []
        self.uncut = True
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while self.uncut:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect("/var/run/docker.sock")
            self.pairs += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    def _pump(self, one: socket.socket, other: socket.socket) -> None:
        try:
            while self.uncut and (data := one.recv(65536)):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def cut(self) -> None:
        self.uncut = False
        self.listener.close()
        for end in self.pairs:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def test_an_engine_that_dies_in_the_middle(repository):
    repository.commit(
        {"app.py": "x = 1\n", "test_app.py": "import time\n\n\ndef test_x():\n    time.sleep(5)\n    assert 0\n"}
    )
    cable = Cable()
    threading.Timer(5.0, cable.cut).start()
    healed = repository.heal("--check", CHECK, env={"DOCKER_HOST": f"tcp://127.0.0.1:{cable.port}"})
    assert healed.code == 3, healed.out
    assert healed.json["outcome"] == "unjudged"
    assert healed.json["patch"] is None


@pytest.mark.bubblewrap
def test_without_docker_bubblewrap_serves(repository):
    repository.commit({"stats.py": MEAN, "test_stats.py": TEST})
    healed = repository.heal("--check", CHECK, env={"DOCKER_HOST": "tcp://127.0.0.1:9"})
    assert healed.code == 0, healed.out + healed.err
    assert healed.json["outcome"] == "healed"


def test_a_model_is_one_more_creator_under_the_same_gate(repository, tmp_path):
    repository.commit({"stats.py": MEAN, "test_stats.py": TEST})
    cheat = {
        "rationale": "quiet",
        "edits": [{"path": "stats.py", "search": "def mean", "replace": "import os\nos._exit(0)\ndef mean"}],
    }
    right = {
        "rationale": "divide by the count",
        "edits": [{"path": "stats.py", "search": "(len(values) - 1)", "replace": "len(values)"}],
    }
    (tmp_path / "answers.json").write_text(json.dumps([cheat, right]))
    config = tmp_path / "nightshift.yaml"
    config.write_text("fixers:\n  model:\n    provider: scripted\n    script: answers.json\n")
    healed = repository.heal("--check", CHECK, "--fixers", "model", "-c", str(config))
    assert healed.code == 0, healed.out + healed.err
    assert healed.json["patch"]["fixer"] == "model"
    assert "os._exit" not in healed.json["patch"]["diff"]
