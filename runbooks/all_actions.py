"""Every action there is. Loaded by name, so that a book that restarts nothing imports no client."""

from __future__ import annotations

import importlib
from functools import cache
from typing import cast

from .action import Action

ACTIONS = {
    "command": "nightshift.runbooks.actions.command:Command",
    "docker.restart": "nightshift.runbooks.actions.docker_restart:DockerRestart",
    "kubernetes.rollout_restart": "nightshift.runbooks.actions.rollout_restart:RolloutRestart",
    "notify": "nightshift.runbooks.actions.notify:Notify",
}


@cache
def action_named(name: str) -> Action:
    """The action of that name; raises KeyError when there is none."""
    module, _, attribute = ACTIONS[name].partition(":")
    return cast(Action, getattr(importlib.import_module(module), attribute)())
