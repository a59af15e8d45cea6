"""`nightshift sensor`: monitors here, the daemon elsewhere."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from nightshift.daemon.cli.options import ConfigPath, Json, configured
from nightshift.daemon.cli.trouble import Trouble


def command(
    config: ConfigPath = None,
    status: Annotated[bool, typer.Option("--status", help="Print what waits in the spool, and end.")] = False,
    as_json: Json = False,
) -> int:
    """Watch here and forward to a daemon. What can't be forwarded waits on disk. SIGTERM saves and exits 0."""
    settings = configured(config)
    from nightshift.daemon.ports import Refused
    from nightshift.daemon.sensor import launch
    from nightshift.daemon.sensor.spool import Spool

    try:
        launch.target(settings)
    except Refused as refused:
        raise Trouble(str(refused)) from None
    if not status:
        return launch.launch(settings)
    spool = Spool(launch.spool_path(settings), limit_bytes=(settings.sensor.spool_mb if settings.sensor else 0) << 20)
    found = spool.status()
    spool.close()
    print(json.dumps(found) if as_json else "\n".join(f"{name:<10} {value:>12,}" for name, value in found.items()))
    return 0
