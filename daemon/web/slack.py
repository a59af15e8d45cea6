"""Slack's slash command and buttons. A request is believed for its signature, not for what it says, and only while it
is young; the same request again is the same run. Who may speak is a list of user ids.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import shlex
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from nightshift.daemon.kit.clock import Clock, SystemClock
from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.kit.redact import redact
from nightshift.daemon.ports import EnvironmentBroke, Refused
from nightshift.daemon.web.answers import Problem
from nightshift.daemon.web.api import Api
from nightshift.runbooks.errors import BookError

WINDOW_S = 300
"""How old a request may be, or how far ahead its clock."""
PATH = "/hooks/slack"
ACTION = "nightshift"
"""How the ids of our buttons begin: `nightshift:approve`, with the mission as value."""
_MOST_BYTES = 64 * 1024
_TEXT = 2800
_HELP = (
    "`runbooks` · `run NAME key=value… [--dry-run] [--force]` · `status RUN` · `approve ID [why]` · `reject ID [why]`"
)
_VERBS = ("approve", "reject", "pause", "resume")
_FORM = re.compile(r"([a-z0-9][a-z0-9_-]{0,62})=(.*)", re.DOTALL)

Told = dict[str, Any]


def slack_router(api: Api, clock: Clock | None = None) -> APIRouter:
    """The one route Slack calls, for commands and for buttons."""
    routes, now = APIRouter(), clock or SystemClock()

    @routes.post(PATH, include_in_schema=False)
    async def slack(request: Request) -> JSONResponse:
        body = await request.body()
        form = verified(api, body, request.headers, now.now_ms() // 1000)
        return JSONResponse(await run_in_threadpool(_answer, api, form, stable_id("slack", body.decode("latin-1"))))

    return routes


def verified(api: Api, body: bytes, headers: Mapping[str, str], now_s: int) -> dict[str, str]:
    """The form Slack sent. Raises Problem: 404 nobody may speak from Slack, 401 not signed by it or too old, 403 a
    user who may not, 400 not understood."""
    settings = api.slack
    if settings is None:
        raise Problem(404, "Slack is not configured", "set runbooks.slack.signing_secret and users, then restart")
    stamp, shown = headers.get("x-slack-request-timestamp", ""), headers.get("x-slack-signature", "")
    secret = settings.signing_secret.get_secret_value().encode()
    if not secret or not re.fullmatch(r"[0-9]{1,12}", stamp) or abs(now_s - int(stamp)) > WINDOW_S:
        raise Problem(401, "the request is not signed, or too old", "check the signing secret and this machine's clock")
    wanted = "v0=" + hmac.new(secret, b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(shown.encode("latin-1", "replace"), wanted.encode()):
        raise Problem(401, "the signature is wrong", "set runbooks.slack.signing_secret to the app's signing secret")
    form = _form(body)
    if "*" not in settings.users and _user(form)[0] not in settings.users:
        raise Problem(403, "this user may not speak to Nightshift", "add the user's id to runbooks.slack.users")
    return form


def _form(body: bytes) -> dict[str, str]:
    try:
        if len(body) > _MOST_BYTES:
            raise ValueError("too large")
        found = parse_qs(body.decode(), strict_parsing=True, keep_blank_values=True, max_num_fields=50)
        form = {name: values[-1] for name, values in found.items()}
        if "payload" in form:
            form["payload"] = json.dumps(dict(json.loads(form["payload"])))
        return form
    except (ValueError, TypeError, RecursionError) as error:
        raise Problem(400, f"not what Slack sends: {type(error).__name__}", "") from None


def _user(form: Mapping[str, str]) -> tuple[str, str]:
    """Id and name."""
    if "payload" not in form:
        return form.get("user_id", ""), form.get("user_name", "")
    user = json.loads(form["payload"]).get("user")
    user = user if isinstance(user, dict) else {}
    return str(user.get("id", "")), str(user.get("username") or user.get("name") or "")


def _answer(api: Api, form: Mapping[str, str], key: str) -> Told:
    """What the person who asked gets to see; nobody else does."""
    identity, name = _user(form)
    actor = f"slack:{name or identity}"[:100]
    try:
        text = _pressed(api, form["payload"], actor, key) if "payload" in form else _said(api, form, actor, key)
    except BookError as error:
        text = "; ".join(error.problems)
    except (Refused, EnvironmentBroke, ValueError) as error:
        text = str(error)
    except KeyError as error:
        text = f"there is no {str(error.args[0])[:100]}"
    return {"response_type": "ephemeral", "replace_original": False, "text": _escaped(redact(text))[:_TEXT]}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _said(api: Api, form: Mapping[str, str], actor: str, key: str) -> str:
    words = shlex.split(form.get("text", ""))
    verb, rest = (words[0].lower(), words[1:]) if words else ("", [])
    if verb in ("runbooks", "list"):
        return "\n".join(f"`{book['name']}` {book.get('description', '')}" for book in api.runbooks()) or "none"
    if verb == "run" and rest:
        return _run(api, rest, actor, key)
    if verb == "status" and len(rest) == 1:
        state = api.runbook_run(rest[0])
        return f"{rest[0]}: {state['status']} {state.get('reason', '')}".rstrip() if state else f"no run {rest[0]}"
    if verb in _VERBS and rest:
        return _signal(api, verb, rest[0], actor, " ".join(rest[1:]))
    return _HELP


def _run(api: Api, words: list[str], actor: str, key: str) -> str:
    name, *rest = words
    flags = {word for word in rest if word.startswith("--")}
    if unknown := flags - {"--dry-run", "--force"}:
        raise ValueError(f"{', '.join(sorted(unknown))} is not understood: {_HELP}")
    params: dict[str, str] = {}
    for word in rest:
        if word not in flags:
            match = _FORM.fullmatch(word)
            if match is None:
                raise ValueError(f"'{word}' is not key=value")
            params[match[1]] = match[2]
    dry = "--dry-run" in flags
    run = api.run_runbook(name, params, dry, actor, key=key, force="--force" in flags)
    state = api.runbook_run(run) if dry else None
    steps = "".join(f"\n{step['name']}: {step.get('output', '')}" for step in (state or {}).get("steps", ()))
    return f"{name} {'would do' if dry else 'runs'}: {run}{steps}"


def _pressed(api: Api, payload: str, actor: str, key: str) -> str:
    """A button: its action id says what, its value which."""
    told = json.loads(payload)
    actions = told.get("actions")
    if told.get("type") != "block_actions" or not isinstance(actions, list) or not actions:
        raise ValueError("only buttons are understood")
    action = actions[0] if isinstance(actions[0], dict) else {}
    kind, _, verb = str(action.get("action_id", "")).partition(":")
    value = str(action.get("value", ""))
    if kind != ACTION or not (verb in _VERBS or verb == "run"):
        raise ValueError("this button is not Nightshift's")
    if verb == "run":
        return _run(api, shlex.split(value) or [""], actor, key)
    return _signal(api, verb, value, actor, "by a button in Slack")


def _signal(api: Api, verb: str, name: str, actor: str, reason: str) -> str:
    mission = api.store.missions.get(name)
    if mission is None:
        raise KeyError(f"mission {name}")
    api.signal_mission(mission.id, verb, actor, reason)
    return f"{mission.id}: {verb} by {actor.removeprefix('slack:')}"
