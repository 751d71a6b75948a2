"""The option ``--version``, of the program and of its main command."""

from __future__ import annotations

from typing import Annotated

import typer

from llama_cli import __version__


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"llama-cli-embed {__version__}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version", help="Print the version and exit.", callback=_print_version, is_eager=True
    ),
]
