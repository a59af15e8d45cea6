"""Merging a request on a server: everything has to stand where it was judged, before and while it happens."""

from __future__ import annotations

from dataclasses import replace

from nightshift.daemon.forges.desk import Desk
from nightshift.daemon.forges.dialect import Pull
from nightshift.daemon.forges.patience import Declined
from nightshift.daemon.forges.records import Record, safe_name
from nightshift.daemon.model import ChangeRequest, ChangeState
from nightshift.daemon.ports import NotYet, Refused, Settled, StaleBase


def check_still(desk: Desk, record: Record, pull: Pull, base: str) -> None:
    """Everything stands where it was judged. Raises Settled, StaleBase."""
    request = record.request
    if pull.state is ChangeState.CLOSED:
        desk.settle(record, ChangeState.CLOSED, reason="closed on the forge")
        raise Settled(f"#{pull.number} was closed by people")
    if pull.head != request.head:
        now = desk.tip_of(f"refs/heads/{pull.branch}")
        if now and now != request.head:
            if not desk.ours(pull.branch, now, request.key):
                raise Settled(f"people pushed to {pull.branch}: it is theirs now")
            raise StaleBase(f"{pull.branch} stands at {now[:12]}, the verdict was on {request.head[:12]}")
        raise NotYet(f"#{pull.number} does not show {request.head[:12]} yet")
    tip = desk.follow()
    if tip != base:
        raise StaleBase(f"{request.target} stands at {tip[:12]}, the verdict was on {base[:12]}")


def merged(desk: Desk, record: Record, pull: Pull, base: str) -> ChangeRequest:
    """Merge, and confirm it. Raises Settled, StaleBase, NotYet, Refused."""
    method = desk.settings.merge_by_repository.get(desk.name, desk.settings.merge)
    title = f"{record.request.title} (#{pull.number})"
    body = f"Nightshift-Key: {safe_name(record.request.key)}"
    if pull.draft:
        desk.tries.read(lambda: desk.dialect.make_ready(desk.name, pull))
        pull = replace(pull, draft=False)

    def done() -> str | None:
        now = desk.dialect.pull(desk.name, pull.number)
        return now.merged if now.state is ChangeState.MERGED else None

    try:
        commit = desk.tries.write(lambda: desk.dialect.merge(desk.name, pull, method, title, body), done)
    except Declined as declined:
        commit = _declined(desk, record, pull, base, declined)
    return desk.confirm(record, commit, base=base).request


def _declined(desk: Desk, record: Record, pull: Pull, base: str, declined: Declined) -> str:
    """Why a merge was not done; the merge's commit when it is done after all. Raises otherwise."""
    now = desk.pull(record)
    if now.state is ChangeState.MERGED:
        return now.merged
    check_still(desk, record, now, base)
    if declined.status in (405, 406, 409, 422):
        raise NotYet(f"#{pull.number} can't be merged now: {declined.text}")
    raise Refused(f"#{pull.number} was not merged: {declined}")
