"""What monitors and channels talk to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from nightshift.daemon.config import Config
from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.kit.redact import redact
from nightshift.daemon.model import Health
from nightshift.daemon.ports import EnvironmentBroke, Refused
from nightshift.daemon.reports import file, slack, webhook
from nightshift.monitors import alertmanager, docker, kubernetes, probes, prometheus


def checks(config: Config) -> Iterator[Health]:
    """Rows about servers elsewhere, only those that are configured."""
    monitors = config.monitors
    if monitors.prometheus:
        yield _prometheus(monitors.prometheus)
    if monitors.kubernetes:
        wanted = monitors.kubernetes
        yield _reached("kubernetes", lambda: kubernetes.reachable(wanted), "check kubeconfig, context and the role")
    if monitors.docker:
        engine = monitors.docker
        yield _reached(
            "docker monitor", lambda: docker.reachable(engine), "start the engine, or set monitors.docker.url"
        )
    if monitors.alertmanager:
        yield _alertmanager(monitors.alertmanager)
        if monitors.alertmanager.poll_url:
            fix = "correct monitors.alertmanager.poll_url"
            yield _reached("alertmanager asked", partial(_alerts, monitors.alertmanager), fix)
    if monitors.probes:
        yield from _probed(monitors.probes)
    yield from _channels(config)


def _probed(settings: probes.Settings) -> Iterator[Health]:
    """Every check tried once, so many at a time."""
    from concurrent.futures import ThreadPoolExecutor

    from nightshift.monitors.probes.tries import tried

    fix = "correct it at monitors.probes.checks, or see to the service"
    with ThreadPoolExecutor(settings.at_once) as pool:
        for check, found in zip(settings.checks, pool.map(tried, settings.checks), strict=True):
            detail = found.wrong or f"well, {found.took_ms:.0f} ms"
            yield Health(ok=not found.wrong, what=f"probe {check.name}", detail=detail, fix=fix * bool(found.wrong))


def _reached(what: str, reach: Callable[[], str], fix: str) -> Health:
    try:
        return Health(ok=True, what=what, detail=reach())
    except (EnvironmentBroke, Refused) as error:
        return Health(ok=False, what=what, detail=str(error), fix=fix)


def _alertmanager(settings: alertmanager.Settings) -> Health:
    what = "alertmanager"
    if settings.token or settings.hmac_secret or settings.anonymous:
        return Health(ok=True, what=what, detail="takes calls at /webhooks/alertmanager")
    fix = "set monitors.alertmanager.token (env:NAME or file:PATH), or anonymous: true"
    return Health(ok=False, what=what, detail="every call is refused: no token", fix=fix)


def _alerts(settings: alertmanager.Settings) -> str:
    from nightshift.monitors.alertmanager.polling import Poller, Unreachable

    try:
        return f"holds {len(Poller(settings, SystemClock()).ask())} alert(s)"
    except Unreachable as trouble:
        raise EnvironmentBroke(str(trouble)) from None


def _channels(config: Config) -> Iterator[Health]:
    clock = SystemClock()
    yield file.create(config.file_settings(), clock).probe()
    if config.reports.slack:
        yield slack.create(config.reports.slack, clock).probe()
    if config.reports.webhook:
        yield webhook.create(config.reports.webhook, clock).probe()


def _prometheus(settings: prometheus.Settings) -> Health:
    import httpx

    from nightshift.monitors.prometheus.client import authorization

    what, url = "prometheus", f"{settings.url.rstrip('/')}/api/v1/query"
    shown = redact(settings.url)
    sent = authorization(settings)
    headers = {"Authorization": sent} if sent else {}
    try:
        verify = str(settings.ca_file) if settings.ca_file else True
        answer = httpx.get(url, params={"query": "1"}, headers=headers, timeout=settings.timeout_s, verify=verify)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        fix = "correct monitors.prometheus.url, or start the server"
        return Health(ok=False, what=what, detail=redact(f"{shown}: {error}"), fix=fix)
    if answer.status_code != 200:
        refused = answer.status_code in (401, 403)
        fix = "check monitors.prometheus.token, or username and password" if refused else "is this Prometheus?"
        return Health(ok=False, what=what, detail=f"{redact(url)} answered {answer.status_code}", fix=fix)
    return Health(
        ok=True, what=what, detail=f"{shown}, {len(settings.rules)} rule(s), {_looking(settings)} detector(s)"
    )


def _looking(settings: prometheus.Settings) -> int:
    return sum(found is not None for _, found in settings.detectors)
