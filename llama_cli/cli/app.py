"""The commands, and the one place where errors become words and exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from llama_cli.cli.embed import embed
from llama_cli.cli.errors import EXIT_USAGE, report_failure
from llama_cli.cli.inspect import inspect
from llama_cli.cli.models import models
from llama_cli.cli.status import status
from llama_cli.cli.version import Version

app = typer.Typer(
    name="llama-cli",
    help="Turn lines of text into a Parquet file of embeddings, with llama.cpp.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help is narrower, and half as slow
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command()(embed)
app.command()(inspect)
app.command()(status)
app.add_typer(models)


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    _version: Version = False,
) -> None:
    """Turn lines of text into a Parquet file of embeddings, with llama.cpp."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(EXIT_USAGE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code. Nothing but an exit code leaves here."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(args=words, prog_name="llama-cli", standalone_mode=False, obj=words)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the boundary: no traceback
        return report_failure(error, words)
    return code if isinstance(code, int) else 0
