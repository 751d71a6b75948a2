"""Options: what is read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_GROUP = "Input"

Input = Annotated[
    Path,
    # Checked by ourselves, in words of our own.
    typer.Argument(
        metavar="INPUT",
        readable=False,
        help="Text file or pipe, one text a line; - for stdin.",
        rich_help_panel=_GROUP,
    ),
]
