"""``llama-cli models``: its commands' options. The work is in `llama_cli.cli.run_models`."""

from __future__ import annotations

from typing import Annotated

import typer

from llama_cli.cli.command import CommandGroup, PlainCommand
from llama_cli.cli.errors import EXIT_USAGE

Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="owner/repo, owner/repo:FILE, a GGUF file, a folder of them, or builtin.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="No progress, only warnings.")]

models = typer.Typer(
    name="models",
    help="List, describe, download and remove models.",
    rich_markup_mode=None,  # the help is our own
    cls=CommandGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@models.callback(invoke_without_command=True)
def options(context: typer.Context) -> None:
    """List, describe, download and remove models."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(EXIT_USAGE)


@models.command("list", cls=PlainCommand)
def list_(as_json: Json = False) -> int:
    """List the built-in model and those in the cache, with size, dimension and context."""
    from llama_cli.cli.run_models import run_list

    return run_list(as_json=as_json)


@models.command(cls=PlainCommand)
def info(model: Model, as_json: Json = False) -> int:
    """Show what is known of a model on this disk, and whether embed takes it."""
    from llama_cli.cli.run_models import run_info

    return run_info(model, as_json=as_json)


@models.command(cls=PlainCommand)
def pull(model: Model, quiet: Quiet = False) -> int:
    """Download a model of the Hugging Face Hub to its cache, and print its path."""
    from llama_cli.cli.run_models import run_pull

    return run_pull(model, quiet=quiet)


@models.command(cls=PlainCommand)
def path(model: Model) -> int:
    """Print the path of a model on this disk; nothing is downloaded."""
    from llama_cli.cli.run_models import run_path

    return run_path(model)


@models.command(cls=PlainCommand)
def remove(model: Model) -> int:
    """Remove a model from the Hub's cache: one file of a repository, or all."""
    from llama_cli.cli.run_models import run_remove

    return run_remove(model)
