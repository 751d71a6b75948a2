"""``llama-cli embed``: its options. The work is in `llama_cli.cli.run_embed`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from llama_cli.cli.continuation import command_to_go_on
from llama_cli.cli.settings import EmbedSettings
from llama_cli.cli.version import Version


class PoolingOption(StrEnum):
    """Values of ``--pooling``."""

    auto = "auto"
    mean = "mean"
    cls = "cls"
    last = "last"


class OnLongOption(StrEnum):
    """Values of ``--on-long``."""

    cut = "cut"
    error = "error"


def embed(  # noqa: PLR0917 - Typer passes all by name
    context: typer.Context,
    input: Annotated[
        Path,
        # Checked by ourselves, in words of our own.
        typer.Argument(
            metavar="INPUT",
            readable=False,
            help="Text file or pipe, one text a line; - for standard input.",
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Parquet file to write.",
            show_default="beside INPUT, its suffix replaced by .parquet",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "-m",
            "--model",
            metavar="MODEL",
            envvar="LLAMA_CLI_MODEL",
            help="GGUF file, a folder of them, or a model of the Hugging Face Hub: "
            "owner/repo, owner/repo:FILE.",
            show_default="built-in all-MiniLM-L6-v2",
        ),
    ] = None,
    filename: Annotated[
        str | None,
        typer.Option(
            "--filename",
            metavar="NAME",
            help="Which file to use in a folder or repository of models.",
        ),
    ] = None,
    batch_size: Annotated[
        int,
        typer.Option(
            "--batch-size",
            metavar="N",
            min=1,
            max=1_000_000,
            help="Texts buffered before they go to the writer. More takes more memory.",
        ),
    ] = 1024,
    normalize: Annotated[
        bool, typer.Option("--normalize/--no-normalize", help="Scale vectors to length 1 (L2).")
    ] = True,
    max_length: Annotated[
        int | None,
        typer.Option(
            "--max-length",
            metavar="N",
            min=1,
            help="Tokens after which a text is cut.",
            show_default="the model's trained context",
        ),
    ] = None,
    on_long: Annotated[
        OnLongOption,
        typer.Option(
            "--on-long",
            metavar="cut|error",
            help="Cut texts that are too long, or stop with an error.",
        ),
    ] = OnLongOption.cut,
    pooling: Annotated[
        PoolingOption,
        typer.Option(
            "--pooling",
            metavar="TYPE",
            help="auto (what the model file says), mean, cls or last.",
        ),
    ] = PoolingOption.auto,
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            metavar="N",
            min=1,
            max=1024,
            help="CPU threads in all.",
            show_default="usable cores",
        ),
    ] = None,
    gpu_layers: Annotated[
        int | None,
        typer.Option(
            "--gpu-layers",
            metavar="N",
            min=-1,
            help="Model layers on the GPU; -1: all.",
            show_default="all where there is a GPU",
        ),
    ] = None,
    device: Annotated[
        str,
        typer.Option(
            "--device", metavar="NAME", help="auto, cpu, gpu, or a GPU's name such as CUDA0."
        ),
    ] = "auto",
    dedup: Annotated[
        bool, typer.Option("--dedup/--no-dedup", help="Compute repeated texts only once.")
    ] = True,
    f32_cache: Annotated[
        bool,
        typer.Option(
            "--f32-cache/--no-f32-cache",
            help="Keep an F32 copy of the weights in the cache folder where that is faster.",
        ),
    ] = True,
    line_numbers: Annotated[
        bool, typer.Option("--line-numbers", help="Add a column with each text's line number.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the output if it exists.")
    ] = False,
    restart: Annotated[
        bool,
        typer.Option("--restart", help="Discard what an unfinished run has done, and begin anew."),
    ] = False,
    commit_interval: Annotated[
        float,
        typer.Option(
            "--commit-interval",
            metavar="SECONDS",
            min=0,
            max=86_400,
            help="Seconds after which finished rows are made safe; 64 MiB of them always are.",
        ),
    ] = 60,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress, no summary.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as one JSON object on stdout.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show llama.cpp's log, and tracebacks of errors.")
    ] = False,
    _version: Version = False,
) -> int:
    """Embed each line of a text file and write the vectors to a Parquet file."""
    # Here and not above: NumPy, Arrow and llama.cpp would make --help five times as slow.
    from llama_cli.cli.run_embed import run_embed

    return run_embed(
        EmbedSettings(
            input=Path("/dev/stdin") if str(input) == "-" else input,
            output=output,
            model=model,
            filename=filename,
            batch_size=batch_size,
            normalize=normalize,
            max_length=max_length,
            cut_long=on_long is OnLongOption.cut,
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
            command=tuple(command_to_go_on(context.obj or [])),
            quiet=quiet,
            as_json=as_json,
            debug=debug,
        )
    )
