"""Mistakes on the command line, or in its variables, in one line each."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import typer

from llama_cli.cli.parameters import choices_of
from llama_cli.cli.suggestions import did_you_mean

if TYPE_CHECKING:  # Typer has no public names for these
    from typer._click import Context, Parameter


def describe_mistake(error: typer.TyperException) -> str:
    """What is wrong, and what was probably meant or where to look."""
    context: Context | None = getattr(error, "ctx", None)
    parameter: Parameter | None = getattr(error, "param", None)
    message = " ".join(_message(error, context, parameter).split()).rstrip(".")
    message = message.replace("Value error, ", "").replace("Input should", "it should")
    message = message.partition(", unable to ")[0]
    message += _suggestion(error, context, parameter)
    if message.endswith("?"):
        return message
    return f"{message}; see {context.command_path if context else 'llama-cli'} --help"


def _message(
    error: typer.TyperException, context: Context | None, parameter: Parameter | None
) -> str:
    if hasattr(error, "possibilities"):  # no such option: Typer would list them
        return error.message
    if context and parameter and isinstance(parameter.envvar, str):
        source = context.get_parameter_source(parameter.name)
        if source and source.name == "ENVIRONMENT":
            value = os.environ[parameter.envvar]
            return f"Invalid value in the environment: {parameter.envvar}={value}: {error.message}"
    return error.format_message()


def _suggestion(
    error: typer.TyperException, context: Context | None, parameter: Parameter | None
) -> str:
    if hasattr(error, "possibilities") and context:
        parameters = context.command.get_params(context)
        names = [name for p in parameters for name in (*p.opts, *p.secondary_opts)]
        name = str(getattr(error, "option_name", ""))
        return did_you_mean(name, (n for n in names if n.startswith("--")))
    if parameter and (choices := choices_of(parameter)):
        value, refused, _ = error.message.removeprefix("Value error, ").partition(" is not one of ")
        return did_you_mean(value.strip("'\""), choices) if refused else ""
    return ""
