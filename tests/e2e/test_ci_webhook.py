"""From a forge's word that the pipeline fails to a proven change: the service's own check makes it red."""

import hmac
import json
import sys
import time

import httpx
import pytest

from nightshift.daemon.kit.run import spawn
from nightshift.daemon.model import ENDS, Stage
from nightshift.daemon.store.store import Store

pytestmark = [pytest.mark.engine, pytest.mark.slow]
SECRET = "a-webhook-secret-of-the-tests"
GOOD = "def price(cents):\n    return f'{cents // 100}.{cents % 100:02d}'\n"
BAD = "def price(cents):\n    return '%d.%d' % divmod(cents, 100)\n"
TEST = "from money import price\n\n\ndef test_price():\n    assert price(1205) == '12.05'\n"


def delivery(commit, conclusion="failure", number=1):
    run = {"id": number, "name": "tests", "head_branch": "main", "head_sha": commit, "conclusion": conclusion,
           "run_attempt": 1, "head_repository": {"full_name": "acme/shop"}}  # fmt: skip
    body = {"action": "completed", "workflow_run": run, "repository": {"full_name": "acme/shop"}}
    content = json.dumps(body).encode()
    signature = "sha256=" + hmac.new(SECRET.encode(), content, "sha256").hexdigest()
    return content, {"x-github-event": "workflow_run", "x-hub-signature-256": signature}


def test_a_failing_pipeline_becomes_a_proven_change(tmp_path, repository):
    repository.commit({"money.py": GOOD, "test_money.py": TEST}, "prices")
    commit = repository.commit({"money.py": BAD}, "shorter")
    (tmp_path / "n.yaml").write_text(json.dumps({
        "state_dir": "state", "http": {"port": 0},
        "monitors": {"ci": {"secret": "env:CI_SECRET", "repositories": {"acme/shop": "shop"}}},
        "services": [{"name": "shop", "repo": str(repository.path), "check": "python -m pytest -q"}],
    }))  # fmt: skip
    port_file = tmp_path / "state" / "http.port"
    with (tmp_path / "log").open("ab") as log:
        argv = [sys.executable, "-m", "nightshift.daemon.cli", "run", "-c", str(tmp_path / "n.yaml")]
        daemon = spawn(argv, stdout=log, env={"CI_SECRET": SECRET})
    try:
        deadline = time.monotonic() + 60
        while not (port_file.exists() and port_file.read_text().strip()):
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.05)
        url = f"http://127.0.0.1:{port_file.read_text().strip()}/webhooks/ci"
        content, headers = delivery(commit)
        for _ in range(2):
            assert httpx.post(url, content=content, headers=headers, trust_env=False).json() == {"signals": 1}
        assert httpx.post(url, content=content + b" ", headers=headers, trust_env=False).status_code == 401
        store, deadline = Store.open(tmp_path / "state" / "nightshift.db"), time.monotonic() + 150
        while not (found := store.missions.list()) or found[0].stage not in {*ENDS, Stage.AWAITING_APPROVAL}:
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.2)
        [incident] = store.incidents.list()
        store.close()
    finally:
        daemon.kill()
        daemon.wait()
    assert len(found) == 1 and found[0].stage == Stage.AWAITING_APPROVAL, found[0].reason
    assert incident.count == 1 and incident.title == "tests fails on main"
