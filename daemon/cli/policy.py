"""`nightshift policy`: why a mission may or may not act alone, and the switch that stops every effect. Works while the
daemon is down: it reads and writes the store, as the daemon does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nightshift.daemon.cli import output
from nightshift.daemon.cli.options import ConfigPath, Json, configured, opened
from nightshift.daemon.cli.trouble import Trouble
from nightshift.daemon.cli.verbs import me

if TYPE_CHECKING:
    from nightshift.daemon.config import Config
    from nightshift.daemon.store.store import Store

app = typer.Typer(
    add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Explain what a mission may do alone; stop every effect, and let them go on.",
)  # fmt: skip
Id = Annotated[str, typer.Argument(metavar="ID", help="Mission or its incident.")]
Reason = Annotated[str, typer.Option("--reason", "-m", metavar="TEXT", help="Why.")]
Actor = Annotated[str, typer.Option("--actor", metavar="NAME", help="Who; default: your user name.")]


@app.command("explain")
def explain(name: Id, config: ConfigPath = None, as_json: Json = False) -> None:
    """Each rule with its answer and the reason, as it would be decided now. Exits 0 whatever the answer is."""
    from nightshift.daemon.dossier import masked
    from nightshift.daemon.kit.clock import SystemClock
    from nightshift.daemon.missions.policy.explain import explain as explained

    settings = configured(config, demand_secrets=False)
    store = opened(settings)
    found = store and explained(store, SystemClock(), settings.policy, settings.services_model(),
                                settings.budget.mission_s, name)  # fmt: skip
    if not found:
        raise Trouble(f"nightshift policy: no single mission or incident with one '{name}'", code=1)
    shown = masked(found)
    output.print_json(shown) if as_json else _tell(shown)


@app.command("stop")
def stop(reason: Reason = "", actor: Actor = "", config: ConfigPath = None) -> None:
    """Stop every effect, now and until `nightshift policy go`: nothing is pushed, merged, deployed or run."""
    from nightshift.daemon.kit.clock import SystemClock

    settings = configured(config, demand_secrets=False)
    _store(settings).switches.throw(actor or me(), reason, SystemClock().now_ms())
    print("stopped: no effect happens until 'nightshift policy go'")


@app.command("go")
def go(reason: Reason = "", actor: Actor = "", config: ConfigPath = None) -> None:
    """Let effects happen again; missions that waited go on, and decide anew."""
    from nightshift.daemon.kit.clock import SystemClock
    from nightshift.daemon.missions.policy import stopped

    settings = configured(config, demand_secrets=False)
    store = _store(settings)
    store.switches.release(actor or me(), reason, SystemClock().now_ms())
    still = stopped(store, settings.policy)
    if still:
        raise Trouble(f"still {still}", code=1)
    print("effects may happen again")


@app.command("state")
def state(config: ConfigPath = None, as_json: Json = False) -> None:
    """Whether everything is stopped, and by whom. Exits 1 when it is."""
    from nightshift.daemon.missions.policy import stopped

    settings = configured(config, demand_secrets=False)
    why = stopped(_store(settings), settings.policy)
    if as_json:
        output.print_json({"stopped": bool(why), "reason": why})
    else:
        output.line(why or "nothing is stopped")
    if why:
        raise typer.Exit(1)


def _store(config: Config) -> Store:
    """The daemon's, made if it has never run: a stop must hold from its first moment."""
    from nightshift.daemon.store.store import Store

    return Store.open(config.store_path)


def _tell(found: dict[str, Any]) -> None:
    what = f"{found['fixer']}/{found['kind'] or '-'}" if found["fixer"] else "no accepted patch yet"
    output.line(f"{found['mission']}  {found['service']}, {found['stage']}, {what}", "bold")
    output.line(f"{found['decision']}: {found['reason']}\n")
    marks = {"merge": "ok", "propose": "person", "observe": "no"}
    styles = {"merge": "", "propose": "yellow", "observe": "red"}
    rows = [(marks[r["limit"]], r["rule"], r["reason"]) for r in found["rules"]]
    output.table(("", "RULE", "WHY"), rows, (styles[r["limit"]] for r in found["rules"]))
    for past in found["decided"]:
        output.line(f"\n{output.at(past['at_ms'])}  decided: {past['action']}: {past['reason']}")
