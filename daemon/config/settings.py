"""The whole configuration as one type. Plugins bring their own `Settings`; this file only says where they stand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, DirectoryPath, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from nightshift.daemon.config.services import ServiceSettings
from nightshift.daemon.deployers.images import Argv
from nightshift.daemon.forges.gitea import Settings as Gitea
from nightshift.daemon.forges.github import Settings as GitHub
from nightshift.daemon.forges.gitlab import Settings as GitLab
from nightshift.daemon.forges.local import Settings as LocalForge
from nightshift.daemon.intake.settings import Settings as Intake
from nightshift.daemon.kit.addresses import repository_of
from nightshift.daemon.kit.nearest import nearest
from nightshift.daemon.missions import policy
from nightshift.daemon.missions.budget import Budget
from nightshift.daemon.missions.policy.levels import Autonomy
from nightshift.daemon.model import Service
from nightshift.daemon.reports.file import Settings as ReportFile
from nightshift.daemon.reports.schedule import trigger
from nightshift.daemon.reports.slack import Settings as Slack
from nightshift.daemon.reports.webhook import Settings as Webhook
from nightshift.fixers.all_fixers import FIXERS
from nightshift.fixers.dependencies.fixer import Settings as Dependencies
from nightshift.fixers.donors.fixer import Settings as Donors
from nightshift.fixers.environment.fixer import Settings as Environment
from nightshift.fixers.javascript.fixer import Settings as JavaScript
from nightshift.fixers.model.fixer import Settings as Model
from nightshift.fixers.revert import Settings as Revert
from nightshift.fixers.templates.fixer import Settings as Templates
from nightshift.monitors.alertmanager import Settings as Alertmanager
from nightshift.monitors.ci import Settings as Ci
from nightshift.monitors.docker import Settings as Docker
from nightshift.monitors.kubernetes import Settings as Kubernetes
from nightshift.monitors.logs.settings import LogFile
from nightshift.monitors.logs.settings import Settings as Logs
from nightshift.monitors.probes import Settings as Probes
from nightshift.monitors.prometheus import Settings as Prometheus
from nightshift.monitors.sensors import Settings as Sensors
from nightshift.monitors.sentry import Settings as Sentry
from nightshift.runbooks.limits import Limits
from nightshift.sandboxes.all_sandboxes import Settings as Sandbox


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class HttpSettings(_Section):
    """The HTTP API and the mission-control page."""

    host: str = "127.0.0.1"
    """Address to listen on. Anything but a loopback address is reachable by others: put TLS in front of it."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8700
    """Port to listen on; 0 takes a free one."""
    token: SecretStr | None = None
    """The bearer token for everything that changes something. Without one such requests are refused."""
    hosts: tuple[str, ...] = ()
    """Further names this server is reached under; others are refused while it listens on a loopback address."""


class FixersSettings(_Section):
    """The creators of patches."""

    order: tuple[str, ...] = ("revert", "dependencies", "environment", "templates", "javascript", "donors")
    """Which fixers draft, in this order."""
    revert: Revert = Revert()
    dependencies: Dependencies = Dependencies()
    templates: Templates = Templates()
    javascript: JavaScript = JavaScript()
    donors: Donors = Donors()
    """The fixer `donors`."""
    environment: Environment = Environment()
    model: Model | None = None
    """The fixer `model`; it also has to stand in `order`."""

    @field_validator("order")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in FIXERS:
                raise ValueError(f"no fixer is called '{name}'{nearest(name, FIXERS)}")
        return value

    def settings(self) -> dict[str, BaseModel]:
        """The sections of fixers that have one, by the fixer's name."""
        found = {name: getattr(self, name) for name in type(self).model_fields if name != "order"}
        return {name: section for name, section in found.items() if section is not None}


class ReportsSettings(_Section):
    """The morning report and the channels that carry notices."""

    dir: Path | None = None
    """Where reports are written as Markdown and HTML; default: `reports` in the state folder."""
    cron: str = "0 7 * * *"
    """When the report of the last night is made: minute, hour, day of month, month, day of week."""
    timezone: str = "UTC"
    """The time zone of `cron` and of the times in reports, for example `Europe/Berlin`."""
    language: Literal["en", "zh"] = "en"
    """The language of reports."""
    slack: Slack | None = None
    """A Slack incoming webhook that gets every notice and the report."""
    webhook: Webhook | None = None
    """An address of your own that gets every notice and the report as signed JSON."""

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        from zoneinfo import ZoneInfo, available_timezones

        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"no such time zone: '{value}'{nearest(value, available_timezones())}") from None
        return value

    @field_validator("cron")
    @classmethod
    def _five_fields(cls, value: str) -> str:
        if len(value.split()) != 5:
            raise ValueError("needs five fields: minute, hour, day of month, month, day of week")
        try:
            trigger(value, "UTC")
        except (ValueError, TypeError) as error:
            raise ValueError(f"'{value}' can't be read: {error}") from None
        return value


