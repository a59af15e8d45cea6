"""`nightshift sensor`: monitors here, the daemon elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from nightshift.daemon.cli import output
from nightshift.daemon.cli.options import ConfigPath, Json, configured
from nightshift.daemon.cli.trouble import Trouble

if TYPE_CHECKING:
    from nightshift.daemon.config import Config
    from nightshift.daemon.model import Health


def command(
    config: ConfigPath = None,
    status: Annotated[bool, typer.Option("--status", help="Print what waits in the spool, and end.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Try the spool and the daemon, and end.")] = False,
    as_json: Json = False,
) -> int:
    """Watch here and forward to a daemon. What can't be forwarded waits on disk. SIGTERM saves and exits 0.

    Exit 0 ended when told to, 1 a check is red, 2 the configuration is wrong, 3 the spool can't be used.
    """
    if status and check:
        raise Trouble("--status and --check are two questions: ask one at a time")
    settings = configured(config, demand_secrets=not status)
    from nightshift.daemon.ports import EnvironmentBroke, Refused
    from nightshift.daemon.sensor import launch

    try:
        launch.settings(settings)
        if status:
            return _status(settings, as_json=as_json)
        return _check(settings, as_json=as_json) if check else launch.launch(settings)
    except Refused as refused:
        raise Trouble(str(refused)) from None
    except EnvironmentBroke as broke:
        raise Trouble(str(broke), code=3) from None


def _status(config: Config, *, as_json: bool) -> int:
    from nightshift.daemon.kit.clock import SystemClock
    from nightshift.daemon.sensor import launch
    from nightshift.daemon.sensor.lean import readable
    from nightshift.daemon.sensor.spool import status_of

    found = status_of(launch.spool_path(config), launch.limit_bytes(config))
    if as_json:
        output.print_json({**found, "lost": found["dropped"] + found["refused"]})
    else:
        print("\n".join(f"{name:<14}{value:>16}" for name, value in readable(found, SystemClock()).items()))
    return 0


def _check(config: Config, *, as_json: bool) -> int:
    from nightshift.daemon.model import dump

    rows = list(_rows(config))
    if as_json:
        output.print_json([dump(row) for row in rows])
    else:
        for row in rows:
            print(f"{'ok ' if row.ok else 'RED'}  {row.what}: {row.detail}" + (f"\n     {row.fix}" if row.fix else ""))
    return 0 if all(row.ok for row in rows) else 1


def _rows(config: Config) -> Iterator[Health]:
    from nightshift.daemon.sensor import launch

    yield launch.watches(config)
    yield launch.spools(config)
    yield launch.answers(config)
