"""One service: repository, check command, logs, deploy, address."""

from __future__ import annotations

import glob
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from nightshift.daemon.config import ServiceSettings
from nightshift.daemon.deployers.examine import examine
from nightshift.daemon.forges.shipping import Shipping
from nightshift.daemon.kit.checks import parse_pytest
from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.kit.run import run
from nightshift.daemon.model import Health


def checks(service: ServiceSettings, forge: Shipping | None = None) -> Iterator[Health]:
    """Rows about one service; `forge` is the server its requests live on."""
    yield _repository(service, forge)
    yield _check_command(service)
    for pattern in service.logs:
        yield _log(service.name, pattern)
    if not service.logs:
        fix = "name its log files under logs:, unless another monitor watches it"
        yield Health(ok=True, what=f"{service.name}: logs", detail="none", fix=fix)
    if service.deploy:
        yield _program(service.name, "deploy", service.deploy)
    if service.deployer:
        yield examine(service.name, service.deployer)
    if service.probe:
        yield _program(service.name, "probe", service.probe)
    if service.url:
        yield _url(service)


def _repository(service: ServiceSettings, forge: Shipping | None) -> Health:
    from nightshift.daemon.forges.local import LocalForge
    from nightshift.daemon.forges.routed import remote

    with tempfile.TemporaryDirectory(prefix="nightshift-check-") as folder:
        root, clock = Path(folder), SystemClock()
        asked = forge.model_copy(update={"patience_s": min(forge.patience_s, 10.0)}) if forge else None
        made = remote(service.forge, asked, root, clock) if asked else LocalForge(root, clock)
        health = made.probe(service.model())
    return Health(ok=health.ok, what=f"{service.name}: repository", detail=health.detail, fix=health.fix)


def _check_command(service: ServiceSettings) -> Health:
    what = f"{service.name}: check"
    if not service.check:
        fix = "set check: to the test command; without one only failures with a test or recorded locals can be proved"
        return Health(ok=True, what=what, detail="none", fix=fix)
    call = parse_pytest(service.check)
    if call is None:
        fix = "use pytest if you can: then no test may be lost or newly fail, and each one's result counts"
        return Health(ok=True, what=what, detail=f"{service.check} (judged by its exit code)", fix=fix)
    return _pytest(service, what) if service.image == "host" else Health(ok=True, what=what, detail=service.check)


def _pytest(service: ServiceSettings, what: str) -> Health:
    python = str(service.python or sys.executable)
    try:
        done = run([python, "-I", "-c", "import pytest; print(pytest.__version__)"], timeout_s=60)
    except OSError as error:
        fix = f"set python: of {service.name} to its interpreter, for example .venv/bin/python"
        return Health(ok=False, what=what, detail=f"{python} does not start: {error.strerror}", fix=fix)
    if not done.ok:
        fix = f"{python} -m pip install pytest"
        return Health(ok=False, what=what, detail=f"{python} has no pytest: {done.why()}", fix=fix)
    return Health(ok=True, what=what, detail=f"{service.check} (pytest {done.text().strip()})")


def _log(name: str, pattern: Path) -> Health:
    what, found = f"{name}: logs", [p for p in glob.glob(str(pattern), recursive=True) if os.path.isfile(p)]
    locked = [p for p in found if not os.access(p, os.R_OK)]
    if locked:
        fix = f"let this user read it (group, or setfacl -m u:{os.environ.get('USER', 'nightshift')}:r)"
        return Health(ok=False, what=what, detail=f"{locked[0]} can't be read", fix=fix)
    if found:
        return Health(ok=True, what=what, detail=f"{pattern}: {len(found)} file(s)")
    folder = _fixed_part(pattern)
    if not os.access(folder, os.R_OK | os.X_OK):
        fix = f"create {folder}, or correct logs: of {name}"
        return Health(ok=False, what=what, detail=f"{pattern}: no folder {folder} that can be read", fix=fix)
    return Health(ok=True, what=what, detail=f"{pattern}: no file yet", fix="nothing to do if the service makes it")


def _fixed_part(pattern: Path) -> Path:
    parent = pattern.parent
    while any(c in str(parent) for c in "*?["):
        parent = parent.parent
    return parent


def _program(name: str, key: str, argv: tuple[str, ...]) -> Health:
    found = shutil.which(argv[0])
    detail = found or f"no program {argv[0]}"
    fix = "" if found else f"install it, or write the whole path in {key}: of {name}"
    return Health(ok=found is not None, what=f"{name}: {key}", detail=detail, fix=fix)


def _url(service: ServiceSettings) -> Health:
    import httpx

    what = f"{service.name}: url"
    try:
        answer = httpx.get(service.url, timeout=5, follow_redirects=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Health(ok=True, what=what, detail=f"{service.url}: {error}", fix="start the service, or correct url:")
    return Health(ok=True, what=what, detail=f"{service.url} answers {answer.status_code}")
