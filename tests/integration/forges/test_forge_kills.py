"""A daemon that dies at any call to the server, before it or after it: the next one goes on, and nothing is doubled."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nightshift.daemon.forges.remote import RemoteForge
from nightshift.daemon.model import ChangeState
from nightshift.daemon.ports import NotYet

pytestmark = pytest.mark.slow
Upstream = Any


class Died(BaseException):
    """What stands in for kill -9: nothing catches it."""


class Mortal:
    """A dialect that dies at one of its calls: half of them before the call is made, half after."""

    def __init__(self, real: Any) -> None:
        self._real, self.left = real, -1

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        if name in ("name", "origin", "access", "owners_files", "owners"):
            return found

        def call(*args: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                raise Died
            answer = found(*args)
            self.left -= 1
            if self.left == 0:
                raise Died
            return answer

        return call


@pytest.fixture(params=["github", "gitlab", "gitea"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("forgetful", [False, True], ids=["same folder", "folder lost"])
def test_killed_anywhere_it_goes_on(forge: RemoteForge, upstream: Upstream, tmp_path: Path, forgetful: bool) -> None:
    upstream.commit("owners", CODEOWNERS="* @ada\n.* @ada\n")
    service, mortal = upstream.service(), Mortal(forge.dialect)
    forge.dialect = mortal
    for at in itertools.count(1):
        path, base = forge.sync(service), upstream.tip()
        key = f"m-{at}"
        draft = replace(
            upstream.edit(path, base, at % 19 + 1, f"by {key}", key=key), draft=True, supersedes=(f"m-{at - 1}",)
        )
        mortal.left, died = at, False
        try:
            request = forge.propose(service, draft)
            forge.comment(service, key, "once", "Said once")
            forge.merge(service, key, head=request.head, base=request.base)
        except Died:
            died = True
        mortal.left = -1
        if forgetful:
            forge = RemoteForge(forge.name, mortal, tmp_path / f"anew-{at}", forge.clock, forge.settings)
            forge.sync(service)
        request = forge.propose(service, replace(draft, body=f"Told otherwise, {at}."))
        forge.comment(service, key, "once", "Said once")
        for _ in range(3):
            try:
                merged = forge.merge(service, key, head=request.head, base=request.base)
                break
            except NotYet:
                continue
        assert merged.state is ChangeState.MERGED and merged.merged == upstream.tip()
        mine = [pull for pull in upstream.repo.pulls if pull.branch == request.branch]
        assert len(mine) == 1 and "nightshift" in mine[0].labels
        assert sum("Said once" in text for _, text in mine[0].comments) == 1
        assert upstream.repo.bare.out("rev-list", "--count", "--first-parent", f"{base}..main") == b"1\n"
        if not died:
            break
    assert at > 12
