"""``llama-cli embed``. Its options are in `llama_cli.cli.options`, its work in `run_embed`."""

from __future__ import annotations

from pathlib import Path

import typer

from llama_cli.cli.continuation import command_to_go_on
from llama_cli.cli.invocation import Invocation
from llama_cli.cli.options.input import Input
from llama_cli.cli.options.model import F32Cache, Filename, Model
from llama_cli.cli.options.output import CommitInterval, LineNumbers, Output, Overwrite, Restart
from llama_cli.cli.options.run import (
    AsJson,
    BatchSize,
    Debug,
    Dedup,
    Device,
    GpuLayers,
    ProgressKind,
    ProgressShown,
    Quiet,
    Threads,
)
from llama_cli.cli.options.vectors import (
    LongTexts,
    MaxLength,
    Normalize,
    OnLong,
    Pooling,
    PoolingKind,
)
from llama_cli.cli.settings import EmbedSettings
from llama_cli.cli.version import Version


def embed(  # noqa: PLR0917 - Typer passes all by name
    context: typer.Context,
    input: Input,
    output: Output = None,
    model: Model = None,
    filename: Filename = None,
    batch_size: BatchSize = 1024,
    normalize: Normalize = True,
    max_length: MaxLength = None,
    on_long: OnLong = LongTexts.cut,
    pooling: Pooling = PoolingKind.auto,
    threads: Threads = None,
    gpu_layers: GpuLayers = None,
    device: Device = "auto",
    dedup: Dedup = True,
    f32_cache: F32Cache = True,
    line_numbers: LineNumbers = False,
    overwrite: Overwrite = False,
    restart: Restart = False,
    commit_interval: CommitInterval = 60,
    progress: ProgressShown = ProgressKind.auto,
    quiet: Quiet = False,
    as_json: AsJson = False,
    debug: Debug = False,
    _version: Version = False,
) -> int:
    """Embed each line of a text file and write the vectors to Parquet."""
    # Here and not above: NumPy, Arrow and llama.cpp would make --help five times as slow.
    from llama_cli.cli.run_embed import run_embed

    invocation: Invocation = context.obj or Invocation()
    return run_embed(
        EmbedSettings(
            input=Path("/dev/stdin") if str(input) == "-" else input,
            output=output,
            model=model,
            filename=filename,
            batch_size=batch_size,
            normalize=normalize,
            max_length=max_length,
            cut_long=on_long is LongTexts.cut,
            pooling=pooling.value,
            threads=threads,
            gpu_layers=gpu_layers,
            device=device,
            dedup=dedup,
            f32_cache=f32_cache,
            line_numbers=line_numbers,
            overwrite=overwrite,
            restart=restart,
            commit_interval=commit_interval,
            command=tuple(command_to_go_on(invocation)),
            progress=progress.value,
            quiet=quiet,
            as_json=as_json,
            debug=debug,
        )
    )
