"""Attempts to get out, look around or take more than is given, run for real inside each engine.

The probes are in `support.escapes`. Some are also run outside, where they must succeed: they can tell the difference.
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.escapes import PROBES, TOPICS, script

from nightshift.daemon.kit.run import run
from nightshift.daemon.kit.tar import tar_of
from nightshift.daemon.ports import Sandbox, SandboxSpec


@pytest.mark.parametrize("name", PROBES)
def test_the_attack_is_held(shared: Sandbox, name: str) -> None:
    nonce = secrets.token_hex(8)
    done = shared.run(["python", "-I", "-S", "-c", script(PROBES[name], nonce)], timeout_s=30)
    assert nonce.encode() in done.stdout, (done.code, done.stdout, done.stderr)
    assert b"ESCAPED" not in done.stdout, done.stdout


@pytest.mark.parametrize("name", ["kernel_identity", "host_reads", "capabilities", "raise_limits_open"])
def test_the_probes_can_tell(name: str) -> None:
    """Outside, the same probes do escape."""
    extra = {
        "host_reads": PROBES["secrets_of_the_host"],
        "raise_limits_open": PROBES["processes_of_the_host"].replace("> 12", "> 2"),
    }
    text = script(extra.get(name) or PROBES[name], "end")
    done = run([sys.executable, "-I", "-S", "-c", text], timeout_s=30)
    assert b"ESCAPED" in done.stdout, done.stderr


def test_the_documentation_lists_them_all() -> None:
    """docs/security.md says which probes there are, and how many."""
    text = (Path(__file__).parents[4] / "docs" / "security.md").read_text(encoding="utf-8")
    for topic, probes in TOPICS.items():
        said = f"- **{topic}** ({len(probes)}): {', '.join(name.replace('_', ' ') for name in probes)}."
        assert said in text, said
    assert len(PROBES) >= 100
    assert f"{len(PROBES)} probes" in text


def test_nothing_of_the_daemons_environment_leaks(opened: Callable[[SandboxSpec], Sandbox]) -> None:
    done = opened(SandboxSpec(memory_mb=128)).run(["sh", "-c", "env; cat /proc/*/environ 2>/dev/null"], timeout_s=20)
    ours = [value for name, value in os.environ.items() if len(value) > 12 and name not in ("PATH", "PYTEST_VERSION")]
    path = os.environ.get("PATH", "")
    assert not [value for value in ours if value.encode() in done.stdout and value not in path]


def test_files_of_other_users_stay_closed(shared: Sandbox, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("token")
    secret.chmod(0o600)
    assert shared.run(["cat", str(secret)], timeout_s=20).code != 0
    assert shared.run(["ls", str(tmp_path)], timeout_s=20).code != 0


def test_a_server_of_the_host_is_out_of_reach(shared: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        code = f"import socket; socket.create_connection(('127.0.0.1', {server.getsockname()[1]}), 3)"
        assert shared.run(["python", "-I", "-c", code], timeout_s=20).code != 0
        with pytest.raises(TimeoutError):
            server.accept()


def test_sandboxes_do_not_see_each_other(opened: Callable[[SandboxSpec], Sandbox]) -> None:
    one, two = opened(SandboxSpec(memory_mb=128)), opened(SandboxSpec(memory_mb=128))
    one.put(tar_of({"mine": "one"}))
    one.run(["sh", "-c", "echo one > /tmp/mine; echo one > /dev/shm/mine"], timeout_s=20)
    assert two.run(["sh", "-c", "cat mine /tmp/mine /dev/shm/mine"], timeout_s=20).stdout == b""
    uids = {box.run(["id", "-u"], timeout_s=20).stdout for box in (one, two)}
    assert len(uids) == 2
