"""What monitors and channels talk to."""

from __future__ import annotations

from collections.abc import Iterator

from nightshift.daemon.config import Config
from nightshift.daemon.model import Health
from nightshift.monitors import prometheus


def checks(config: Config) -> Iterator[Health]:
    """Rows about servers elsewhere, only those that are configured."""
    if config.monitors.prometheus:
        yield _prometheus(config.monitors.prometheus)


def _prometheus(settings: prometheus.Settings) -> Health:
    import httpx

    what, url = "prometheus", f"{settings.url.rstrip('/')}/api/v1/query"
    headers = {"Authorization": f"Bearer {settings.token.get_secret_value()}"} if settings.token else {}
    try:
        verify = str(settings.ca_file) if settings.ca_file else True
        answer = httpx.get(url, params={"query": "1"}, headers=headers, timeout=settings.timeout_s, verify=verify)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        fix = "correct monitors.prometheus.url, or start the server"
        return Health(ok=False, what=what, detail=f"{settings.url}: {error}", fix=fix)
    if answer.status_code != 200:
        fix = "check monitors.prometheus.token" if answer.status_code in (401, 403) else "is this Prometheus?"
        return Health(ok=False, what=what, detail=f"{url} answered {answer.status_code}", fix=fix)
    return Health(ok=True, what=what, detail=f"{settings.url}, {len(settings.rules)} rule(s)")
