"""From a configuration to the parts of a mission."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence

from nightshift.daemon.app.books import Bookshelf, RunbookDeployer
from nightshift.daemon.app.desk import RunDesk
from nightshift.daemon.app.late import LateSandboxes
from nightshift.daemon.config import Config
from nightshift.daemon.deployers.all_deployers import EachItsOwn, create, folder_of
from nightshift.daemon.deployers.command import CommandDeployer
from nightshift.daemon.forges.local import LocalForge
from nightshift.daemon.forges.routed import Routed, remote
from nightshift.daemon.intake.intake import Intake
from nightshift.daemon.kit.clock import Clock
from nightshift.daemon.missions.guards import GuardReader, Metrics, worse
from nightshift.daemon.missions.lending import LentFixers, LentRepositories
from nightshift.daemon.missions.operations import Operations
from nightshift.daemon.missions.parts import Parts
from nightshift.daemon.missions.watch import make_watcher
from nightshift.daemon.model import Incident, Service
from nightshift.daemon.ports import Critic, Deployer, EnvironmentBroke, Fixer, Forge, Reproducer, Sandboxes, Tester
from nightshift.daemon.store.store import Store
from nightshift.monitors.prometheus import Settings as PrometheusSettings


def sandboxes(config: Config) -> LateSandboxes:
    """The configured engine, taken when it is first needed."""

    def make() -> Sandboxes:
        from nightshift.sandboxes.all_sandboxes import engine

        return engine(config.sandbox)

    return LateSandboxes(make, config.sandbox.limited)


def forges(config: Config, clock: Clock) -> Forge:
    """The local forge and every configured one, each for the services that name it."""
    root = config.state_dir / "forge"
    made: dict[str, Forge] = {"local": LocalForge(root, clock, config.forge)}
    return Routed(made | {name: remote(name, settings, root, clock) for name, settings in config.forges.items()})


def deployers(config: Config, clock: Clock, forge: Forge, guards: Mapping[str, GuardReader]) -> Deployer:
    """Each service's own way to deploy; a command where none is named."""
    root = config.state_dir / "deploys"

    def repo_of(service: Service) -> str:
        return str(forge.path(service))

    def wrong(service: Service, since_ms: int) -> str:
        reader = guards.get(service.name)
        return worse(reader.read(since_ms, since_ms, clock.now_ms())) if reader else ""

    named = {s.name: s.deployer for s in config.services if s.deployer}
    own = {name: create(how, folder_of(root, name), clock, repo_of, wrong) for name, how in named.items()}
    return EachItsOwn(own, CommandDeployer(root, clock, repo_of))


def guard_readers(config: Config) -> dict[str, GuardReader]:
    """The guard metrics of every service that has some."""
    guarded = [service for service in config.services if service.guards]
    if not guarded or config.monitors.prometheus is None:
        return {}
    metrics = _metrics(config.monitors.prometheus)
    return {
        s.name: GuardReader(s.name, s.guards, metrics, window_s=s.guard_window_s, step_s=s.guard_step_s,
                            before_s=s.guard_before_s)
        for s in guarded
    }  # fmt: skip


def _metrics(settings: PrometheusSettings) -> Metrics:
    """Values of one series, from the server that is watched as well."""

    def values(query: str, from_s: float, to_s: float, step_s: float) -> Sequence[float]:
        from nightshift.monitors.prometheus.client import BadRule, Prometheus

        client = Prometheus(settings)
        try:
            found = client.over(query, from_s, to_s, step_s)
        except BadRule as bad:
            raise EnvironmentBroke(f"Prometheus refuses the query: {bad}") from bad
        finally:
            client.close()
        if len(found) > 1:
            raise EnvironmentBroke(f"the query gives {len(found)} series, and one is needed: sum them")
        return [value for _, value in found[0].points] if found else []

    return values


def parts(
    config: Config,
    store: Store,
    clock: Clock,
    engine: LateSandboxes,
    shelf: Bookshelf,
    channels: Sequence[str],
    wake: Callable[[], None],
) -> Parts:
    """Everything missions need."""
    forge = forges(config, clock)
    guards = guard_readers(config)
    made = _reproducer(engine, config), _tester(engine, config), _fixers(config)
    critic = _critic(engine)
    return Parts(
        store=store,
        clock=clock,
        services=config.services_model(),
        forge=forge,
        reproducer=made[0],
        tester=made[1],
        critic=critic,
        fixers=made[2],
        operations=_operations(config, store, clock, shelf, forge, *made, critic),
        deployer=RunbookDeployer(shelf, deployers(config, clock, forge, guards)),
        node=f"{socket.gethostname()}:{config.state_dir.absolute()}",
        watcher=make_watcher(
            lambda incident, at_ms: store.incidents.occurrences_since(incident.id, at_ms),
            clock,
            lambda service: guards.get(service.name),
        ),
        channels=tuple(channels),
        policy=config.policy,
        budget=config.budget,
        wake=wake,
    )


def intake(
    config: Config, store: Store, clock: Clock, on_incident: Callable[[Incident], None], channels: Sequence[str] = ()
) -> Intake:
    """The sink of every monitor."""
    needs = {service.name: service.depends_on for service in config.services if service.depends_on}
    return Intake(store, clock, config.intake, on_incident, topology=needs, channels=channels)


def _operations(
    config: Config, store: Store, clock: Clock, shelf: Bookshelf, forge: Forge, reproducer: Reproducer, tester: Tester,
    fixers: Sequence[Fixer], critic: Critic,
) -> Operations:  # fmt: skip
    services = config.services_model()
    repositories = LentRepositories(store, forge, services, config.policy, clock)
    mender = LentFixers(store, forge, services, config.policy, reproducer, tester, fixers, config.budget, critic)
    return Operations(
        store, shelf.books, shelf.context(repositories, mender), services, config.policy, cap=config.policy.autonomy,
        automatic=config.runbooks.automatic,
    )  # fmt: skip


def desk(config: Config, parts: Parts, start: Callable[[str], None]) -> RunDesk:
    """Where runs of runbooks are asked for."""
    if parts.operations is None:
        raise ValueError("these parts have no runbooks")
    names = [service.name for service in config.services]
    return RunDesk(parts.store, parts.operations, parts.clock, names, start)


def _reproducer(engine: LateSandboxes, config: Config) -> Reproducer:
    from nightshift.sandboxes.reproduce import SandboxReproducer

    return SandboxReproducer(engine, timeout_s=config.budget.mission_s)


def _tester(engine: LateSandboxes, config: Config) -> Tester:
    from nightshift.sandboxes.tester import GateTester, PatchPolicy

    policy = PatchPolicy(deny=config.policy.deny, max_files=config.policy.max_files, max_lines=config.policy.max_lines)
    return GateTester(engine, policy=policy, timeout_s=config.budget.mission_s)


def _critic(engine: LateSandboxes) -> Critic:
    from nightshift.sandboxes.critic import GateCritic

    return GateCritic(engine)


def _fixers(config: Config) -> Sequence[Fixer]:
    from nightshift.fixers.all_fixers import create

    return create(config.fixers.order, config.fixers.settings())
