"""Argo CD and Flux deploy what the branch says; here it is only waited until they did.

Nothing is ever changed in the cluster: the reconciler would put it back. The way back is the revert in git, which is
waited for in the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from nightshift.daemon.deployers.images import Image, image_of
from nightshift.daemon.deployers.shipments import Json
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.git import BareRepo, GitError
from nightshift.daemon.model import Service
from nightshift.daemon.ports import EnvironmentBroke
from nightshift.runbooks.actions.cluster import Name, cluster
from nightshift.runbooks.context import Context
from nightshift.runbooks.errors import ActionFailed

_CALL_S = 30.0


class _Reconciled(BaseModel):
    """What both have in common."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: Name
    """Name of the object that is reconciled."""
    kubeconfig: Path | None = None
    """Credentials; empty: in-cluster ones if there are any, else the default file."""
    kube_context: str = ""
    """Context of that file; empty: its current one."""
    poll_s: Annotated[float, Field(gt=0, le=300)] = 5.0
    """How often it is looked at, in seconds; for `deploy_timeout_s` at most."""


class ArgoSettings(_Reconciled):
    """Wait until an Application of Argo CD is synced to the commit and healthy."""

    kind: Literal["argocd"]
    """`argocd`."""
    namespace: Name = "argocd"
    """Namespace of the Application."""
    image: Image = ""
    """When the Application follows another repository: the image of the commit (`{commit}`, `{short}`), which is live
    when the Application lists it."""


class FluxSettings(_Reconciled):
    """Wait until a Kustomization of Flux has applied the commit and is ready."""

    kind: Literal["flux"]
    """`flux`."""
    namespace: Name = "flux-system"
    """Namespace of the Kustomization."""


State = tuple[bool, str, str]
"""(it is live, why it can't become so any more, what is to be said of it)."""


class GitOpsDeployer:
    """Port `Deployer` that waits. `repo_of` gives the daemon's repository of a service, to know later commits by."""

    def __init__(
        self, settings: ArgoSettings | FluxSettings, clock: Clock, repo_of: Callable[[Service], str] = lambda _: ""
    ) -> None:
        self._settings, self._clock, self._repo_of = settings, clock, repo_of
        self._context = Context(
            kubeconfig=str(settings.kubeconfig or ""), kube_context=settings.kube_context, clock=clock
        )

    def deploy(self, service: Service, commit: str, key: str) -> str:
        """Wait until the commit, or a later one that has it, is live. Raises EnvironmentBroke when it is too late."""
        del key
        deadline = self._clock.monotonic() + service.deploy_timeout_s
        while True:
            live, broken, said = self._look(service, commit)
            if live:
                return said
            if broken or self._clock.monotonic() >= deadline:
                raise EnvironmentBroke(broken or f"not live after {service.deploy_timeout_s:g} s: {said}")
            self._clock.sleep(self._settings.poll_s)

    def undo(self, service: Service, commit: str, key: str, *, of: str) -> str:
        """Wait until the commit that undoes it is live."""
        del of
        return self.deploy(service, commit, key)

    def _look(self, service: Service, commit: str) -> State:
        has: Callable[[str], bool] = lambda revision: self._has(service, revision, commit)  # noqa: E731
        try:
            if isinstance(self._settings, ArgoSettings):
                return argo(self._read("argoproj.io", "v1alpha1", "applications"), has,
                            image_of(self._settings.image, commit))  # fmt: skip
            return flux(self._read("kustomize.toolkit.fluxcd.io", "v1", "kustomizations"), has)
        except EnvironmentBroke as error:  # the API may be back before the time is over
            return False, "", str(error)

    def _read(self, group: str, version: str, plural: str) -> Json:
        how = self._settings
        try:
            with cluster(self._context, _CALL_S) as api:
                return api.custom(group, version, plural, how.namespace, how.name)
        except ActionFailed as failed:
            raise EnvironmentBroke(str(failed)) from failed

    def _has(self, service: Service, revision: str, commit: str) -> bool:
        """Whether a live revision is the commit or has it among its ancestors."""
        if not revision or revision == commit:
            return bool(revision)
        try:
            repo = BareRepo(self._repo_of(service))
            if not repo.resolve(revision):
                repo.fetch(service.repo, [f"+refs/heads/{service.branch}:refs/upstream/{service.branch}"])
            return bool(repo.resolve(revision)) and repo.is_ancestor(commit, revision)
        except (GitError, OSError):
            return False


def argo(application: Json, has: Callable[[str], bool], image: str = "") -> State:
    """What an Application's status says."""
    status = application.get("status") or {}
    sync, health = status.get("sync") or {}, (status.get("health") or {}).get("status", "Unknown")
    revisions = [*(sync.get("revisions") or []), sync.get("revision") or ""]
    done = (status.get("operationState") or {}).get("phase", "")
    there = _lists(status, image) if image else any(map(has, revisions))
    synced = sync.get("status") == "Synced" and done in ("", "Succeeded")
    said = f"Argo CD: {sync.get('status', 'Unknown')}, {health}, at {(revisions[0] or revisions[-1])[:12] or 'nothing'}"
    broken = ""
    operation = (status.get("operationState") or {}).get("syncResult") or {}
    if done in ("Failed", "Error") and has(str(operation.get("revision") or "")):
        broken = f"Argo CD could not sync it: {str((status.get('operationState') or {}).get('message', done))[:300]}"
    elif there and synced and health == "Degraded":
        broken = f"Argo CD has synced it, and it is degraded: {(status.get('health') or {}).get('message', '')}"[:300]
    return there and synced and health == "Healthy", broken, said


def _lists(status: Json, image: str) -> bool:
    return image in ((status.get("summary") or {}).get("images") or [])


def flux(kustomization: Json, has: Callable[[str], bool]) -> State:
    """What a Kustomization's status says. Its revisions read ``main@sha1:…`` (`main/…` before 2.0)."""
    status, generation = kustomization.get("status") or {}, kustomization["metadata"].get("generation") or 0
    applied, tried = _commit(status.get("lastAppliedRevision")), _commit(status.get("lastAttemptedRevision"))
    ready: Json = next((c for c in status.get("conditions") or [] if c.get("type") == "Ready"), {})
    seen = (status.get("observedGeneration") or 0) >= generation
    live = seen and has(applied) and ready.get("status") == "True"
    said = f"Flux: ready {ready.get('status', 'Unknown')}, applied {applied[:12] or 'nothing'}"
    failed = ready.get("status") == "False" and ready.get("reason") in _FINAL and has(tried)
    return live, f"Flux could not apply it: {str(ready.get('message', ''))[:300]}" if failed else "", said


_FINAL = ("BuildFailed", "ValidationFailed", "HealthCheckFailed", "ReconciliationFailed", "PruneFailed")


def _commit(revision: object) -> str:
    return str(revision or "").rpartition(":")[2].rpartition("/")[2]
