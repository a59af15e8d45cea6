"""A GitHub App: its key signs for tokens that last an hour, git uses them too, and none of it is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr, ValidationError
from support.hub.github import GitHubApi
from support.hub.published import Unpublished
from support.hub.server import Hub

from nightshift.daemon.forges import github
from nightshift.daemon.forges.remote import RemoteForge
from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.model import ChangeState
from nightshift.daemon.ports import Refused

Upstream = Any


def pem(key: rsa.RSAPrivateKey) -> str:
    kind = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()).decode()


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def hub(key: rsa.RSAPrivateKey, tmp_path: Path) -> Iterator[Hub]:
    api = GitHubApi(app_key=key.public_key())
    try:
        api.described()
    except Unpublished as error:
        pytest.skip(str(error))
    with Hub(tmp_path / "hub", api) as made:
        made.tokens.clear()
        yield made
    assert made.wrong == []


def app(hub: Hub, root: Path, signer: rsa.RSAPrivateKey, **more: Any) -> RemoteForge:
    settings = github.Settings(url=f"{hub.url}/api/v3", app_id=77, private_key=SecretStr(pem(signer)), **more)
    clock = SystemClock()
    return RemoteForge("github", github.dialect(settings, clock), root, clock, settings)


@pytest.mark.parametrize("installation", [5, None])
def test_an_app_opens_and_merges(
    hub: Hub, upstream: Upstream, tmp_path: Path, key: Any, installation: int | None
) -> None:
    forge, service = app(hub, tmp_path / "app", key, installation_id=installation), upstream.service()
    path, base = forge.sync(service), upstream.tip()
    request = forge.propose(service, upstream.edit(path, base, 3, "three"))
    assert forge.merge(service, "m-1", head=request.head, base=base).state is ChangeState.MERGED
    assert hub.api.handed_out == 1
    token = next(iter(hub.tokens))
    kept = [p for p in (tmp_path / "app").rglob("*") if p.is_file()]
    assert kept and not any(token.encode() in p.read_bytes() for p in kept)
    assert "PRIVATE KEY" not in repr(forge.settings)


def test_a_key_of_another_app_is_refused(hub: Hub, upstream: Upstream, tmp_path: Path) -> None:
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with pytest.raises(Refused, match="not accepted"):
        app(hub, tmp_path / "app", stranger, installation_id=5).sync(upstream.service())


def test_one_way_in_has_to_be_chosen(key: Any) -> None:
    for wrong in ({}, {"app_id": 1}, {"token": "x", "app_id": 1, "private_key": "y"}):
        with pytest.raises(ValidationError, match="either"):
            github.Settings(**wrong)
