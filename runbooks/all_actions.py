"""Every action there is. Loaded by name, so that a book that restarts nothing imports no client."""

from __future__ import annotations

import importlib
from functools import cache
from typing import cast

from .action import Action

_HERE = "nightshift.runbooks.actions"
ACTIONS = {
    "ask": f"{_HERE}.ask:Ask",
    "assert": f"{_HERE}.check:Assert",
    "command": f"{_HERE}.command:Command",
    "docker.prune": f"{_HERE}.docker_prune:DockerPrune",
    "docker.recreate": f"{_HERE}.docker_recreate:DockerRecreate",
    "docker.restart": f"{_HERE}.docker_restart:DockerRestart",
    "file.clean": f"{_HERE}.file_clean:FileClean",
    "file.rotate": f"{_HERE}.file_rotate:FileRotate",
    "file.truncate": f"{_HERE}.file_truncate:FileTruncate",
    "file.usage": f"{_HERE}.file_usage:FileUsage",
    "fixer": f"{_HERE}.fixer:CallFixer",
    "git.revert": f"{_HERE}.git_revert:GitRevert",
    "http.request": f"{_HERE}.http_request:HttpRequest",
    "kubernetes.cordon": f"{_HERE}.kubernetes_cordon:Cordon",
    "kubernetes.delete_pod": f"{_HERE}.kubernetes_delete_pod:DeletePod",
    "kubernetes.pods": f"{_HERE}.kubernetes_pods:Pods",
    "kubernetes.raise_resources": f"{_HERE}.kubernetes_raise_resources:RaiseResources",
    "kubernetes.rollout_restart": f"{_HERE}.rollout_restart:RolloutRestart",
    "kubernetes.rollout_status": f"{_HERE}.kubernetes_rollout_status:RolloutStatus",
    "kubernetes.rollout_undo": f"{_HERE}.kubernetes_rollout_undo:RolloutUndo",
    "kubernetes.scale": f"{_HERE}.kubernetes_scale:Scale",
    "kubernetes.uncordon": f"{_HERE}.kubernetes_cordon:Uncordon",
    "notify": f"{_HERE}.notify:Notify",
    "process.restart": f"{_HERE}.process_restart:ProcessRestart",
    "process.signal": f"{_HERE}.process_signal:ProcessSignal",
    "prometheus.query": f"{_HERE}.prometheus_query:PrometheusQuery",
    "prometheus.wait": f"{_HERE}.prometheus_wait:PrometheusWait",
    "runbook": f"{_HERE}.runbook:RunBook",
    "sql": f"{_HERE}.sql:Sql",
    "tls.expiry": f"{_HERE}.tls_expiry:TlsExpiry",
}


@cache
def action_named(name: str) -> Action:
    """The action of that name; raises KeyError when there is none."""
    module, _, attribute = ACTIONS[name].partition(":")
    return cast(Action, getattr(importlib.import_module(module), attribute)())
