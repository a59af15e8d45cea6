"""Whether a service's deployer could do its work: asked before it has to, and nothing is changed."""

from __future__ import annotations

from pathlib import Path

from nightshift.daemon.deployers.docker import Settings as Docker
from nightshift.daemon.deployers.gitops import ArgoSettings, FluxSettings
from nightshift.daemon.deployers.kubernetes import Settings as Kubernetes
from nightshift.daemon.deployers.nobody import Settings as None_
from nightshift.daemon.model import Health
from nightshift.daemon.ports import EnvironmentBroke, Refused
from nightshift.runbooks.actions.cluster import cluster, spoken, unmanaged
from nightshift.runbooks.actions.engine import engine
from nightshift.runbooks.context import Context
from nightshift.runbooks.errors import ActionFailed

_CALL_S = 10.0
Settings = Docker | Kubernetes | ArgoSettings | FluxSettings | None_


def examine(service: str, settings: Settings) -> Health:
    """One row: what is deployed to, or why it can't be."""
    what = f"{service}: deployer"
    try:
        return Health(ok=True, what=what, detail=_look(settings))
    except Refused as refused:
        return Health(ok=False, what=what, detail=str(refused), fix="use `kind: argocd` or `kind: flux`")
    except (ActionFailed, EnvironmentBroke) as error:
        fix = f"check the names, and that this user may reach the {settings.kind} API"
        return Health(ok=False, what=what, detail=str(error), fix=fix)


def _look(settings: Settings) -> str:
    if isinstance(settings, None_):
        return "none: people deploy"
    if isinstance(settings, Docker):
        return _containers(settings)
    with cluster(_context(settings.kubeconfig, settings.kube_context), _CALL_S) as api:
        if isinstance(settings, Kubernetes):
            found = api.read(settings.workload, settings.name, settings.namespace)
            unmanaged(found, spoken(settings.workload, settings.namespace, settings.name))
            images = [c.get("image", "") for c in found["spec"]["template"]["spec"]["containers"]]
            return f"{spoken(settings.workload, settings.namespace, settings.name)} runs {', '.join(images)}"
        if isinstance(settings, ArgoSettings):
            api.custom("argoproj.io", "v1alpha1", "applications", settings.namespace, settings.name)
            return f"Application {settings.namespace}/{settings.name} is there"
        api.custom("kustomize.toolkit.fluxcd.io", "v1", "kustomizations", settings.namespace, settings.name)
        return f"Kustomization {settings.namespace}/{settings.name} is there"


def _containers(settings: Docker) -> str:
    with engine(Context(docker_url=settings.docker_url), _CALL_S) as client:
        found = [client.api.inspect_container(name) for name in settings.containers]
    removed = next((c["Name"].lstrip("/") for c in found if c["HostConfig"].get("AutoRemove")), "")
    if removed:
        raise ActionFailed(f"{removed} is removed when it stops (--rm): there would be no way back")
    return ", ".join(f"{c['Name'].lstrip('/')} runs {c['Config']['Image']}" for c in found)


def _context(kubeconfig: Path | None, name: str) -> Context:
    return Context(kubeconfig=str(kubeconfig or ""), kube_context=name)
