"""What ``llama-cli embed`` does once its options are parsed."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import cast

from llama_cli.cli.continuation import describe_interruption
from llama_cli.cli.download_view import watched_download
from llama_cli.cli.errors import EXIT_ROWS_WITHOUT_VECTOR
from llama_cli.cli.estimate import estimate_as_json, estimate_as_text
from llama_cli.cli.interrupt import SignalWatch, watched_signals
from llama_cli.cli.messages import Messages, make_messages, show_log
from llama_cli.cli.numbers import count
from llama_cli.cli.settings import EmbedSettings
from llama_cli.cli.summary import as_json
from llama_cli.engine.devices import usable_cores
from llama_cli.engine.facts import PoolingChoice
from llama_cli.engine.known import Task
from llama_cli.engine.options import EmbedderOptions
from llama_cli.engine.worker.allocator import give_back_large_blocks
from llama_cli.errors import LlamaCliError, RunInterruptedError, UsageError
from llama_cli.inputs.resolve import find_inputs
from llama_cli.inputs.sequence import ReadOptions
from llama_cli.models.access import HubAccess
from llama_cli.models.fingerprint import float_copies_folder
from llama_cli.models.resolve import resolve_model
from llama_cli.output.durable.status import is_work_file
from llama_cli.output.durable.target import beside
from llama_cli.output.schema import DType, VectorType
from llama_cli.run.dry_run import estimate
from llama_cli.run.job import EmbedJob, check_output, check_prompt, check_report, name_output
from llama_cli.run.pipeline import run
from llama_cli.run.provenance import RunSummary

log = logging.getLogger(__name__)

# Of lines that are not UTF-8: more, and the input may not be text at all.
_SUSPICIOUS_SHARE = 0.5


def run_embed(settings: EmbedSettings) -> int:
    """Run one embedding job and report on it; returns the exit code."""
    give_back_large_blocks()
    messages = make_messages(settings)
    show_log(messages, debug=settings.debug, quiet=settings.quiet)
    watch = SignalWatch(as_json=settings.as_json, as_events=settings.progress == "json")
    with watched_signals(watch):
        with watched_download(watch, messages.start_download()) as access:
            job = resolve_job(settings, access)
        if settings.dry_run:
            return _try(job, settings, messages, watch)
        return _embed(job, settings, messages, watch)


def _embed(job: EmbedJob, settings: EmbedSettings, messages: Messages, watch: SignalWatch) -> int:
    resumable = job.resumable
    watch.describe = lambda committed_rows: describe_interruption(
        committed_rows, job.command, resumable=resumable
    )
    if not resumable:
        log.info("this input cannot be resumed: if this run is interrupted, it starts over")
    view = messages.start(job)
    try:
        summary = run(job, view.update, watch.switch)
        watch.describe = lambda _: f"interrupted; {job.output} is finished"
    except RunInterruptedError as error:
        raise watch.explain(error) from error
    finally:
        view.stop()
    return _report(summary, settings, messages)


def _try(job: EmbedJob, settings: EmbedSettings, messages: Messages, watch: SignalWatch) -> int:
    view = messages.start(job)
    try:
        found = estimate(job, view.update, watch.switch)
    except RunInterruptedError as error:
        raise watch.explain(error) from error
    finally:
        view.stop()
    _print(estimate_as_json(found) if settings.as_json else estimate_as_text(found))
    return 0


def _report(summary: RunSummary, settings: EmbedSettings, messages: Messages) -> int:
    code = _warn(summary)
    if settings.as_json:
        _print(as_json(summary))
    messages.finish(summary, code)
    return code


def _warn(summary: RunSummary) -> int:
    """Say what may be wrong with the rows; returns the exit code."""
    made = summary.made
    if made.invalid_utf8 > made.rows * _SUSPICIOUS_SHARE:
        lines = count(made.invalid_utf8, "line")
        log.warning("%s of %d had bytes that are not UTF-8: is this text?", lines, made.rows)
    if made.without_vector:
        rows = count(made.without_vector, "row")
        log.warning("%s got no vector: the model gave none that is finite, or crashed", rows)
        return EXIT_ROWS_WITHOUT_VECTOR
    return 0


def _print(text: str) -> None:
    try:
        print(text, flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python fails once more when it ends
        raise LlamaCliError(f"cannot write to stdout: {error.strerror}") from error


def resolve_job(settings: EmbedSettings, access: HubAccess) -> EmbedJob:
    """Check the options against the machine and the files, before any model is loaded.

    A model of the Hub that is not in its cache is downloaded, after all else is found to be right.

    Raises:
        LlamaCliError: one of them is refused.
    """
    check_prompt(settings.prompt, settings.task)
    words, named = settings.inputs, settings.output
    is_named = named is not None or not settings.dry_run
    output = name_output(words, named) if is_named else Path(os.devnull)
    report = Path(settings.report) if settings.report else None
    if settings.report and "://" in settings.report:
        raise UsageError("--report is written to a file on this machine, not to a URL")
    beside_output = (beside(output, ".partial"), beside(output, ".journal"))
    own = [output, *beside_output, *([report] if report else [])]
    inputs = find_inputs(settings.inputs, exclude=own, is_no_input=is_work_file)
    if not settings.dry_run:
        check_output(output, inputs, overwrite=settings.overwrite)
        check_report(report, output, inputs, overwrite=settings.overwrite)
    return EmbedJob(
        inputs=inputs,
        reading=ReadOptions(
            format=settings.format,
            column=settings.column,
            keep=settings.keep,
            skip_bad_rows=settings.skip_bad_rows,
            limit=settings.limit,
        ),
        output=output,
        model=resolve_model(settings.model, settings.filename, access),
        device=settings.device,
        gpu_layers=settings.gpu_layers,
        embedder=EmbedderOptions(
            pooling=cast(PoolingChoice, settings.pooling),
            normalize=settings.normalize,
            dims=settings.dims,
            prompt=settings.prompt,
            task=cast(Task | None, settings.task),
            max_length=settings.max_length,
            truncate_long=settings.truncate_long,
            threads=settings.threads or usable_cores(),
            dedup=settings.dedup,
        ),
        dtype=cast(DType, settings.dtype),
        vector_type=cast(VectorType, settings.vector_type),
        batch_size=settings.batch_size,
        line_numbers=settings.line_numbers,
        with_source=settings.with_source,
        report=report,
        overwrite=settings.overwrite,
        restart=settings.restart,
        commit_interval=settings.commit_interval,
        command=settings.command,
        float_copies=float_copies_folder() if settings.f32_cache else None,
    )
