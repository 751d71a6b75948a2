"""Every option of ``llama-cli embed``, each in one block: a field of `EmbedOptions`.

The block says the option's name, group, help, default, check and variable of the environment. The
setting that it fills is the field of the same name in the settings of whoever acts on it, such as
`ReadOptions` or `EmbedderOptions`; `fill` hands it over. So a new option is a block here and a
field there, and errors name options by these fields: `spell_options` turns them into flags.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import os
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, get_args

import typer

from llama_cli import __version__
from llama_cli.cli.invocation import Invocation, variable_of

T = TypeVar("T")


def option(group: str, *names: str, variable: bool = True, **settings: Any) -> Any:
    """An option of `embed`.

    Args:
        group: the heading of the help that it stands under.
        names: short ones first; ``--this/--no-this`` for what is on by default.
        variable: whether a variable of the environment sets its default. Not for what replaces or
            discards work: that is to be asked for each time.
        settings: those of `typer.Option`.
    """
    flag = names[-1].partition("/")[0]
    return typer.Option(
        *names,
        rich_help_panel=group,
        envvar=variable_of(flag) if variable else None,
        show_envvar=False,  # the help says once how they are called
        callback=_note_variable,
        **settings,
    )


def _note_variable(context: typer.Context, parameter: typer.CallbackParam, value: Any) -> Any:
    """Remember a variable that has counted: errors name it, the command that resumes sets it."""
    source = context.get_parameter_source(parameter.name)
    if source and source.name == "ENVIRONMENT" and isinstance(context.obj, Invocation):
        variable = str(parameter.envvar)
        context.obj.variables[variable] = os.environ[variable]
    return value


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"llama-cli-embed {__version__}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version", help="Print the version and exit.", callback=_print_version, is_eager=True
    ),
]


Format = Literal["auto", "text", "jsonl", "json", "csv", "tsv", "parquet", "arrow"]


@dataclass(frozen=True, kw_only=True)
class EmbedOptions:
    """What ``llama-cli embed`` was told."""

    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT",
            help="Files, folders, 'patterns*', URLs, pipes; - for stdin.",
            rich_help_panel="Input",
        ),
    ]
    format: Annotated[
        Format,
        option(
            "Input",
            "--format",
            metavar="NAME",
            help=f"What all inputs are: {', '.join(get_args(Format))}.",
        ),
    ] = "auto"
    column: Annotated[
        str | None,
        option(
            "Input",
            "--column",
            metavar="NAME",
            help="Column with the texts.",
            show_default="text, or the only one",
        ),
    ] = None
    keep: Annotated[
        list[str] | None,
        option(
            "Input",
            "--keep",
            metavar="NAMES...",
            help="Columns to carry through: id,title=name or '*'.",
        ),
    ] = None
    delimiter: Annotated[
        str | None,
        option(
            "Input",
            "--delimiter",
            metavar="CHARACTER",
            help="Between the fields of CSV: one character, or 'tab'.",
            show_default="by the header",
        ),
    ] = None
    quoting: Annotated[
        Literal["auto", "csv", "none"],
        option(
            "Input",
            "--quoting",
            help="Quotes enclose fields of CSV and TSV (csv), or are text (none).",
        ),
    ] = "auto"
    no_header: Annotated[
        bool,
        option("Input", "--no-header", help="CSV and TSV begin with a row: column0, column1, ..."),
    ] = False
    encoding: Annotated[
        str | None,
        option(
            "Input",
            "--encoding",
            metavar="NAME",
            help="Of text, JSON, CSV and TSV, such as utf-16 or cp1252.",
            show_default="utf-8",
        ),
    ] = None
    on_bad_row: Annotated[
        Literal["error", "skip"],
        option("Input", "--on-bad-row", help="Stop at rows that cannot be used, or skip them."),
    ] = "error"
    limit: Annotated[
        int | None,
        option("Input", "--limit", metavar="N", min=1, help="Stop after so many texts."),
    ] = None

    model: Annotated[
        str | None,
        option(
            "Model",
            "-m",
            "--model",
            metavar="MODEL",
            help="GGUF file, folder of them, or owner/repo[:FILE] on the Hub.",
            show_default="all-MiniLM-L6-v2",
        ),
    ] = None
    filename: Annotated[
        str | None,
        option("Model", "--filename", metavar="NAME", help="Which file of a folder or repository."),
    ] = None
    f32_cache: Annotated[
        bool,
        option(
            "Model",
            "--f32-cache/--no-f32-cache",
            help="Keep an F32 copy of the weights if faster.",
        ),
    ] = True

    prompt: Annotated[
        str | None,
        option(
            "Vectors",
            "--prompt",
            metavar="TEXT",
            help="Put before each text, for the model alone.",
        ),
    ] = None
    task: Annotated[
        Literal["document", "query"] | None,
        option("Vectors", "--task", help="Use the model's own prompt for it, if known."),
    ] = None
    normalize: Annotated[
        bool,
        option("Vectors", "--normalize/--no-normalize", help="Scale vectors to length 1 (L2)."),
    ] = True
    dims: Annotated[
        int | None,
        option(
            "Vectors",
            "--dims",
            metavar="N",
            min=1,
            help="Keep the first N numbers (Matryoshka models).",
        ),
    ] = None
    dtype: Annotated[
        Literal["float32", "float16"],
        option("Vectors", "--dtype", help="Type of the numbers."),
    ] = "float32"
    vector_type: Annotated[
        Literal["fixed", "list"],
        option("Vectors", "--vector-type", help="list: for readers without fixed sizes."),
    ] = "fixed"
    max_length: Annotated[
        int | None,
        option(
            "Vectors",
            "--max-length",
            metavar="N",
            min=1,
            help="Tokens after which a text is truncated.",
            show_default="the model's",
        ),
    ] = None
    closing_token: Annotated[
        Literal["auto", "yes", "no"],
        option("Vectors", "--closing-token", help="Close texts with a token."),
    ] = "auto"  # noqa: S105 - no password
    on_long: Annotated[
        Literal["truncate", "error"],
        option("Vectors", "--on-long", help="Truncate texts that are too long, or stop."),
    ] = "truncate"
    pooling: Annotated[
        Literal["auto", "mean", "cls", "last"],
        option("Vectors", "--pooling", help="How to pool tokens."),
    ] = "auto"

    output: Annotated[
        str | None,
        option(
            "Output",
            "-o",
            "--output",
            metavar="FILE",
            help="Parquet file to write.",
            show_default="INPUT's name with .parquet",
        ),
    ] = None
    line_numbers: Annotated[
        bool,
        option("Output", "--line-numbers", help="Add a column with each text's line number."),
    ] = False
    with_source: Annotated[
        bool, option("Output", "--with-source", help="Add a column with each input's name.")
    ] = False
    report: Annotated[
        str | None,
        option(
            "Output",
            "--report",
            metavar="FILE",
            help="Say in JSON Lines which texts were truncated, not UTF-8, skipped or failed.",
        ),
    ] = None
    overwrite: Annotated[
        bool,
        option("Output", "--overwrite", variable=False, help="Replace the output if it exists."),
    ] = False
    restart: Annotated[
        bool,
        option(
            "Output", "--restart", variable=False, help="Discard an unfinished run; begin anew."
        ),
    ] = False
    commit_interval: Annotated[
        float,
        option(
            "Output",
            "--commit-interval",
            metavar="SECONDS",
            min=0,
            max=86_400,
            help="How often finished rows are committed.",
        ),
    ] = 60

    batch_size: Annotated[
        int,
        option(
            "Run",
            "--batch-size",
            metavar="N",
            min=1,
            max=1_000_000,
            help="Texts encoded at a time; more takes more memory.",
        ),
    ] = 1024
    threads: Annotated[
        int | None,
        option(
            "Run",
            "--threads",
            metavar="N",
            min=1,
            max=1024,
            help="CPU threads in all.",
            show_default="usable cores",
        ),
    ] = None
    gpu_layers: Annotated[
        int | None,
        option(
            "Run",
            "--gpu-layers",
            metavar="N",
            min=-1,
            help="Model layers on the GPU; -1: all.",
            show_default="all, if any",
        ),
    ] = None
    device: Annotated[
        str,
        option("Run", "--device", metavar="NAME", help="cpu, gpu, or a GPU's name such as CUDA0."),
    ] = "auto"
    dedup: Annotated[
        bool, option("Run", "--dedup/--no-dedup", help="Compute duplicate texts only once.")
    ] = True
    dry_run: Annotated[
        bool,
        option(
            "Run",
            "--dry-run",
            variable=False,
            help="Count texts and tokens, estimate time and size; write nothing.",
        ),
    ] = False
    progress: Annotated[
        Literal["auto", "bar", "plain", "json", "none"],
        option("Run", "--progress", help="How progress is shown."),
    ] = "auto"
    quiet: Annotated[bool, option("Run", "-q", "--quiet", help="No progress, no summary.")] = False
    json: Annotated[
        bool, option("Run", "--json", help="The summary as one JSON object on stdout.")
    ] = False
    debug: Annotated[
        bool, option("Run", "--debug", help="Show llama.cpp's log, and tracebacks.")
    ] = False
    version: Version = False


def takes(options: type[T]) -> Callable[[Callable[[typer.Context, T], int]], Callable[..., int]]:
    """Have a command take the fields of a dataclass as its options, and get them as one value."""

    def decorate(command: Callable[[typer.Context, T], int]) -> Callable[..., int]:
        @functools.wraps(command)
        def flat(context: typer.Context, **values: Any) -> int:
            return command(context, options(**values))

        first, _ = inspect.signature(command, eval_str=True).parameters.values()
        fields = inspect.signature(options, eval_str=True).parameters.values()
        flat.__signature__ = inspect.Signature([first, *fields])  # type: ignore[attr-defined]
        return flat

    return decorate


def fill(settings: type[T], options: EmbedOptions, **others: Any) -> T:
    """The settings of a part of the program: each field from the option of its name.

    Args:
        settings: the dataclass.
        options: what was asked for.
        others: fields that no option has, or that are made of one.
    """
    names = {field.name for field in dataclasses.fields(settings)}  # type: ignore[arg-type]
    given = {name: getattr(options, name) for name in names if hasattr(options, name)}
    return settings(**given | others)


# The long name of each option, by its field.
FLAGS = {
    field.name: f"--{field.name.replace('_', '-')}"
    for field in dataclasses.fields(EmbedOptions)
    if field.name != "inputs"
}
# As in "`overwrite`" or "`on_long=error`".
_NAMED = re.compile(r"`(\w+)(?:=([^`]*))?`")


def spell_options(text: str) -> str:
    """A message with the options that it names as they are written on the command line."""

    def spell(found: re.Match[str]) -> str:
        name, value = found.groups()
        if name not in FLAGS:
            return found[0]
        return FLAGS[name] if value is None else f"{FLAGS[name]} {shlex.quote(value)}"

    return _NAMED.sub(spell, text)
