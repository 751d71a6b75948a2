"""The layout of ``--help``: plain text by groups, terse, and no wider than the screen.

Rich takes longer to import than all the rest of the command line; Typer's plain help knows no
groups, and has two lines for most options.
"""

from __future__ import annotations

import inspect
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from typer.core import TyperArgument

from llama_cli.cli.parameters import NO_BREAK, describe_parameter, describe_usage

if TYPE_CHECKING:  # Typer has no public names for these
    from typer._click import Command, Context, Parameter

# A name, and what is said of it.
Entry = tuple[str, str]
Sections = dict[str, list[Entry]]

_INDENT = 2
# Longer names stand on a line of their own, so that the texts keep their room.
_NAME_LIMIT = 25
# On narrower screens all names do: beside them there is no room for a text.
_TWO_COLUMNS = 60


def write_help(
    command: Command,
    context: Context,
    *,
    commands: Sequence[Entry] = (),
    groups: Sequence[str] = (),
    note: str = "",
) -> str:
    """The whole help of a command.

    Args:
        command: the command.
        context: in which it is asked for its help.
        commands: those of a group, with what they do.
        groups: headings that come first, in this order; what has no group is in the last of them.
        note: what is said at the end.
    """
    width = _screen_width(context)
    text = inspect.cleandoc(command.help or "")
    parts = [
        _usage(command, context, width),
        *(_fill(paragraph, width) for paragraph in text.split("\n\n")),
        *_lay_out({"Commands": list(commands)}, width),
        *_lay_out(_group(command.get_params(context), groups), width),
        _fill(note, width),
    ]
    return "\n\n".join(filter(None, parts))


def _screen_width(context: Context) -> int:
    """The longest line that fits; a cell is left free, since some terminals wrap a full line."""
    if context.terminal_width:
        return context.terminal_width
    return min(shutil.get_terminal_size().columns, context.max_content_width or 80) - 1


def _usage(command: Command, context: Context, width: int) -> str:
    arguments = map(describe_usage, command.get_params(context))
    more = [getattr(command, "subcommand_metavar", "")]
    words = ["Usage:", context.command_path, command.options_metavar or "", *arguments, *more]
    first, *others = _fill(" ".join(filter(None, words)), width).splitlines()
    return "\n".join([first, *(f"    {line}" for line in others)])


def _group(parameters: Sequence[Parameter], groups: Sequence[str]) -> Sections:
    """Options and arguments by their groups."""
    found: Sections = {group: [] for group in groups}
    for parameter in parameters:
        if getattr(parameter, "hidden", False):
            continue
        usual = "Arguments" if isinstance(parameter, TyperArgument) else "Options"
        own = getattr(parameter, "rich_help_panel", None)
        heading = own or (groups[-1] if groups else usual)
        found.setdefault(heading, []).append(describe_parameter(parameter))
    return found


def _lay_out(sections: Sections, width: int) -> list[str]:
    """Sections under their headings, all with the same columns; empty ones are left out."""
    sizes = [len(name) for entries in sections.values() for name, _ in entries]
    if width < _TWO_COLUMNS:
        column = 3 * _INDENT
    else:
        column = max((size for size in sizes if size <= _NAME_LIMIT), default=0) + 2 * _INDENT
    return [
        "\n".join(
            [f"{heading}:", *(line for entry in entries for line in _lines(entry, column, width))]
        )
        for heading, entries in sections.items()
        if entries
    ]


def _lines(entry: Entry, column: int, width: int) -> Iterator[str]:
    name, text = " " * _INDENT + entry[0], _fill(entry[1], width, column)
    if text and len(name) + _INDENT <= column:
        yield from (name.ljust(column) + text[column:]).splitlines()
    else:
        yield from (name, *text.splitlines())


def _fill(text: str, width: int, indent: int = 0) -> str:
    """The text in lines of that width. Names with hyphens stay whole: they are to be copied."""
    return textwrap.fill(
        text,
        width,
        initial_indent=" " * indent,
        subsequent_indent=" " * indent,
        break_on_hyphens=False,
        break_long_words=False,
    ).replace(NO_BREAK, " ")
