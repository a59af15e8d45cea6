"""Whether runbooks can do what they are meant to: they load, and what they may touch is there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from nightshift.daemon.config import Config
from nightshift.daemon.model import Health


def checks(config: Config) -> Iterator[Health]:
    """A row for the books, and one for each thing that is allowed and missing. Calls nothing and nobody."""
    yield _books(config)
    yield from _missing(config)


def _books(config: Config) -> Health:
    from nightshift.runbooks.errors import BookError
    from nightshift.runbooks.load import load_books

    try:
        books = load_books(config.runbooks.dirs)
    except BookError as error:
        more = f" and {len(error.problems) - 1} more" if len(error.problems) > 1 else ""
        fix = "correct it; nightshift runbook lint says every line. Until then no runbook is chosen or run"
        return Health(ok=False, what="runbooks", detail=f"{error.problems[0]}{more}", fix=fix)
    alone = sorted(
        name for name, book in books.items() if book.autonomy == "act" and config.runbooks.automatic != "off"
    )
    return Health(
        ok=True, what="runbooks", detail=f"{len(books)} books; without a person: {', '.join(alone) or 'none'}"
    )


def _missing(config: Config) -> Iterator[Health]:
    settings, limits = config.runbooks, config.runbooks.limits
    for root in limits.roots:
        if not root.is_dir() or root.is_symlink():
            yield _red(f"folder {root}", "is no folder", "correct runbooks.limits.roots")
    for argv in settings.commands:
        if not argv or shutil.which(argv[0]) is None:
            name = argv[0] if argv else "(empty)"
            yield _red(f"command {name}", "there is no such program", "correct runbooks.commands")
    if settings.kubeconfig and not settings.kubeconfig.is_file():
        yield _red(f"cluster {settings.kubeconfig}", "there is no such file", "correct runbooks.kubeconfig")
    if limits.units and shutil.which("systemctl") is None:
        yield _red("units", "there is no systemctl on this machine", "take out runbooks.limits.units")
    if settings.slack and not settings.slack.users:
        fix = "list the ids of users who may at runbooks.slack.users"
        yield _red("runbooks from Slack", "nobody may speak to Nightshift", fix)


def _red(what: str, detail: str, fix: str) -> Health:
    return Health(ok=False, what=what, detail=detail, fix=fix)
