"""`nightshift run`: the daemon in the foreground."""

from __future__ import annotations

from nightshift.daemon.cli.options import ConfigPath, configured


def command(config: ConfigPath = None) -> int:
    """Run the daemon in the foreground. SIGTERM finishes or checkpoints the work and exits 0."""
    settings = configured(config)
    from nightshift.daemon.app import serve

    return serve(settings)
