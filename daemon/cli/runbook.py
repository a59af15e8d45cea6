"""`nightshift runbook`: read and check books here, run them through the daemon."""

from __future__ import annotations

import time
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from nightshift.daemon.cli import output
from nightshift.daemon.cli.client import call
from nightshift.daemon.cli.options import ConfigPath, Json, configured
from nightshift.daemon.cli.trouble import Trouble

if TYPE_CHECKING:
    from nightshift.daemon.config import Config
    from nightshift.runbooks.book import Runbook

app = typer.Typer(
    add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="List, show, check and run runbooks.",
)  # fmt: skip
Markdown = Annotated[bool, typer.Option("--markdown", hidden=True, help="The actions of docs/runbooks.md.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The book.")]
Paths = Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files, or folders of them.")]
Params = Annotated[list[str] | None, typer.Option("--param", "-p", metavar="K=V", help="A parameter; may be repeated.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
Force = Annotated[bool, typer.Option("--force", help="Go over the book's cool-down.")]
Key = Annotated[
    str, typer.Option("--key", metavar="KEY", help="The same key starts one run, however often it is asked.")
]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Follow the run to its end.")]
_POLL_S = 0.5


@app.command("list")
def list_books(config: ConfigPath = None, as_json: Json = False) -> None:
    """The books that come with Nightshift and those of the configuration."""
    books = _books(config)
    if as_json:
        output.print_json([book.model_dump(mode="json", by_alias=True) for book in books.values()])
        return
    rows = [
        (name, _brief(book.description), " ".join(n for n, p in book.parameters.items() if p.default is None))
        for name, book in books.items()
    ]
    output.table(("NAME", "WHAT IT DOES", "NEEDS"), rows)


def _brief(description: str) -> str:
    """A description's first sentence, as far as it fits beside a name; `show` has all of it."""
    return shorten(description.partition(". ")[0], 78, placeholder=" …")


@app.command("show")
def show(name: Name, config: ConfigPath = None, as_json: Json = False) -> None:
    """One book, step by step."""
    book = _book(_books(config), name)
    data = book.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    if as_json:
        output.print_json(data)
        return
    import yaml

    print(output.plain(yaml.safe_dump(data, sort_keys=False, allow_unicode=True)), end="")


@app.command("lint")
def lint(paths: Paths) -> int:
    """Check runbook files; one line per problem, exit 1 if there is any."""
    from nightshift.runbooks.load import lint as problems_of

    problems = [problem for path in paths for problem in problems_of(path)]
    if problems:
        raise Trouble(*problems, code=1)
    print(f"{len(paths)} path(s) checked, nothing wrong")
    return 0


@app.command("schema")
def schema(markdown: Markdown = False) -> None:
    """Print the JSON schema of runbook files, for editors."""
    if markdown:
        from nightshift.runbooks.reference import actions_markdown

        print(actions_markdown())
        return
    from nightshift.runbooks.schema import json_schema

    output.print_json(json_schema())


@app.command("run")
def run(
    name: Name, param: Params = None, dry_run: DryRun = False, wait: Wait = True, force: Force = False,
    key: Key = "", config: ConfigPath = None, as_json: Json = False,
) -> int:  # fmt: skip
    """Run a book in the daemon and follow it. Exit 0 done, 1 failed, rolled back or not begun."""
    from nightshift.daemon.cli.verbs import me

    settings = configured(config, demand_secrets=False)
    body = {"params": dict(map(_pair, param or [])), "dry_run": dry_run, "actor": me(), "key": key, "force": force}
    run_id = str(call(settings, "POST", f"/api/runbooks/{quote(name, safe='')}/runs", body)["run"])
    if not wait:
        print(run_id)
        return 0
    state = _followed(settings, run_id)
    _tell(run_id, state, as_json)
    return 0 if state.get("status") in ("done", "planned") else 1


def _followed(settings: Config, run_id: str) -> dict[str, Any]:
    """The run's state at its end. What it waits for is said once, each time it begins to wait."""
    import sys

    said = ""
    while True:
        state: dict[str, Any] = call(settings, "GET", f"/api/runs/{quote(run_id, safe='')}")
        if state.get("status") not in ("running", "waiting"):
            return state
        waits = str(state.get("reason", "")) if state["status"] == "waiting" else ""
        if waits != said and waits:
            print(output.plain(f"waits: {waits}; nightshift approve {run_id} · nightshift reject {run_id}"),
                  file=sys.stderr)  # fmt: skip
        said = waits
        time.sleep(_POLL_S)


def _tell(key: str, state: dict[str, Any], as_json: bool) -> None:
    if as_json:
        output.print_json(state)
        return
    for step in state.get("steps", ()):
        print(
            output.plain(f"{step['status']:<8} {step['name']}  {step.get('reason') or step.get('output', '')}".rstrip())
        )
    print(output.plain(f"{key}: {state.get('status')} {state.get('reason', '')}".rstrip()))


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise Trouble(f"nightshift runbook run: -p takes name=value, not '{text}'")
    return key, value


def _books(config: Path | None) -> dict[str, Runbook]:
    from nightshift.daemon.config.load import PLACES
    from nightshift.runbooks.errors import BookError
    from nightshift.runbooks.load import load_books

    found = config is not None or any(place.is_file() for place in PLACES)
    dirs = configured(config, demand_secrets=False).runbooks.dirs if found else ()
    try:
        return dict(sorted(load_books(dirs).items()))
    except BookError as error:
        raise Trouble(*error.problems) from error


def _book(books: dict[str, Runbook], name: str) -> Runbook:
    from nightshift.daemon.kit.nearest import nearest

    if name not in books:
        raise Trouble(f"nightshift runbook: no runbook '{name}'{nearest(name, books)}")
    return books[name]
