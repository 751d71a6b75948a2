"""What ``llama-cli embed`` does once its options are parsed."""

from __future__ import annotations

import logging
import os
from typing import TextIO, cast

from rich.console import Console

from llama_cli.cli.errors import EXIT_ROWS_WITHOUT_VECTOR
from llama_cli.cli.interrupt import ended_by_ctrl_c
from llama_cli.cli.printable import printable
from llama_cli.cli.settings import EmbedSettings
from llama_cli.cli.stderr import ForgivingStderr
from llama_cli.cli.summary import as_json, as_text, count
from llama_cli.engine.devices import place_model, usable_cores
from llama_cli.engine.embedder import EmbedderOptions
from llama_cli.engine.library import build_info
from llama_cli.engine.model import PoolingChoice
from llama_cli.errors import LlamaCliError
from llama_cli.job import EmbedJob, resolve_output
from llama_cli.models.fingerprint import float_copies_folder
from llama_cli.models.resolve import resolve_model
from llama_cli.pipeline import RunSummary, run
from llama_cli.progress import make_view

log = logging.getLogger(__name__)

# Of lines that are not UTF-8: more, and the input may not be text at all.
_SUSPICIOUS_SHARE = 0.5


def run_embed(settings: EmbedSettings) -> int:
    """Run one embedding job and report on it; returns the exit code."""
    console = Console(
        file=cast(TextIO, ForgivingStderr()), highlight=False, markup=False, emoji=False
    )
    _show_log(console, debug=settings.debug)
    with ended_by_ctrl_c(as_json=settings.as_json):
        job = resolve_job(settings)
        if settings.debug:
            log.debug("llama.cpp: %s", build_info())
        view = make_view(console, quiet=settings.quiet)
        try:
            summary = run(job, view.update)
        finally:
            view.stop()
        return _report(summary, settings, console)


def _report(summary: RunSummary, settings: EmbedSettings, console: Console) -> int:
    if not settings.quiet:
        console.print(as_text(summary), soft_wrap=True)
    if settings.as_json:
        _print_json(summary)
    if summary.repaired > summary.rows * _SUSPICIOUS_SHARE:
        lines = count(summary.repaired, "line")
        log.warning("%s of %d had bytes that are not UTF-8: is this text?", lines, summary.rows)
    if summary.without_vector:
        rows = count(summary.without_vector, "row")
        log.warning("%s got no vector: the model's was not finite", rows)
        return EXIT_ROWS_WITHOUT_VECTOR
    return 0


def _print_json(summary: RunSummary) -> None:
    try:
        print(as_json(summary), flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python fails once more when it ends
        raise LlamaCliError(f"cannot write to stdout: {error.strerror}") from error


def resolve_job(settings: EmbedSettings) -> EmbedJob:
    """Check the options against the machine and the files, before any model is loaded.

    Raises:
        LlamaCliError: one of them is refused.
    """
    output = resolve_output(settings.input, settings.output, overwrite=settings.overwrite)
    return EmbedJob(
        input=settings.input,
        output=output,
        model=resolve_model(settings.model, settings.filename),
        placement=place_model(settings.device, settings.gpu_layers),
        embedder=EmbedderOptions(
            pooling=cast(PoolingChoice, settings.pooling),
            normalize=settings.normalize,
            max_length=settings.max_length,
            cut_long=settings.cut_long,
            threads=settings.threads or usable_cores(),
            dedup=settings.dedup,
        ),
        batch_size=settings.batch_size,
        line_numbers=settings.line_numbers,
        overwrite=settings.overwrite,
        float_copies=float_copies_folder() if settings.f32_cache else None,
    )


class _ConsoleHandler(logging.Handler):
    """Log records through the console, so that they appear above the progress bar."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        level = record.levelname.lower()
        line = f"llama-cli: {level}: {printable(record.getMessage())}"
        self._console.print(line, soft_wrap=True)


def _show_log(console: Console, *, debug: bool) -> None:
    """Warnings always; llama.cpp's own log and our details with ``--debug``."""
    logger = logging.getLogger("llama_cli")
    logger.handlers = [_ConsoleHandler(console)]
    logger.setLevel(logging.DEBUG if debug else logging.WARNING)
    logging.getLogger("llama_cli.llama_cpp").propagate = debug