class SlackSettings(_Section):
    """Slack's slash command and buttons."""

    signing_secret: SecretStr
    """The signing secret of the Slack app; requests without its signature are refused."""
    users: tuple[str, ...] = ()
    """Ids of the users who may (`U012AB3CD`); nobody else, whatever the workspace. `*` is everybody in it."""


class RunbooksSettings(_Section):
    """Written procedures that Nightshift may run."""

    dirs: tuple[DirectoryPath, ...] = ()
    """Folders of runbooks (YAML) besides those that come with Nightshift."""
    commands: tuple[Argv, ...] = ()
    """Commands that a runbook's `command` action may run, exactly as they stand here; none by default."""
    automatic: Literal["off", "named", "matching"] = "matching"
    """Which runbooks incidents get without being asked for: none, those their labels name (`runbook`, `runbook_url`),
    or also those whose `match` fits. What they may then do is their `autonomy`."""
    limits: Limits = Limits()
    """How far runbooks may reach."""
    docker_url: str = ""
    """Address of the Docker engine for `docker` actions; empty: what the environment says."""
    kubeconfig: Path | None = None
    """Credentials for `kubernetes` actions; empty: in-cluster ones if there are any, else the default file."""
    kube_context: str = ""
    """Context of that file; empty: its current one."""
    slack: SlackSettings | None = None
    """Slash commands and buttons from Slack, `/hooks/slack`."""


class PolicySettings(policy.Settings):
    """What a fix may touch, and what may happen without a person."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    autonomy: Autonomy = "merge"
    """The cap over every service's own `autonomy`; `observe` here stops every effect everywhere."""
    deny: tuple[str, ...] = ()
    """Further paths a patch may not touch (`*` and `**` allowed), besides those that are always denied: CI files,
    hooks, secrets, lock files, test configuration."""
    max_files: Annotated[int, Field(ge=1)] = 5
    """The most files a patch may change."""
    max_lines: Annotated[int, Field(ge=1)] = 200
    """The most lines a patch may add and remove."""


class MonitorsSettings(_Section):
    """Which monitors run; a section that is there, even an empty one, turns its monitor on. Log files are named at
    their service; `logs` only says how they are read."""

    logs: Logs = Logs()
    alertmanager: Alertmanager | None = None
    """The webhook `/webhooks/alertmanager`."""
    ci: Ci | None = None
    """Failing pipelines, `/webhooks/ci`."""
    sensors: Sensors | None = None
    """Sensors that forward what they see, `/api/signals`."""
    sentry: Sentry | None = None
    """The endpoint Sentry's SDKs report to, `/api/PROJECT/envelope/`."""
    prometheus: Prometheus | None = None
    """Rules over metrics, and detectors that need none."""
    probes: Probes | None = None
    """Checks from outside: pages, ports, programs."""
    kubernetes: Kubernetes | None = None
    """Pods that crash or run out of memory."""
    docker: Docker | None = None
    """Containers that die or run out of memory."""


ForgeName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")]
RemoteForge = Annotated[GitHub | GitLab | Gitea, Field(discriminator="kind")]


class ForgeSettings(LocalForge):
    """Where pull requests of services live that name no forge of `forges`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    kind: Literal["local"] = "local"
    """`local`: bare repositories in the state folder; merges go back to the service's repository."""


class SensorSettings(_Section):
    """What `nightshift sensor` does with what it sees; a daemon ignores this."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    """What this sensor is called at the daemon."""
    url: Annotated[str, Field(pattern=r"^https?://[^/@]+(/.*)?$")]
    """Base address of the daemon."""
    token: SecretStr
    """The token the daemon knows it by."""
    ca_file: Path | None = None
    """Certificates to verify the daemon with instead of the system's; verification is never off."""
    timeout_s: Annotated[float, Field(gt=0)] = 30.0
    """Seconds one call may take."""
    batch_bytes: Annotated[int, Field(ge=1024, le=1 << 20)] = 256 << 10
    """How much is sent at once, before it is compressed."""
    heartbeat_s: Annotated[float, Field(ge=1, le=3600)] = 30.0
    """After so many seconds without anything to forward the sensor says that it is there."""
    spool_mb: Annotated[int, Field(ge=1)] = 256
    """How much may wait on disk, in MiB."""
    when_full: Literal["wait", "drop_oldest"] = "wait"
    """`wait`: reading stops until there is room, the logs are the buffer; `drop_oldest`: the oldest signals are dropped
    and counted."""


