"""Opening a request on a server, and moving it to another round: get or create, step by step."""

from __future__ import annotations

from dataclasses import replace

from nightshift.daemon.forges.changes import commit_of
from nightshift.daemon.forges.desk import NO_LOGIN, PREFIX, Desk, branch_of
from nightshift.daemon.forges.dialect import Pull, Wanted
from nightshift.daemon.forges.patience import Declined
from nightshift.daemon.forges.records import Record
from nightshift.daemon.forges.wording import another_round, neutral_title, request_body
from nightshift.daemon.kit.redact import redact
from nightshift.daemon.model import ChangeDraft, ChangeRequest, ChangeState
from nightshift.daemon.ports import EnvironmentBroke, NotYet, Refused, Settled


def opened(desk: Desk, draft: ChangeDraft) -> Record:
    """The request of a draft that nobody has made yet, with labels and reviewers."""
    head = commit_of(desk.repo, draft)
    _make_room(desk, draft)
    branch = branch_of(draft.key)
    _push(desk, branch, head, draft.key)
    wanted = Wanted(
        branch=branch, target=desk.service.branch, title=neutral_title(draft.title), draft=draft.draft,
        body=request_body(draft, head), labels=draft.labels, reviewers=_reviewers(desk, draft, head),
    )  # fmt: skip
    pull = _create(desk, wanted)
    desk.dress(pull, wanted)
    record = desk.records.put(desk.record(pull, draft.key, head, draft.base, draft.round))
    _supersede(desk, draft, record.request)
    return record


def _create(desk: Desk, wanted: Wanted) -> Pull:
    """Get or create: whatever the server answers, what it has is what counts."""

    def look() -> Pull | None:
        return next(iter(desk.dialect.pulls_of(desk.name, wanted.branch, wanted.target)), None)

    try:
        return desk.tries.write(lambda: desk.dialect.create(desk.name, wanted), look)
    except Declined as declined:
        if declined.status not in (409, 422):
            raise
        known = "exist" in declined.text.lower()
        found = desk.tries.until(look, f"said to exist, not listed yet: {declined}") if known else look()
        if found is None:
            raise
        return found


def _make_room(desk: Desk, draft: ChangeDraft) -> None:
    """Raises NotYet when enough requests are open; only then the server is asked, people may have settled some."""
    most = desk.settings.max_open
    mine = [
        r for r in desk.records.all() if r.request.state is ChangeState.OPEN and r.request.key not in draft.supersedes
    ]
    if draft.urgent or len(mine) < most:
        return
    count = desk.tries.read(lambda: desk.dialect.open_count(desk.name, PREFIX))
    if count - len(draft.supersedes) >= most:
        raise NotYet(f"{count} requests are open in {desk.name}, and `max_open` is {most}")


def _push(desk: Desk, branch: str, head: str, key: str) -> None:
    """Put the branch there. Raises Settled when people have put something else there."""
    ref = f"refs/heads/{branch}"
    there = desk.tip_of(ref)
    if there == head:
        return
    if there and not desk.ours(branch, there, key):
        raise Settled(f"{branch} stands at {there[:12]}, which people pushed: it is theirs")
    done = desk.repo.push(desk.service.repo, head, ref, expect=there)
    if not done.ok and desk.tip_of(ref) != head:
        why = redact(done.stderr.decode("utf-8", "replace")).strip()
        no = any(said in why for said in ("remote rejected", "pre-receive", "denied", "protected", *NO_LOGIN))
        raise (Refused if no else EnvironmentBroke)(f"{branch} can't be pushed: {why[-400:]}")


def _reviewers(desk: Desk, draft: ChangeDraft, head: str) -> tuple[str, ...]:
    """Owners of the changed files, as the base names them: a patch can't choose who reviews it."""
    if not desk.settings.reviewers:
        return ()
    texts = (desk.repo.read(draft.base, path) for path in desk.dialect.owners_files())
    text = next((found for found in texts if found is not None), b"").decode("utf-8", "replace")
    if not text:
        return ()
    names = desk.repo.out("diff", "--name-only", "-z", "--no-renames", draft.base, head, "--")
    paths = names.decode("utf-8", "replace").rstrip("\0").split("\0")
    return desk.dialect.owners(text, paths)[: desk.settings.reviewers]


def _supersede(desk: Desk, draft: ChangeDraft, by: ChangeRequest) -> None:
    for key in draft.supersedes:
        old = desk.records.find(key)
        if old is None or old.request.state is not ChangeState.OPEN or key == draft.key:
            continue
        desk.comment(old, "superseded", f"Superseded by {by.url}")
        number = old.request.number
        desk.tries.read(lambda number=number: desk.dialect.close(desk.name, number))  # type: ignore[misc]
        desk.settle(desk.need(key), ChangeState.CLOSED, reason=f"superseded by {by.key}")


def revised(desk: Desk, record: Record, draft: ChangeDraft) -> Record:
    """Move an open request to another round's commit and say so."""
    pull = desk.pull(record)
    if pull.state is not ChangeState.OPEN:
        return desk.seen(record, pull)
    head = commit_of(desk.repo, draft)
    _push(desk, pull.branch, head, draft.key)
    title, body = neutral_title(draft.title), request_body(draft, head)
    desk.tries.read(lambda: desk.dialect.rewrite(desk.name, pull, title, body))
    desk.comment(record, f"round-{draft.round}", another_round(draft.round, draft.base, head))
    record = desk.need(draft.key)
    request = replace(record.request, head=head, base=draft.base, title=title, body=body, round=draft.round)
    return desk.records.put(replace(record, request=request, labels=draft.labels))
