"""What the page on forges shows is a configuration, and mistakes in one are told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nightshift.daemon.app.compose import forges
from nightshift.daemon.config import load_config
from nightshift.daemon.config.errors import ConfigError
from nightshift.daemon.eyes import forge_hooks
from nightshift.daemon.forges.local import LocalForge
from nightshift.daemon.forges.remote import RemoteForge
from nightshift.daemon.forges.routed import Routed
from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.model import Service
from nightshift.daemon.ports import Refused

DOCS = Path(__file__).parents[3] / "docs" / "forges.md"
SECRETS = {"GITHUB_TOKEN": "a-token-for-tests", "FORGE_WEBHOOK_SECRET": "a-secret-for-tests"}


def written(folder: Path, text: str) -> Path:
    (folder / "n.yaml").write_text(text)
    return folder / "n.yaml"


def test_the_example_is_a_configuration(tmp_path: Path) -> None:
    [example] = re.findall(r"```yaml\n(.*?)```", DOCS.read_text(), re.DOTALL)
    config = load_config(written(tmp_path, example), environ=SECRETS)
    made = forges(config, SystemClock())
    assert isinstance(made, Routed)
    shop = config.services_model()["shop"]
    assert isinstance(made.of(shop), RemoteForge) and made.path(shop).parent == config.state_dir / "forge" / "code"
    assert isinstance(made.of(Service(name="other", repo="/srv/x.git")), LocalForge)
    with pytest.raises(Refused, match="not configured"):
        made.of(Service(name="other", repo="/srv/x.git", forge="gone"))
    [hook] = forge_hooks(config, SystemClock()).values()
    assert hook.paths == ("/webhooks/forges/code",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("forges: {code: {kind: githb, token: 'env:GITHUB_TOKEN'}}", "forges.code: kind 'githb' is not known here; did you mean 'github'?"),
        ("forges: {code: {token: 'env:GITHUB_TOKEN'}}", "forges.code: needs 'kind'"),
        ("forges: {code: {kind: github}}", "needs either `token`"),
        ("forges: {code: {kind: gitea, token: 'env:GITHUB_TOKEN'}}", "forges.code.url: missing"),
        ("forges: {code: {kind: github, token: clear}}", "forges.code.token: a secret is never written in clear"),
        ("forges: {code: {kind: github, token: 'env:GITHUB_TOKEN', merge: fast}}", "'fast' is not known here"),
        ("forges: {local: {kind: github, token: 'env:GITHUB_TOKEN'}}", "choose another name"),
        ("services: [{name: shop, repo: 'https://x/a/b.git', forge: cod}]\nforges: {code: {kind: github, token: 'env:GITHUB_TOKEN'}}", "did you mean 'code'?"),
        ("services: [{name: shop, repo: 'https://x/a/b.git', forge: cod}]", "names the forge 'cod'"),
        ("services: [{name: shop, repo: '.', forge: code}]\nforges: {code: {kind: github, token: 'env:GITHUB_TOKEN'}}", "has to be an https or ssh address"),
    ],
)  # fmt: skip
def test_mistakes_are_told(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        load_config(written(tmp_path, text), environ=SECRETS)
    assert told in str(wrong.value)
