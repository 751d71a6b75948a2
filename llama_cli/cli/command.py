"""Commands as this program has them: help in groups, and mistakes that know their command."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand

# Names of options that are longer stand on a line of their own.
_NAME_LIMIT = 28
# On narrower screens all names do: beside them there is no room for a text.
_TWO_COLUMNS = 60


class Command(TyperCommand):
    """A command whose options stand in their groups.

    Typer shows groups with Rich only, which takes longer to import than all the rest of the command
    line. Contexts and formatters are `Any` here because Typer has no public names for their types.
    """

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options into the help, under the headings that they name."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            if record := parameter.get_help_record(ctx):
                name, text = record
                if isinstance(parameter, TyperArgument):  # whose type says nothing
                    (name,) = parameter.get_usage_pieces(ctx)
                group = getattr(parameter, "rich_help_panel", None) or "Options"
                groups.setdefault(group, []).append((name, text))
        limit = _NAME_LIMIT if formatter.width >= _TWO_COLUMNS else formatter.indent_increment
        for group, rows in groups.items():
            with formatter.section(group):
                formatter.write_dl(rows, col_max=limit)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Understand the words of the command line."""
        try:
            return super().parse_args(ctx, args)
        except typer.TyperException as error:
            # Some errors of the parser do not know the command; then the wrong help is named.
            if getattr(error, "ctx", ctx) is None:
                error.ctx = ctx  # type: ignore[attr-defined]
            raise
