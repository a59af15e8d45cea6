"""The services section: what Nightshift looks after, in the words people use for it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, DirectoryPath, Field, model_validator

from nightshift.daemon.deployers.all_deployers import AnyDeployer
from nightshift.daemon.deployers.images import Argv
from nightshift.daemon.missions.guards import AnyGuard
from nightshift.daemon.missions.policy.levels import Autonomy, lowest
from nightshift.daemon.model import Service

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
    """What sandboxes are made of: `host` (this machine's interpreter, read-only, nothing pulled), `project` (the same
    with what the repository's own requirement files ask for, installed once per lock) or an image's name."""
    python: Path | None = None
    """The interpreter that has the service's dependencies, for the `host` image; empty: Nightshift's own."""
    logs: tuple[Path, ...] = ()
    """Log files to watch; `*` and `**` are allowed."""
    deploy: Argv = ()
    """The command that ships the merged commit. It gets NIGHTSHIFT_SERVICE, NIGHTSHIFT_COMMIT, NIGHTSHIFT_REPO (a bare
    repository that has the commit), NIGHTSHIFT_KEY and NIGHTSHIFT_ATTEMPT. Empty: no deploy."""
    deployer: AnyDeployer | None = None
    """Another way to deploy than a command: `docker`, `kubernetes`, `argocd`, `flux`, or `none` (people deploy)."""
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
    guards: tuple[AnyGuard, ...] = ()
    """Metrics that must be no worse after a deploy than before: `latency`, `errors`, `memory`, `restarts`, or PromQL of
    your own. They are read from the server of `monitors.prometheus`."""
    guard_window_s: Annotated[float, Field(ge=1, le=3600)] = 60.0
    """What their rates are taken over; so long after a deploy they still know the time before, and are not compared."""
    guard_step_s: Annotated[float, Field(ge=1, le=600)] = 15.0
    """Seconds between two samples of them."""
    guard_before_s: Annotated[float, Field(ge=10, le=7 * 86400)] = 1800.0
    """How long before the deploy they are compared with."""
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

    @model_validator(mode="after")
    def _one_way_to_deploy(self) -> ServiceSettings:
        ways = [name for name in ("deploy", "deployer", "runbook") if getattr(self, name)]
        if len(ways) > 1:
            raise ValueError(f"{' and '.join(ways)} are each a way to deploy: keep one")
        least_s = self.guard_window_s + 8 * self.guard_step_s
        if self.guards and self.watch_window_s < least_s:
            raise ValueError(
                f"guards can't be told in {self.watch_window_s:g} s: set watch_window_s to {least_s:g} or more"
            )
        return self

    def model(self, cap: Autonomy = "merge") -> Service:
        """The noun the rest of the house works with; its autonomy is never above `cap`."""
        autonomy = lowest(self.autonomy, cap)
        return Service(
            name=self.name, repo=str(self.repo), branch=self.branch, check=self.check, image=self.image,
            python=str(self.python or ""), deploy=self.deploy, deploy_timeout_s=self.deploy_timeout_s, url=self.url,
            probe=self.probe, watch_window_s=self.watch_window_s, watch_interval_s=self.watch_interval_s,
            autonomy=autonomy, runbook=self.runbook, forge=self.forge, canary_s=self.canary_s,
        )  # fmt: skip
