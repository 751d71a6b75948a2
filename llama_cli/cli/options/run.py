"""Options: where and how fast it runs, and what it says."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import Annotated

import typer

_option = partial(typer.Option, rich_help_panel="Run")


class ProgressKind(StrEnum):
    """Values of ``--progress``."""

    auto = "auto"
    bar = "bar"
    plain = "plain"
    json = "json"
    none = "none"


DryRun = Annotated[
    bool,
    _option(
        "--dry-run",
        help="Count texts and tokens, estimate time and size; write nothing.",
        allow_from_autoenv=False,
    ),
]
BatchSize = Annotated[
    int,
    _option(
        "--batch-size",
        metavar="N",
        min=1,
        max=1_000_000,
        help="Texts buffered; more takes more memory.",
    ),
]
Threads = Annotated[
    int | None,
    _option(
        "--threads",
        metavar="N",
        min=1,
        max=1024,
        help="CPU threads in all.",
        show_default="usable cores",
    ),
]
GpuLayers = Annotated[
    int | None,
    _option(
        "--gpu-layers",
        metavar="N",
        min=-1,
        help="Model layers on the GPU; -1: all.",
        show_default="all, if any",
    ),
]
Device = Annotated[
    str, _option("--device", metavar="NAME", help="cpu, gpu, or a GPU's name such as CUDA0.")
]
Dedup = Annotated[bool, _option("--dedup/--no-dedup", help="Compute repeated texts only once.")]
ProgressShown = Annotated[ProgressKind, _option("--progress", metavar="KIND", help="Shown as.")]
Quiet = Annotated[bool, _option("-q", "--quiet", help="No progress, no summary.")]
AsJson = Annotated[bool, _option("--json", help="The summary as one JSON object on stdout.")]
Debug = Annotated[bool, _option("--debug", help="Show llama.cpp's log, and tracebacks.")]
