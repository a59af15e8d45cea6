"""`nightshift schema`: the configuration's JSON schema, for editors and for the reference in docs."""

from __future__ import annotations

from typing import Annotated

import typer

Markdown = Annotated[bool, typer.Option("--markdown", hidden=True, help="The reference of docs/configuration.md.")]


def command(markdown: Markdown = False) -> None:
    """Print the configuration's JSON schema."""
    if markdown:
        from nightshift.daemon.config.reference import markdown as reference

        print(reference(), end="")
        return
    from nightshift.daemon.cli.output import print_json
    from nightshift.daemon.config.reference import json_schema

    print_json(json_schema())
