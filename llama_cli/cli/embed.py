"""``llama-cli embed``. Its options are in `llama_cli.cli.options`, its work in `run_embed`."""

from __future__ import annotations

import typer

from llama_cli.cli.continuation import resume_command
from llama_cli.cli.invocation import Invocation
from llama_cli.cli.options.input import (
    BadRows,
    Column,
    Format,
    FormatName,
    Inputs,
    Keep,
    Limit,
    OnBadRow,
)
from llama_cli.cli.options.model import F32Cache, Filename, Model
from llama_cli.cli.options.output import (
    CommitInterval,
    LineNumbers,
    Output,
    Overwrite,
    Report,
    Restart,
    WithSource,
)
from llama_cli.cli.options.run import (
    AsJson,
    BatchSize,
    Debug,
    Dedup,
    Device,
    DryRun,
    GpuLayers,
    ProgressKind,
    ProgressShown,
    Quiet,
    Threads,
)
from llama_cli.cli.options.vectors import (
    Dims,
    DType,
    DTypeName,
    LongTexts,
    MaxLength,
    Normalize,
    OnLong,
    Pooling,
    PoolingKind,
    Prompt,
    Task,
    VectorLayout,
    VectorType,
)
from llama_cli.cli.settings import EmbedSettings
from llama_cli.cli.version import Version


def embed(  # noqa: PLR0917 - Typer passes all by name
    context: typer.Context,
    inputs: Inputs,
    format: Format = FormatName.auto,
    column: Column = None,
    keep: Keep = None,
    on_bad_row: OnBadRow = BadRows.error,
    limit: Limit = None,
    output: Output = None,
    model: Model = None,
    filename: Filename = None,
    batch_size: BatchSize = 1024,
    prompt: Prompt = None,
    task: Task = None,
    normalize: Normalize = True,
    dims: Dims = None,
    dtype: DType = DTypeName.float32,
    vector_type: VectorType = VectorLayout.fixed,
    max_length: MaxLength = None,
    on_long: OnLong = LongTexts.truncate,
    pooling: Pooling = PoolingKind.auto,
    threads: Threads = None,
    gpu_layers: GpuLayers = None,
    device: Device = "auto",
    dedup: Dedup = True,
    f32_cache: F32Cache = True,
    line_numbers: LineNumbers = False,
    with_source: WithSource = False,
    report: Report = None,
    overwrite: Overwrite = False,
    restart: Restart = False,
    commit_interval: CommitInterval = 60,
    dry_run: DryRun = False,
    progress: ProgressShown = ProgressKind.auto,
    quiet: Quiet = False,
    as_json: AsJson = False,
    debug: Debug = False,
    _version: Version = False,
) -> int:
    """Embed each line or row of the inputs and write the vectors to Parquet."""
    # Here and not above: NumPy, Arrow and llama.cpp would make --help five times as slow.
    from llama_cli.cli.run_embed import run_embed

    invocation: Invocation = context.obj or Invocation()
    return run_embed(
        EmbedSettings(
            inputs=tuple(inputs),
            format=None if format is FormatName.auto else format.value,
            column=column,
            keep=tuple(name.strip() for names in keep or [] for name in names.split(",")),
            skip_bad_rows=on_bad_row is BadRows.skip,
            limit=limit,
            output=output,
            model=model,
            filename=filename,
            batch_size=batch_size,
            prompt=prompt,
            task=None if task is None else task.value,
            normalize=normalize,
            dims=dims,
            dtype=dtype.value,
            vector_type=vector_type.value,
            max_length=max_length,
            truncate_long=on_long is LongTexts.truncate,
            pooling=pooling.value,
            threads=threads,
            gpu_layers=gpu_layers,
            device=device,
            dedup=dedup,
            f32_cache=f32_cache,
            line_numbers=line_numbers,
            with_source=with_source,
            report=report,
            overwrite=overwrite,
            dry_run=dry_run,
            restart=restart,
            commit_interval=commit_interval,
            command=tuple(resume_command(invocation)),
            progress=progress.value,
            quiet=quiet,
            as_json=as_json,
            debug=debug,
        )
    )
