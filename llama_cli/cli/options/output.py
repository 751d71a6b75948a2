"""Options: what is written, and when it is safe."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

_option = partial(typer.Option, rich_help_panel="Output")

Output = Annotated[
    str | None,
    _option(
        "-o",
        "--output",
        metavar="FILE",
        help="Parquet file to write.",
        show_default="INPUT's name with .parquet",
    ),
]
LineNumbers = Annotated[
    bool, _option("--line-numbers", help="Add a column with each text's line number.")
]
WithSource = Annotated[bool, _option("--with-source", help="Add a column with each input's name.")]
Report = Annotated[
    str | None,
    _option(
        "--report",
        metavar="FILE",
        help="Tell in JSON Lines of each text cut, invalid_utf8, skipped or failed.",
    ),
]
# What replaces or discards work has no variable: it is to be asked for each time.
Overwrite = Annotated[
    bool, _option("--overwrite", help="Replace the output if it exists.", allow_from_autoenv=False)
]
Restart = Annotated[
    bool,
    _option("--restart", help="Discard an unfinished run; begin anew.", allow_from_autoenv=False),
]
CommitInterval = Annotated[
    float,
    _option(
        "--commit-interval",
        metavar="SECONDS",
        min=0,
        max=86_400,
        help="How often finished rows are made safe.",
    ),
]
