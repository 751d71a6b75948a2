"""Options: what is read."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import Annotated

import typer

_GROUP = "Input"
_option = partial(typer.Option, rich_help_panel=_GROUP)


class FormatName(StrEnum):
    """Values of ``--format``: the names in the table of formats, and ``auto``."""

    auto = "auto"
    text = "text"
    jsonl = "jsonl"
    csv = "csv"
    tsv = "tsv"
    parquet = "parquet"
    arrow = "arrow"


class BadRows(StrEnum):
    """Values of ``--on-bad-row``."""

    error = "error"
    skip = "skip"


Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT",
        help="Files, folders, 'patterns*', URLs, pipes; - for stdin.",
        rich_help_panel=_GROUP,
    ),
]
Format = Annotated[FormatName, _option("--format", metavar="NAME", help="What all inputs are.")]
Column = Annotated[
    str | None,
    _option(
        "--column",
        metavar="NAME",
        help="Column with the texts.",
        show_default="text, or the only one",
    ),
]
Keep = Annotated[
    list[str] | None,
    _option(
        "--keep",
        metavar="NAMES",
        help="Columns to carry through: id,title=name or '*'.",
        show_default=False,
    ),
]
OnBadRow = Annotated[
    BadRows, _option("--on-bad-row", help="Rows that cannot be used: stop, or leave them out.")
]
Limit = Annotated[
    int | None, _option("--limit", metavar="N", min=1, help="Stop after so many texts.")
]
