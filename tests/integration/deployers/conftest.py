"""The worlds that deployers change: a folder, a Docker engine, a cluster's API, a reconciler. Each says what runs in it
and how often it was changed."""

from __future__ import annotations

import asyncio
import io
import shutil
import tarfile
import uuid
from pathlib import Path

import kmock
import pytest
from integration.runbooks.runbook_kube import KINDS, Cluster, deployment, template

from nightshift.daemon.deployers.command import CommandDeployer
from nightshift.daemon.deployers.docker import DockerDeployer
from nightshift.daemon.deployers.docker import Settings as Docker
from nightshift.daemon.deployers.gitops import ArgoSettings, FluxSettings, GitOpsDeployer
from nightshift.daemon.deployers.kubernetes import KubernetesDeployer
from nightshift.daemon.deployers.kubernetes import Settings as Kubernetes
from nightshift.daemon.deployers.testing import MemoryDeployer
from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.model import Service

OLD, NEW, NEWER, BAD, UNDONE = "a" * 40, "b" * 40, "c" * 40, "bad0" * 10, "e" * 40
TREES = {OLD: "old", NEW: "new", NEWER: "newer", BAD: "bad", UNDONE: "old"}
LABEL = "nightshift-test-deploy"
STAY = "case $(cat /marker) in bad*) exit 7;; esac; trap 'exit 0' TERM; while :; do sleep 0.05; done"


class World:
    """`runs()` is the tree that is live, `changes()` how often anything was changed."""

    service = Service(name="shop", repo="", deploy_timeout_s=20.0)

    def merge(self, commit: str) -> None:
        """The branch stands there now; what follows the branch follows."""

    def close(self) -> None:
        """Leave nothing."""


class MemoryWorld(World):
    def __init__(self, folder: Path) -> None:
        self.one = MemoryDeployer(live=OLD, bad={BAD})

    def deployer(self) -> MemoryDeployer:
        return self.one

    def runs(self) -> str:
        return TREES[self.one.live]

    def changes(self) -> int:
        return self.one.changes


class CommandWorld(World):
    SCRIPT = "echo x >> changes; case $NIGHTSHIFT_COMMIT in bad*) exit 1;; esac; echo $NIGHTSHIFT_COMMIT > live; echo shipped"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "live").write_text(OLD)
        script = f"cd {folder}; {self.SCRIPT}"
        self.service = Service(name="shop", repo="", deploy=("sh", "-c", script), deploy_timeout_s=20.0)

    def deployer(self) -> CommandDeployer:
        return CommandDeployer(self.folder / "state", SystemClock())

    def runs(self) -> str:
        return TREES[(self.folder / "live").read_text().strip()]

    def changes(self) -> int:
        changed = self.folder / "changes"
        return len(changed.read_text().split()) if changed.exists() else 0


class DockerWorld(World):
    """Containers of images that hold nothing but a marker; the host's shell is bound in."""

    count = 1

    def __init__(self, folder: Path) -> None:
        import docker

        self.folder, self.name = folder, f"{LABEL}-{uuid.uuid4().hex[:8]}"
        self.client = docker.from_env(timeout=60)
        for commit in TREES:
            self.client.api.import_image_from_data(_rootfs(commit), repository=self.name, tag=commit)
        self.names = [f"{self.name}-{n}" for n in range(self.count)]
        self.first = [self._start(name) for name in self.names]

    def _start(self, name: str) -> str:
        binds = [f"/{part}:/{part}:ro" for part in ("usr", "lib", "lib64", "bin")]
        made = self.client.containers.run(
            f"{self.name}:{OLD}", ["/bin/sh", "-c", STAY], detach=True, volumes=binds, network_mode="none", name=name,
            log_config={"type": "none"}, environment={"KEPT": "yes"}, labels={LABEL: self.name},
            restart_policy={"Name": "unless-stopped"},
        )  # fmt: skip
        return made.id

    def settings(self) -> Docker:
        return Docker(kind="docker", containers=tuple(self.names), image=f"{self.name}:{{commit}}", grace_s=2,
                      healthy_within_s=3.0, stays_up_s=0.3)  # fmt: skip

    def deployer(self, **more: object) -> DockerDeployer:
        return DockerDeployer(self.settings(), self.folder / "state", SystemClock(), **more)

    def all(self) -> list:
        return self.client.containers.list(all=True, filters={"label": f"{LABEL}={self.name}"})

    def running(self) -> dict[str, str]:
        return {c.name: c.attrs["Config"]["Image"].rpartition(":")[2] for c in self.all() if c.status == "running"}

    def runs(self) -> str:
        running = self.running()
        assert sorted(running) == self.names, "exactly the named containers run"
        (commit,) = set(running.values())
        return TREES[commit]

    def changes(self) -> int:
        """Containers made since, by their ids: those that were removed again are not counted."""
        return len([c for c in self.all() if c.id not in self.first])

    def extras(self) -> list[str]:
        return [c.name for c in self.all() if c.name not in self.names]

    def close(self) -> None:
        for left in self.all():
            left.remove(force=True)
        for commit in TREES:
            self.client.images.remove(f"{self.name}:{commit}", force=True)
        self.client.close()


class SeveralDockerWorld(DockerWorld):
    count = 2


