"""Commands as this program has them: help by groups, defaults from the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from llama_cli.cli.help import write_help
from llama_cli.cli.invocation import Invocation, variable_of
from llama_cli.cli.options import GROUPS
from llama_cli.cli.parameters import long_name
from llama_cli.cli.suggestions import did_you_mean

if TYPE_CHECKING:  # Typer has no public names for these
    from typer._click import Command as AnyCommand
    from typer._click import Context


class PlainCommand(TyperCommand):
    """A command with our help."""

    def get_help(self, ctx: Context) -> str:
        """The text of ``--help``."""
        return write_help(self, ctx)

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Understand the words."""
        try:
            return super().parse_args(ctx, args)
        except typer.TyperException as error:
            # Some errors of the parser do not know the command; then the wrong help is named.
            if getattr(error, "ctx", ctx) is None:
                error.ctx = ctx  # type: ignore[attr-defined]
            raise


class EmbedCommand(PlainCommand):
    """A command with groups of options, and a variable of the environment for each option.

    An option has none if a default from outside could do harm or makes no sense: those with
    ``allow_from_autoenv=False``, and those that print something and end.
    """

    def __init__(self, name: str | None, **settings: Any) -> None:
        super().__init__(name, **settings)
        for option in self.params:
            if isinstance(option, TyperOption):
                option.show_envvar = False  # the errors name the variable only where it counts
                if option.allow_from_autoenv and not option.is_eager:
                    option.envvar = variable_of(long_name(option))

    def get_help(self, ctx: Context) -> str:
        """The text of ``--help``."""
        options = [option for option in self.params if isinstance(option, TyperOption)]
        without = [long_name(o) for o in options if not o.allow_from_autoenv]
        note = (
            "[...] is the default. LLAMA_CLI_<OPTION> in the environment sets another, such as "
            f"LLAMA_CLI_BATCH_SIZE=64 or LLAMA_CLI_NORMALIZE=0; not for {', '.join(without)}."
        )
        return write_help(self, ctx, groups=GROUPS, note=note)

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Understand the words, and remember which variables have counted."""
        rest = super().parse_args(ctx, args)
        if isinstance(ctx.obj, Invocation):
            for option in self.params:
                source = ctx.get_parameter_source(option.name)
                if source and source.name == "ENVIRONMENT" and isinstance(option.envvar, str):
                    ctx.obj.variables[option.envvar] = os.environ[option.envvar]
                    ctx.obj.options[option.envvar] = long_name(option)
        return rest


class CommandGroup(TyperGroup):
    """The program itself: its commands and few options."""

    def get_help(self, ctx: Context) -> str:
        """The text of ``--help``."""
        commands = [(name, self.commands[name]) for name in self.list_commands(ctx)]
        shown = [(name, _summary(command)) for name, command in commands if not command.hidden]
        return write_help(self, ctx, commands=shown)

    def resolve_command(
        self, ctx: Context, args: list[str]
    ) -> tuple[str | None, AnyCommand | None, list[str]]:
        """The command that the first word names."""
        if not ctx.resilient_parsing and self.get_command(ctx, args[0]) is None:
            self._refuse(ctx, args[0])
        return super().resolve_command(ctx, args)

    def _refuse(self, ctx: Context, name: str) -> NoReturn:
        hint = did_you_mean(name, self.list_commands(ctx))
        if not hint and "embed" in self.commands and Path(name).exists():
            hint = f"; did you mean {ctx.command_path} embed {name}?"
        ctx.fail(f"No such command: {name}{hint}")


def _summary(command: AnyCommand) -> str:
    """The first sentence of a command's help."""
    return " ".join((command.help or "").partition("\n\n")[0].split()).rstrip(".")
