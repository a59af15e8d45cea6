"""What runbooks may touch. A book says what to do; this, from the configuration, says how far it may reach.

Where an action could be led astray by a value from outside (a path, a host, a program), nothing is allowed by default.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from nightshift.daemon.ports import Refused

from .quantity import quantity

Quantity = Annotated[str, Field(pattern=r"^[0-9]{1,12}(\.[0-9]{1,6})?(m|k|K|M|G|T|Ki|Mi|Gi|Ti)?$")]
"""An amount as Kubernetes writes it: `512Mi`, `1.5Gi`, `250m`, `2`."""

_SYSTEM = ("kube-system", "kube-public", "kube-node-lease")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Database(_Section):
    """A database the `sql` action may ask."""

    url: SecretStr
    """`postgresql://user@host/name` or `sqlite:///path`; a secret, because it may hold a password."""
    write: bool = False
    """Whether steps with `write: true` may change it. Without, the connection is read-only, and so must the role be."""


class Limits(_Section):
    """How far runbooks may reach."""

    roots: tuple[Path, ...] = ()
    """Folders the `file` actions may touch; nothing outside, no symbolic links."""
    units: tuple[str, ...] = ()
    """systemd units that `process.restart` may restart."""
    pid_files: tuple[Path, ...] = ()
    """Files that name the processes `process.signal` may signal."""
    hosts: tuple[str, ...] = ()
    """`host` or `host:port` that `http.request` may call and `tls.expiry` may look at."""
    tokens: dict[str, SecretStr] = {}
    """Bearer tokens that `http.request` may send, by name; books name them and never hold them."""
    databases: dict[str, Database] = {}
    """Databases the `sql` action may ask, by name."""
    prometheus: str = ""
    """Address of the Prometheus server that `prometheus` steps and matches ask."""
    namespaces: tuple[str, ...] = ("*",)
    """Namespaces whose objects may be changed (`*` allowed); those of the system only when written out."""
    nodes: tuple[str, ...] = ("*",)
    """Nodes that may be cordoned (`*` allowed)."""
    max_replicas: Annotated[int, Field(ge=0, le=10_000)] = 20
    """The most replicas a workload may be scaled to."""
    max_memory: Quantity = "4Gi"
    """The most memory a container's limit may be raised to."""
    max_cpu: Quantity = "4"
    """The most CPU a container's limit may be raised to."""
    containers: tuple[str, ...] = ("*",)
    """Docker containers that may be restarted or recreated, by name (`*` allowed)."""
    images: tuple[str, ...] = ()
    """Images a container may be recreated from (`*` allowed) besides the one it has."""

    def check_namespace(self, namespace: str) -> None:
        """Raises Refused."""
        if not _allowed(namespace, self.namespaces) or (namespace in _SYSTEM and namespace not in self.namespaces):
            raise Refused(f"the namespace {namespace} is not among runbooks.limits.namespaces")

    def check_node(self, node: str) -> None:
        """Raises Refused."""
        if not _allowed(node, self.nodes):
            raise Refused(f"the node {node} is not among runbooks.limits.nodes")

    def check_container(self, name: str) -> None:
        """Raises Refused."""
        if not _allowed(name, self.containers):
            raise Refused(f"the container {name} is not among runbooks.limits.containers")

    def check_image(self, image: str) -> None:
        """Raises Refused."""
        if not _allowed(image, self.images):
            raise Refused(f"the image {image} is not among runbooks.limits.images")

    def check_amount(self, resource: str, amount: str) -> None:
        """Raises Refused for more memory or CPU than may be given."""
        most = self.max_memory if resource == "memory" else self.max_cpu
        if quantity(amount) > quantity(most):
            raise Refused(f"{resource} {amount} is more than runbooks.limits.max_{resource} ({most})")

    def check_replicas(self, replicas: int) -> None:
        """Raises Refused."""
        if replicas > self.max_replicas:
            raise Refused(f"{replicas} replicas are more than runbooks.limits.max_replicas ({self.max_replicas})")


def _allowed(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
