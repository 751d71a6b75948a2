"""Options: which model, and in what form."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

_option = partial(typer.Option, rich_help_panel="Model")

Model = Annotated[
    str | None,
    _option(
        "-m",
        "--model",
        metavar="MODEL",
        help="GGUF file, folder of them, or owner/repo[:FILE] on the Hub.",
        show_default="all-MiniLM-L6-v2",
    ),
]
Filename = Annotated[
    str | None,
    _option("--filename", metavar="NAME", help="Which file of a folder or repository."),
]
F32Cache = Annotated[
    bool,
    _option("--f32-cache/--no-f32-cache", help="Keep an F32 copy of the weights if faster."),
]
