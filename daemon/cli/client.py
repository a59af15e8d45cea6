"""Talks to a running daemon over its HTTP API; what goes wrong comes back as a line that says what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nightshift.daemon.cli.trouble import Trouble

if TYPE_CHECKING:
    from nightshift.daemon.config import Config

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - read, not bound


def base_url(config: Config) -> str:
    """Where the daemon of this configuration answers, from this machine."""
    host = _EVERYWHERE.get(config.http.host, config.http.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{_port(config)}"


def _port(config: Config) -> int:
    if config.http.port:
        return config.http.port
    try:
        return int((config.state_dir / "http.port").read_text())
    except (OSError, ValueError):
        raise Trouble("the daemon takes any free port (http.port is 0) and is not running", code=3) from None


def call(config: Config, method: str, path: str, body: Any = None) -> Any:
    """One request with the token; returns the answer's JSON. Raises Trouble."""
    import httpx

    url = base_url(config)
    try:
        # No proxies: they are for the world outside, and would see the token.
        with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
            answer = client.request(method, path, json=body, headers=_headers(config))
    except httpx.ConnectError:
        raise Trouble(
            f"the daemon does not answer at {url}: start it with 'nightshift run' (or: systemctl start nightshift)",
            code=3,
        ) from None
    except httpx.HTTPError as error:
        raise Trouble(f"the daemon at {url} did not answer properly: {error}", code=3) from None
    return _read(answer, url)


def _headers(config: Config) -> dict[str, str]:
    from nightshift.daemon.config import UNSET

    token = config.http.token.get_secret_value() if config.http.token else ""
    if token == UNSET:
        raise Trouble("the daemon's token can't be read here: set what http.token in the configuration points to")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _read(answer: Any, url: str) -> Any:
    try:
        data = answer.json()
    except ValueError:
        raise Trouble(f"{url} answered {answer.status_code} and no JSON: is it Nightshift?", code=3) from None
    if answer.is_success:
        return data
    problem = data if isinstance(data, dict) else {}
    text, fix = problem.get("error", f"answered {answer.status_code}"), problem.get("fix", "")
    raise Trouble(f"{text}: {fix}" if fix else str(text), code=3 if answer.status_code >= 500 else 1)
