"""`nightshift check` asks the server a service's requests live on."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from pydantic import SecretStr
from support.hub.server import Fault, Hub

from nightshift.daemon.config.services import ServiceSettings
from nightshift.daemon.doctor import services
from nightshift.daemon.model import Health

Upstream = Any


@pytest.fixture(params=["github", "gitlab", "gitea"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def row(upstream: Upstream, hub: Hub, kind: str, **more: Any) -> Health:
    url = hub.url + (hub.api.prefix if kind == "github" else "")
    settings = import_module(f"nightshift.daemon.forges.{kind}").Settings(
        url=url, **{"token": SecretStr(hub.token), **more}
    )
    service = ServiceSettings(
        name="shop", repo=upstream.address, forge="code", **({"branch": more["branch"]} if "branch" in more else {})
    )
    return next(found for found in services.checks(service, settings) if found.what == "shop: repository")


def test_a_forge_that_works_is_green(upstream: Upstream, hub: Hub, kind: str) -> None:
    upstream.repo.required_checks = ["unit"]
    found = row(upstream, hub, kind)
    assert found.ok and not found.fix and upstream.tip()[:12] in found.detail
    assert "1 required check(s)" in found.detail or "pipelines must succeed" in found.detail


def test_nothing_required_is_worth_a_word(upstream: Upstream, hub: Hub, kind: str) -> None:
    found = row(upstream, hub, kind)
    assert found.ok and "required_checks" in found.fix
    assert row(upstream, hub, kind, required_checks=("unit",)).fix == ""


def test_a_token_that_is_not_accepted_is_red_and_not_shown(upstream: Upstream, hub: Hub, kind: str) -> None:
    found = row(upstream, hub, kind, token=SecretStr("an-old-token-of-mine"))
    assert not found.ok and "forges.code" in found.fix and "an-old-token" not in found.detail + found.fix


def test_a_token_the_api_refuses_is_red(upstream: Upstream, hub: Hub, kind: str) -> None:
    hub.faults.append(
        Fault("GET", r"/(repos/acme/shop|projects/acme%2Fshop)$", status=403, body={"message": "no"}, times=9)
    )
    found = row(upstream, hub, kind)
    assert not found.ok and "may not do this" in found.detail
