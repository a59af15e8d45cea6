"""This machine: the state folder, the sandbox engine, disk, clock."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from nightshift.daemon.config import Config
from nightshift.daemon.model import Health
from nightshift.daemon.ports import EnvironmentBroke

_SCARCE, _LOW = 200 << 20, 2 << 30
_BUILT_S = 1_750_000_000
"""A moment before this program was written; a clock that shows an earlier one is wrong."""


def checks(config: Config) -> Iterator[Health]:
    """Rows about this machine."""
    yield _services(config)
    yield _state_dir(config.state_dir)
    yield _token(config)
    yield _engine(config)
    yield _disk(config.state_dir)
    yield _clock(config)


def _services(config: Config) -> Health:
    names = ", ".join(s.name for s in config.services)
    fix = "" if names else "add one under services:, or run 'nightshift init' in its repository"
    return Health(ok=bool(names), what="config", detail=f"services: {names or 'none'}", fix=fix)


def _state_dir(folder: Path) -> Health:
    existing = _existing(folder)
    ok = existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
    detail = str(folder) if ok else f"{existing} can't be written by this user"
    fix = "" if ok else f"give this user the folder (chown), or set state_dir to another: {folder}"
    return Health(ok=ok, what="state_dir", detail=detail, fix=fix)


def _existing(folder: Path) -> Path:
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder


def _token(config: Config) -> Health:
    what = "http"
    where = f"{config.http.host}:{config.http.port}"
    if config.http.token is None:
        fix = "set http.token (env:NAME or file:PATH) to approve, reject and run runbooks over HTTP"
        return Health(ok=True, what=what, detail=f"{where}, read-only: no token", fix=fix)
    if len(config.http.token.get_secret_value()) < 16:
        fix = "make a long one, for example with: openssl rand -hex 32"
        return Health(ok=False, what=what, detail="the token is shorter than 16 characters", fix=fix)
    return Health(ok=True, what=what, detail=f"{where}, with a token")


def _engine(config: Config) -> Health:
    from nightshift.sandboxes.all_sandboxes import engine

    try:
        sandboxes = engine(config.sandbox)
    except EnvironmentBroke as error:
        text, _, fix = str(error).partition(". ")
        return Health(ok=False, what="engine", detail=text, fix=fix or "start Docker, or install bubblewrap")
    try:
        health = sandboxes.probe()
    finally:
        sandboxes.close()
    return Health(ok=health.ok, what="engine", detail=health.detail, fix=health.fix)


def _disk(folder: Path) -> Health:
    existing = _existing(folder)
    free = shutil.disk_usage(existing).free
    detail = f"{free / (1 << 30):.1f} GiB free at {existing}"
    fix = "" if free >= _LOW else "make room: sandboxes, repositories and reports need about 2 GiB"
    return Health(ok=free >= _SCARCE, what="disk", detail=detail, fix=fix)


def _clock(config: Config) -> Health:
    now = time.time()
    shown = datetime.fromtimestamp(now, ZoneInfo(config.reports.timezone)).strftime("%Y-%m-%d %H:%M")
    ok = now > _BUILT_S
    fix = "" if ok else "set the clock (timedatectl set-ntp true)"
    return Health(ok=ok, what="clock", detail=f"{shown} in {config.reports.timezone}", fix=fix)
