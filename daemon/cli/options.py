"""The options several commands share, and what follows from them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nightshift.daemon.cli.trouble import Trouble

if TYPE_CHECKING:
    from nightshift.daemon.config import Config
    from nightshift.daemon.store.store import Store

ConfigPath = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", help="Configuration; default ./nightshift.yaml, then /etc/nightshift/.", metavar="FILE"
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def configured(path: Path | None, *, demand_secrets: bool = True) -> Config:
    """The configuration named with -c or found; every problem on a line of its own, exit 2."""
    from nightshift.daemon.config import ConfigError, find_config, load_config

    try:
        return load_config(find_config(path), demand_secrets=demand_secrets)
    except ConfigError as error:
        raise Trouble(*error.lines) from error


def opened(config: Config) -> Store | None:
    """The daemon's store, read directly so that this works while it is down; None when it has never run."""
    from nightshift.daemon.store.store import Store

    return Store.open(config.store_path) if config.store_path.exists() else None
