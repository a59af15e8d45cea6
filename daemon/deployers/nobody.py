"""People, or something else that follows the branch, deploy: nothing is done here, only watched."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from nightshift.daemon.model import Service

NOTHING_TO_DEPLOY = "nothing to deploy: people ship this service"


class Settings(BaseModel):
    """Nothing is deployed; people do, and the watch begins at the merge."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    kind: Literal["none"]
    """`none`."""


class Nobody:
    """Port `Deployer` that does nothing."""

    def deploy(self, service: Service, commit: str, key: str) -> str:
        """Says so."""
        del service, commit, key
        return NOTHING_TO_DEPLOY

    def undo(self, service: Service, commit: str, key: str, *, of: str) -> str:
        """Says so."""
        del of
        return self.deploy(service, commit, key)
