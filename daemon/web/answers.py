"""Answers in one shape: JSON as it is, problems as {error, fix}, and what every exception of the house becomes."""

from __future__ import annotations

import hmac
import logging
from typing import TYPE_CHECKING

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from nightshift.daemon.kit.redact import redact
from nightshift.daemon.ports import EnvironmentBroke, Refused
from nightshift.daemon.store.database import STORE_ERRORS
from nightshift.runbooks.errors import BookError

if TYPE_CHECKING:
    from nightshift.daemon.web.api import Api

log = logging.getLogger(__name__)


class Problem(HTTPException):
    """A request that can't be answered: status, what is wrong, what to do."""

    def __init__(self, status: int, error: str, fix: str = "") -> None:
        super().__init__(status, detail=error)
        self.fix = fix


def problem(status: int, error: str, fix: str = "") -> JSONResponse:
    """The answer for a problem."""
    headers = {401: {"www-authenticate": "Bearer"}, 503: {"retry-after": "5"}}.get(status)
    return JSONResponse({"error": redact(error), "fix": redact(fix)}, status, headers=headers)


def require_token(api: Api, request: Request) -> None:
    """Raises Problem unless the request carries the token. Without a configured token nothing may change anything."""
    if api.token is None:
        fix = "set http.token in the configuration (env:NAME or file:PATH) and restart the daemon"
        raise Problem(403, "no token is configured, so nothing can be changed over HTTP", fix)
    kind, _, shown = request.headers.get("authorization", "").partition(" ")
    expected = api.token.get_secret_value().encode()
    if kind.lower() != "bearer" or not hmac.compare_digest(shown.strip().encode(), expected):
        raise Problem(401, "the token is wrong or missing", "send the one of http.token as a bearer token")


def handle_errors(app: FastAPI) -> None:
    """Every exception becomes {error, fix}; what nobody expected is logged, and its text stays here."""
    app.add_exception_handler(StarletteHTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(EnvironmentBroke, _broke)
    app.add_exception_handler(BookError, _book)
    for kind in STORE_ERRORS:
        app.add_exception_handler(kind, _store)
    app.add_exception_handler(Exception, _unexpected)


def _http(_: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, StarletteHTTPException) else 500
    text = str(error.detail) if isinstance(error, StarletteHTTPException) else ""
    return problem(
        status, text, getattr(error, "fix", "") or {404: "GET /api/openapi.json lists what there is"}.get(status, "")
    )


def _invalid(_: Request, error: Exception) -> JSONResponse:
    details = error.errors() if isinstance(error, RequestValidationError) else []
    texts = [f"{'.'.join(map(str, d['loc']))}: {d['msg']}" for d in details[:5]]
    return problem(422, "; ".join(texts) or "not understood", "correct the request; see /api/openapi.json")


def _refused(_: Request, error: Exception) -> JSONResponse:
    return problem(409, str(error))


def _book(_: Request, error: Exception) -> JSONResponse:
    return problem(
        422, "; ".join(str(error).splitlines()), "nightshift runbook lint says where; GET /api/runbooks lists"
    )


def _broke(_: Request, error: Exception) -> JSONResponse:
    return problem(503, str(error), "try again; nightshift check says what is broken")


def _store(request: Request, error: Exception) -> JSONResponse:
    log.error("the store failed at %s: %s", request.url.path, redact(str(error)))
    return problem(503, "the store can't be used now; nothing was taken", "send it again; check disk and state_dir")


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem(500, f"unexpected: {type(error).__name__}", "the daemon's log has the details")