class Config(BaseSettings):
    """The configuration of Nightshift. Paths are relative to the file's folder; secrets are `env:NAME` or
    `file:PATH`; every key can be set from the environment as `NIGHTSHIFT_SECTION__KEY`."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True,
        env_prefix="NIGHTSHIFT_", env_nested_delimiter="__",
    )  # fmt: skip

    state_dir: Path = Path(".nightshift")
    """Where the daemon keeps its database, its repositories and its reports."""
    services: tuple[ServiceSettings, ...] = ()
    """What Nightshift looks after."""
    http: HttpSettings = HttpSettings()
    fixers: FixersSettings = FixersSettings()
    reports: ReportsSettings = ReportsSettings()
    runbooks: RunbooksSettings = RunbooksSettings()
    policy: Annotated[PolicySettings, Field(validate_default=True)] = PolicySettings()
    budget: Budget = Budget()
    intake: Intake = Intake()
    monitors: Annotated[MonitorsSettings, Field(validate_default=True)] = MonitorsSettings()
    sandbox: Sandbox = Sandbox()
    forge: ForgeSettings = ForgeSettings()
    forges: Annotated[dict[ForgeName, RemoteForge], Field(validate_default=True)] = {}
    """Servers where pull requests live, by a name of yours that services name as their `forge`."""
    sensor: SensorSettings | None = None

    @field_validator("services")
    @classmethod
    def _names_once(cls, value: tuple[ServiceSettings, ...]) -> tuple[ServiceSettings, ...]:
        names = [s.name for s in value]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"two services are called '{twice[0]}'")
        return value

    @field_validator("monitors")
    @classmethod
    def _guards_have_a_server(cls, value: MonitorsSettings, info: ValidationInfo) -> MonitorsSettings:
        guarded = [service.name for service in info.data.get("services", ()) if service.guards]
        if guarded and value.prometheus is None:
            raise ValueError(
                f"service '{guarded[0]}' has guards, which are read from `prometheus`: say where it answers"
            )
        return value

    @field_validator("policy")
    @classmethod
    def _stop_file(cls, value: PolicySettings, info: ValidationInfo) -> PolicySettings:
        """The kill switch's file has a place even where none is named."""
        place = value.stop_file or info.data.get("state_dir", Path(".nightshift")) / "STOP"
        return value.model_copy(update={"stop_file": place})

    @field_validator("forges")
    @classmethod
    def _forges_that_are_named(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if "local" in value:
            raise ValueError("'local' is the forge that needs no server; choose another name")
        for service in info.data.get("services", ()):
            if service.forge != "local" and service.forge not in value:
                hint = nearest(service.forge, ["local", *value])
                raise ValueError(f"service '{service.name}' names the forge '{service.forge}', which is not here{hint}")
            if service.forge != "local" and not repository_of(str(service.repo)):
                raise ValueError(f"service '{service.name}' has a forge, so its repo has to be an https or ssh address")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the hook's signature
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load_config` merged: file and environment have been read, checked and resolved by then."""
        return (init_settings,)

    def services_model(self) -> dict[str, Service]:
        """The services by name, as the nouns the rest of the house works with."""
        return {s.name: s.model(cap=self.policy.autonomy) for s in self.services}

    def logs_settings(self) -> Logs:
        """How logs are read, with the services' files among them."""
        named = [LogFile(service=s.name, path=str(path)) for s in self.services for path in s.logs]
        return self.monitors.logs.model_copy(update={"files": [*self.monitors.logs.files, *named]})

    def monitor_settings(self, name: str) -> BaseModel | None:
        """One monitor's section; None when the monitor is off."""
        if name == "logs":
            return self.logs_settings()
        found: BaseModel | None = getattr(self.monitors, name)
        return found

    @property
    def store_path(self) -> Path:
        """The database file."""
        return self.state_dir / "nightshift.db"

    @property
    def reports_dir(self) -> Path:
        """Where reports are written."""
        return self.reports.dir or self.state_dir / "reports"

    def file_settings(self) -> ReportFile:
        """The channel that is always there: files in the reports folder."""
        return ReportFile(folder=self.reports_dir)