class PromptCluster(Cluster):
    """Its controller has looked before the client can ask again: a real API server counts generations instead."""

    async def _serve(self) -> None:
        async with self.handler, kmock.Server(self.handler) as server:
            self.url = str(server.url)
            self._ready.set()
            while not self._stop.is_set():
                self._control()
                await asyncio.sleep(0.0005)

    def _control(self) -> None:
        """Of those that are there: a canary comes and goes."""
        gone = [place for place in self.handler.objects if self.handler.objects[place].deleted]
        for place in gone:
            del self.handler.objects[place]
        super()._control()


class KubernetesWorld(World):
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cluster = PromptCluster(folder, good=lambda made: "bad" not in made["spec"]["containers"][1]["image"])
        self.cluster.add("deployment", deployment(template(f"web:{OLD}"), replicas=3))
        self.service = Service(name="shop", repo="", deploy_timeout_s=3.0)

    def settings(self) -> Kubernetes:
        return Kubernetes(kind="kubernetes", name="shop", namespace="prod", container="web", image="web:{commit}",
                          kubeconfig=self.cluster.kubeconfig, canary_ready_s=3.0)  # fmt: skip

    def deployer(self, **more: object) -> KubernetesDeployer:
        return KubernetesDeployer(self.settings(), self.folder / "state", SystemClock(), **more)

    def template(self) -> dict:
        return self.cluster.read("deployment", "shop")["spec"]["template"]

    def runs(self) -> str:
        proxy, web = self.template()["spec"]["containers"]
        assert proxy == {"name": "proxy", "image": "proxy:1"}, "the other containers stay"
        return TREES[web["image"].removeprefix("web:")]

    def changes(self) -> int:
        return len(list(self.cluster.handler["patch"]))

    def extras(self) -> list[str]:
        return [name for name in self.cluster.names("deployment") if name != "shop"]

    def close(self) -> None:
        self.cluster.close()


class GitOpsWorld(World):
    """A reconciler that follows the branch at once; nothing but it may change anything."""

    def __init__(self, folder: Path) -> None:
        self.cluster = Cluster(folder)
        self.service = Service(name="shop", repo="", deploy_timeout_s=0.5)
        self.commit = ""
        self.merge(OLD)

    def runs(self) -> str:
        return TREES[self.commit]

    def changes(self) -> int:
        verbs = ("patch", "post", "put", "delete")
        assert not [request for verb in verbs for request in self.cluster.handler[verb]], "the reconciler is not fought"
        return 0

    def close(self) -> None:
        self.cluster.close()


class ArgoWorld(GitOpsWorld):
    KIND = kmock.resource("argoproj.io", "v1alpha1", "applications")

    def merge(self, commit: str) -> None:
        self.commit = commit
        self.put({"sync": {"status": "Synced", "revision": commit}, "operationState": {"phase": "Succeeded"},
                  "health": {"status": "Degraded" if commit == BAD else "Healthy"}})  # fmt: skip

    def put(self, status: dict) -> None:
        self.cluster.handler.objects[self.KIND, "argocd", "shop"] = {
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": {"name": "shop", "namespace": "argocd"}, "status": status,
        }  # fmt: skip

    def deployer(self, **more: object) -> GitOpsDeployer:
        settings = ArgoSettings(kind="argocd", name="shop", kubeconfig=str(self.cluster.kubeconfig), poll_s=0.05)
        return GitOpsDeployer(settings, SystemClock(), **more)


class FluxWorld(GitOpsWorld):
    KIND = kmock.resource("kustomize.toolkit.fluxcd.io", "v1", "kustomizations")

    def merge(self, commit: str) -> None:
        self.commit = commit
        ready = {"type": "Ready", "status": "False", "reason": "HealthCheckFailed", "message": "not up"} if commit == BAD else {
            "type": "Ready", "status": "True", "reason": "ReconciliationSucceeded"}  # fmt: skip
        self.put({"observedGeneration": 2, "lastAppliedRevision": f"main@sha1:{commit}", "conditions": [ready],
                  "lastAttemptedRevision": f"main@sha1:{commit}"})  # fmt: skip

    def put(self, status: dict) -> None:
        self.cluster.handler.objects[self.KIND, "flux-system", "shop"] = {
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
            "metadata": {"name": "shop", "namespace": "flux-system", "generation": 2}, "status": status,
        }  # fmt: skip

    def deployer(self, **more: object) -> GitOpsDeployer:
        settings = FluxSettings(kind="flux", name="shop", kubeconfig=str(self.cluster.kubeconfig), poll_s=0.05)
        return GitOpsDeployer(settings, SystemClock(), **more)


def _rootfs(commit: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("sbin", "bin", "usr", "lib", "lib64"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(folder)
        marker = tarfile.TarInfo("marker")
        marker.size = len(commit)
        archive.addfile(marker, io.BytesIO(commit.encode()))
    return buffer.getvalue()


WORLDS = {
    "memory": MemoryWorld, "command": CommandWorld, "docker": DockerWorld, "two containers": SeveralDockerWorld,
    "kubernetes": KubernetesWorld, "argocd": ArgoWorld, "flux": FluxWorld,
}  # fmt: skip
_ENGINE = [pytest.mark.engine]


def of(*names: str) -> list:
    """Worlds as parameters; those that need an engine are marked so."""
    return [
        pytest.param(name, marks=_ENGINE if WORLDS[name] in (DockerWorld, SeveralDockerWorld) else []) for name in names
    ]


@pytest.fixture
def world(request, tmp_path):
    made = WORLDS[request.param](tmp_path)
    yield made
    made.close()
    shutil.rmtree(tmp_path / "state", ignore_errors=True)


__all__ = ["BAD", "KINDS", "NEW", "NEWER", "OLD", "TREES", "UNDONE", "WORLDS", "of"]
