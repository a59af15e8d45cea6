"""`nightshift replay`: a recorded tournament, held again with the sandboxes, the tester and the critic of today."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nightshift.daemon.app.heal import parts, sandboxes
from nightshift.daemon.kit.git import BareRepo, GitError
from nightshift.daemon.missions.foreground import BadRequest
from nightshift.daemon.missions.replay import Replay, Replayed
from nightshift.daemon.missions.scoresheet import Scoresheet
from nightshift.daemon.ports import EnvironmentBroke, Note

if TYPE_CHECKING:
    from nightshift.daemon.config import Config
    from nightshift.daemon.store.store import Store

_JUDGING_S = 300.0


def replay(sheet: Scoresheet, repo: str, note: Note, config: Config | None = None) -> Replayed:
    """Hold a tournament again. Raises EnvironmentBroke (nothing is known), BadRequest (the base is not in `repo`)."""
    engine = sandboxes(config)
    try:
        with _fetched(repo, sheet.case.base) as own:
            reproducer, tester, critic = parts(engine, _JUDGING_S)
            return Replay(reproducer, tester, critic, note).hold(sheet, own.path)
    except GitError as error:
        raise EnvironmentBroke(f"{repo}: {error}") from error
    finally:
        engine.close()


def recorded(store: Store, name: str) -> tuple[dict[str, Any], str]:
    """The last tournament of a mission (or of its incident) and the service it was about. Raises BadRequest."""
    incident = store.incidents.get(name)
    mission = store.missions.get(incident.id if incident else name)
    if mission is None:
        raise BadRequest(f"no single incident or mission '{name}'; see nightshift incidents")
    sheets = [e.data["tournament"] for e in store.journal.of(mission.id) if e.data.get("tournament")]
    if not sheets:
        raise BadRequest(f"{mission.id} held no tournament: {mission.reason}")
    return dict(sheets[-1]), mission.service


def daemon_repository(config: Config, service: str) -> str:
    """Where the daemon keeps a service's repository. Raises BadRequest."""
    from nightshift.daemon.app.compose import forges
    from nightshift.daemon.kit.clock import SystemClock

    known = config.services_model()
    if service not in known:
        raise BadRequest(f"the service {service} is no longer in the configuration; name its repository with --repo")
    return str(forges(config, SystemClock()).path(known[service]))


@contextmanager
def _fetched(repo: str, base: str) -> Iterator[BareRepo]:
    """Everything of a repository in one of our own; raises BadRequest when the base is not among it."""
    with tempfile.TemporaryDirectory(prefix="nightshift-replay-", ignore_cleanup_errors=True) as folder:
        own = BareRepo.ensure(f"{folder}/repo.git")
        try:
            own.fetch(repo, ["+refs/*:refs/adopted/*"])
        except GitError as error:
            raise BadRequest(f"{repo} can't be read by git: {error}") from error
        if not own.resolve(base):
            raise BadRequest(f"{repo} has no commit {base[:12]}, on which the patches were judged")
        yield own
