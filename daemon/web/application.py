"""The HTTP application: routes, pages, what sources call, the guard in front of them."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import FastAPI

from nightshift import __version__
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.web.answers import handle_errors
from nightshift.daemon.web.api import Api
from nightshift.daemon.web.guard import MAX_BODY_BYTES, Guard
from nightshift.daemon.web.pages import page_router
from nightshift.daemon.web.receiving import BodyLimits, Receiving
from nightshift.daemon.web.routes import router
from nightshift.daemon.web.slack import slack_router


def create_app(api: Api, *, host: str = "127.0.0.1", hosts: Iterable[str] = (), clock: Clock | None = None) -> FastAPI:
    """The application over one daemon. `host` is the address it is bound to; on a loopback one (or when `hosts` names
    any) requests for other Host names are refused."""
    app = FastAPI(
        title="Nightshift", version=__version__, docs_url=None, redoc_url=None, openapi_url="/api/openapi.json",
        swagger_ui_oauth2_redirect_url=None,
    )  # fmt: skip
    app.include_router(router(api))
    app.include_router(page_router(api))
    app.include_router(slack_router(api, clock))
    handle_errors(app)
    app.add_middleware(Receiving, api=api)
    app.add_middleware(Guard, host=host, hosts=tuple(hosts), limit=BodyLimits(api.receivers, MAX_BODY_BYTES))
    return app
