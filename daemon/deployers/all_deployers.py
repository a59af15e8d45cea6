"""Every way to deploy there is, by the `kind` of a service's `deployer`; and each service's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field

from nightshift.daemon.deployers.docker import DockerDeployer
from nightshift.daemon.deployers.docker import Settings as Docker
from nightshift.daemon.deployers.gitops import ArgoSettings, FluxSettings, GitOpsDeployer
from nightshift.daemon.deployers.images import Wrong
from nightshift.daemon.deployers.kubernetes import KubernetesDeployer
from nightshift.daemon.deployers.kubernetes import Settings as Kubernetes
from nightshift.daemon.deployers.nobody import Nobody
from nightshift.daemon.deployers.nobody import Settings as None_
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.model import Service
from nightshift.daemon.ports import Deployer

AnyDeployer = Annotated[Docker | Kubernetes | ArgoSettings | FluxSettings | None_, Field(discriminator="kind")]


def create(
    settings: Docker | Kubernetes | ArgoSettings | FluxSettings | None_, folder: Path, clock: Clock,
    repo_of: Callable[[Service], str], wrong: Wrong,
) -> Deployer:  # fmt: skip
    """The deployer of some settings; its records lie in `folder`."""
    if isinstance(settings, Docker):
        return DockerDeployer(settings, folder, clock, repo_of, wrong)
    if isinstance(settings, Kubernetes):
        return KubernetesDeployer(settings, folder, clock, repo_of, wrong)
    if isinstance(settings, None_):
        return Nobody()
    return GitOpsDeployer(settings, clock, repo_of)


def folder_of(root: Path, service: str) -> Path:
    """Where a service's deployer keeps its records."""
    return root / stable_id("deployer", service)


class EachItsOwn:
    """Port `Deployer`: a service's own deployer, else the common one."""

    def __init__(self, own: Mapping[str, Deployer], otherwise: Deployer) -> None:
        self._own, self._otherwise = dict(own), otherwise

    def deploy(self, service: Service, commit: str, key: str) -> str:
        """See the port."""
        return self._of(service).deploy(service, commit, key)

    def undo(self, service: Service, commit: str, key: str, *, of: str) -> str:
        """See the port."""
        return self._of(service).undo(service, commit, key, of=of)

    def _of(self, service: Service) -> Deployer:
        return self._own.get(service.name, self._otherwise)
