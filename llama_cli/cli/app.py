"""The commands, and the one place where errors become words and exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import cast

import typer
from typer.core import TyperOption

from llama_cli.cli.command import CommandGroup, EmbedCommand, PlainCommand
from llama_cli.cli.completion import mend_completion
from llama_cli.cli.embed import embed
from llama_cli.cli.errors import EXIT_USAGE, report_failure
from llama_cli.cli.inspect import inspect
from llama_cli.cli.invocation import Invocation
from llama_cli.cli.models import models
from llama_cli.cli.status import status
from llama_cli.cli.version import Version

app = typer.Typer(
    name="llama-cli",
    help="Turn lines of text into a Parquet file of embeddings, with llama.cpp.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # the help is our own
    cls=CommandGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command(cls=EmbedCommand)(embed)
app.command(cls=PlainCommand)(inspect)
app.command(cls=PlainCommand)(status)
app.add_typer(models)

_SHORTER = {
    "install_completion": "Install completion for your shell.",
    "show_completion": "Print completion, to install it yourself.",
}


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    _version: Version = False,
) -> None:
    """Turn lines of text into a Parquet file of embeddings, with llama.cpp."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(EXIT_USAGE)


def make_command() -> CommandGroup:
    """The program as a tree of commands."""
    command = cast(CommandGroup, typer.main.get_command(app))
    for option in command.params:
        if isinstance(option, TyperOption) and option.name in _SHORTER:
            option.help = _SHORTER[option.name]
    return command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code. Nothing but an exit code leaves here."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    invocation = Invocation(words)
    try:
        mend_completion(os.environ)
        code = make_command().main(
            args=words, prog_name="llama-cli", standalone_mode=False, obj=invocation
        )
    except SystemExit as end:  # of Typer's completion
        code = end.code
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the boundary: no traceback
        return report_failure(error, invocation)
    return code if isinstance(code, int) else 0
