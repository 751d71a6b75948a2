"""The commands and their options. The work of each is in `llama_cli.cli.commands`.

A command here only says what it takes. It imports its work when it runs, and not before: NumPy,
Arrow and llama.cpp would make ``--help`` five times as slow.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import MutableMapping, Sequence
from typing import Annotated, Any

import typer

from llama_cli.cli.command import Command
from llama_cli.cli.errors import EXIT_USAGE, report_failure
from llama_cli.cli.invocation import Invocation
from llama_cli.cli.options import EmbedOptions, Version, takes

_WIDEST_HELP = 100
_SETTINGS: dict[str, Any] = {
    "rich_markup_mode": None,  # Rich takes longer to import than all the rest
    "suggest_commands": False,  # the errors do, and in one line
    "context_settings": {"help_option_names": ["-h", "--help"]},
}

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
ModelName = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="owner/repo, owner/repo:FILE, a GGUF file, a folder of them, or builtin.",
    ),
]

app = typer.Typer(name="llama-cli", pretty_exceptions_enable=False, **_SETTINGS)
models = typer.Typer(name="models", **_SETTINGS)


@app.callback(invoke_without_command=True)
def program(context: typer.Context, _version: Version = False) -> None:
    """Turn lines of text into a Parquet file of embeddings, with llama.cpp."""
    _refuse_without_command(context)


@app.command(
    cls=Command,
    epilog="The default of an option can be set in the environment: LLAMA_CLI_BATCH_SIZE=64, "
    "LLAMA_CLI_NORMALIZE=0; not that of --overwrite, --restart and --dry-run.",
)
@takes(EmbedOptions)
def embed(context: typer.Context, options: EmbedOptions) -> int:
    """Write the embedding of each line or row of the inputs to Parquet."""
    from llama_cli.cli.commands.embed import run_embed

    return run_embed(options, context.obj or Invocation())


@app.command(cls=Command)
def inspect(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Parquet file made by embed.")],
    rows: Annotated[
        int, typer.Option("-n", "--rows", metavar="N", min=0, help="Rows to show.")
    ] = 5,
) -> int:
    """Show how a file of embeddings was made, and its first rows."""
    from llama_cli.cli.commands.inspect import run_inspect

    return run_inspect(file, rows)


@app.command(cls=Command)
def status(
    output: Annotated[
        str, typer.Argument(metavar="OUT", help="Parquet file that embed was told to write.")
    ],
    as_json: AsJson = False,
) -> int:
    """Show how far a run is, or was, and the command that resumes it."""
    from llama_cli.cli.commands.status import run_status

    return run_status(output, as_json=as_json)


@models.callback(invoke_without_command=True)
def models_program(context: typer.Context) -> None:
    """List, describe, download and remove models."""
    _refuse_without_command(context)


@models.command("list", cls=Command)
def list_(as_json: AsJson = False) -> int:
    """List the built-in model and those in the cache."""
    from llama_cli.cli.commands.models import run_list

    return run_list(as_json=as_json)


@models.command(cls=Command)
def info(model: ModelName, as_json: AsJson = False) -> int:
    """Show what is known of a model, and whether embed takes it."""
    from llama_cli.cli.commands.models import run_info

    return run_info(model, as_json=as_json)


@models.command(cls=Command)
def pull(
    model: ModelName,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="No progress, only warnings.")
    ] = False,
) -> int:
    """Download a model of the Hugging Face Hub and print its path."""
    from llama_cli.cli.commands.models import run_pull

    return run_pull(model, quiet=quiet)


@models.command(cls=Command)
def path(model: ModelName) -> int:
    """Print the path of a model on this disk; downloads nothing."""
    from llama_cli.cli.commands.models import run_path

    return run_path(model)


@models.command(cls=Command)
def remove(model: ModelName) -> int:
    """Remove a model from the Hub's cache: one file, or all."""
    from llama_cli.cli.commands.models import run_remove

    return run_remove(model)


app.add_typer(models)


def _refuse_without_command(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(EXIT_USAGE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code. Nothing but an exit code leaves here."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    invocation = Invocation(words)
    try:
        _join_completion_words(os.environ)
        code = typer.main.get_command(app).main(
            args=words,
            prog_name="llama-cli",
            standalone_mode=False,
            obj=invocation,
            # A cell is left free, since some terminals wrap a full line.
            terminal_width=min(shutil.get_terminal_size().columns, _WIDEST_HELP) - 1,
        )
    except SystemExit as end:  # of Typer's completion
        code = end.code
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the boundary: no traceback
        return report_failure(error, invocation)
    return code if isinstance(code, int) else 0


def _join_completion_words(environment: MutableMapping[str, str]) -> None:
    """Join what Bash takes apart: it hands ``--name=value`` to Typer as three words."""
    if environment.get("_LLAMA_CLI_COMPLETE") == "complete_bash":
        words = environment["COMP_WORDS"].split("\n")[: int(environment["COMP_CWORD"]) + 1]
        joined = re.sub(r"(?m)^(--[\w-]+)\n=(?:\n|$)", r"\1=", "\n".join(words))
        environment["COMP_WORDS"] = joined
        environment["COMP_CWORD"] = str(joined.count("\n"))
