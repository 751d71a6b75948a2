"""Options: what the vectors are."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import Annotated

import typer

_option = partial(typer.Option, rich_help_panel="Vectors")


class TaskName(StrEnum):
    """Values of ``--task``."""

    document = "document"
    query = "query"


class PoolingKind(StrEnum):
    """Values of ``--pooling``."""

    auto = "auto"
    mean = "mean"
    cls = "cls"
    last = "last"


class LongTexts(StrEnum):
    """Values of ``--on-long``."""

    truncate = "truncate"
    error = "error"


class DTypeName(StrEnum):
    """Values of ``--dtype``."""

    float32 = "float32"
    float16 = "float16"


class VectorLayout(StrEnum):
    """Values of ``--vector-type``."""

    fixed = "fixed"
    list = "list"


Prompt = Annotated[
    str | None,
    _option("--prompt", metavar="TEXT", help="Put before each text, for the model alone."),
]
Task = Annotated[
    TaskName | None,
    _option("--task", help="Use the model's own prompt for it, if known.", show_default=False),
]
Dims = Annotated[
    int | None,
    _option("--dims", metavar="N", min=1, help="Keep the first N numbers (Matryoshka models)."),
]
DType = Annotated[DTypeName, _option("--dtype", help="Type of the numbers.")]
VectorType = Annotated[
    VectorLayout, _option("--vector-type", help="list: for readers without fixed sizes.")
]
Normalize = Annotated[
    bool, _option("--normalize/--no-normalize", help="Scale vectors to length 1 (L2).")
]
MaxLength = Annotated[
    int | None,
    _option(
        "--max-length",
        metavar="N",
        min=1,
        help="Tokens after which a text is cut.",
        show_default="the model's",
    ),
]
OnLong = Annotated[LongTexts, _option("--on-long", help="Cut texts that are too long, or stop.")]
Pooling = Annotated[PoolingKind, _option("--pooling", metavar="TYPE", help="How to pool tokens.")]
