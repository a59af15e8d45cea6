"""Composition: the only place that names concrete plugins and puts them together."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nightshift.daemon.config import Config
    from nightshift.daemon.missions.foreground import HealRequest, HealResult
    from nightshift.daemon.ports import Note


def serve(config: Config) -> int:
    """Run the daemon in the foreground until SIGTERM or SIGINT; returns the exit status."""
    from nightshift.daemon.kit.ending import until_told

    over = until_told()
    from nightshift.daemon.app.serve import serve as run  # a second of imports, during which signals count already

    return run(config, over=over)


def heal(request: HealRequest, note: Note, config: Config | None = None) -> HealResult:
    """One mission in the foreground; raises BadRequest."""
    from nightshift.daemon.app.heal import heal as run

    return run(request, note, config)
