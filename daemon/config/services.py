"""The services section: what Nightshift looks after, in the words people use for it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, DirectoryPath, Field

from nightshift.daemon.missions.policy.levels import Autonomy, lowest
from nightshift.daemon.model import Service


def _argv(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return shlex.split(value)
    except ValueError as error:
        raise ValueError(f"can't be split into words ({error}); write it as a list") from None


Argv = Annotated[tuple[str, ...], BeforeValidator(_argv, json_schema_input_type=str | list[str])]
"""A program and its arguments: a list, or one line that is split as a shell would (and run without a shell)."""

RemoteRepo = Annotated[str, Field(pattern=r"^(https|ssh|http|file)://")]


class ServiceSettings(BaseModel):
    """One service: a program, its repository, how it is checked, shipped and watched."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    """What the service is called; letters, digits, dots, dashes and underscores."""
    repo: DirectoryPath | RemoteRepo
    """Its git repository: a folder (it is only read) or an https or ssh address."""
    branch: str = "main"
    """The branch that is deployed, and that fixes are proposed to."""
    check: str = ""
    """The test command, for example `python -m pytest -q`. Empty: an existing or synthesised test has to show the
    failure."""
    image: str = "host"
    """What sandboxes are made of: `host` (this machine's interpreter, read-only, nothing pulled) or an image's name."""
    python: Path | None = None
    """The interpreter that has the service's dependencies, for the `host` image; empty: Nightshift's own."""
    logs: tuple[Path, ...] = ()
    """Log files to watch; `*` and `**` are allowed."""
    deploy: Argv = ()
    """The command that ships the merged commit. It gets NIGHTSHIFT_SERVICE, NIGHTSHIFT_COMMIT, NIGHTSHIFT_REPO (a bare
    repository that has the commit), NIGHTSHIFT_KEY and NIGHTSHIFT_ATTEMPT. Empty: no deploy."""
    deploy_timeout_s: Annotated[float, Field(gt=0)] = 300.0
    """How long a deploy may take, in seconds."""
    url: str = ""
    """Where the service answers HTTP; used to see whether it is up again."""
    probe: Argv = ()
    """A command that exits 0 when the service is well; runs during the watch after a deploy. It gets NIGHTSHIFT_SERVICE
    and NIGHTSHIFT_URL."""
    watch_window_s: Annotated[float, Field(gt=0)] = 60.0
    """How long a deploy is watched before it counts as recovered, in seconds."""
    canary_s: Annotated[float, Field(ge=0)] = 0.0
    """Where the target has several replicas, deploy to one first and go on only when it stayed well for so many
    seconds; 0: no canary."""
    watch_interval_s: Annotated[float, Field(gt=0)] = 5.0
    """Seconds between two reads of that watch."""
    autonomy: Autonomy = "propose"
    """How far Nightshift goes alone: `observe` (diagnose and report), `propose` (open a pull request and wait for a
    person), `earned` (as `propose`, until the track record allows `merge`), `merge` (merge and deploy what it proved;
    lost on a revert)."""
    depends_on: tuple[str, ...] = ()
    """The services it needs: its alerts join the incident of one of them that broke first."""
    runbook: str = ""
    """A runbook that deploys the service instead of `deploy`."""
    forge: str = "local"
    """Where its pull requests live: a name of `forges`, or `local`, which needs no server."""

    def model(self, cap: Autonomy = "merge") -> Service:
        """The noun the rest of the house works with; its autonomy is never above `cap`."""
        autonomy = lowest(self.autonomy, cap)
        return Service(
            name=self.name, repo=str(self.repo), branch=self.branch, check=self.check, image=self.image,
            python=str(self.python or ""), deploy=self.deploy, deploy_timeout_s=self.deploy_timeout_s, url=self.url,
            probe=self.probe, watch_window_s=self.watch_window_s, watch_interval_s=self.watch_interval_s,
            autonomy=autonomy, runbook=self.runbook, forge=self.forge, canary_s=self.canary_s,
        )  # fmt: skip
