"""The work of ``llama-cli embed``."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

from llama_cli.cli.errors import EXIT_ROWS_WITHOUT_VECTOR
from llama_cli.cli.interrupt import (
    SignalWatch,
    describe_interruption,
    watched_download,
    watched_signals,
)
from llama_cli.cli.invocation import Invocation
from llama_cli.cli.messages import Messages, make_messages, show_log
from llama_cli.cli.options import EmbedOptions, fill
from llama_cli.cli.summary import estimate_as_text, estimate_facts, summary_facts
from llama_cli.engine.devices import usable_cores
from llama_cli.engine.memory import give_back_large_blocks
from llama_cli.engine.options import EmbedderOptions
from llama_cli.errors import LlamaCliError, UsageError
from llama_cli.inputs.formats import of_one_kind
from llama_cli.inputs.readers.base import RowOptions
from llama_cli.inputs.resolve import find_inputs
from llama_cli.inputs.sequence import ReadOptions
from llama_cli.models.file import float_copies_folder
from llama_cli.models.resolve import resolve_model
from llama_cli.output.durable.status import is_work_file
from llama_cli.output.durable.target import beside, check_output
from llama_cli.progress.numbers import count
from llama_cli.run.dry_run import estimate
from llama_cli.run.job import EmbedJob, check_prompt, name_output
from llama_cli.run.pipeline import run
from llama_cli.run.provenance import RunSummary
from llama_cli.run.report import check_report
from llama_cli.storage.download import ProgressCallback

log = logging.getLogger(__name__)

# Of lines that are not UTF-8: more, and the input may not be text at all.
_SUSPICIOUS_SHARE = 0.5


def run_embed(options: EmbedOptions, invocation: Invocation) -> int:
    """Run one embedding job and report on it; returns the exit code."""
    give_back_large_blocks()
    messages = make_messages(options.progress, quiet=options.quiet)
    show_log(messages, debug=options.debug, quiet=options.quiet)
    watch = SignalWatch(as_json=options.json, as_events=options.progress == "json")
    with watched_signals(watch):
        with watched_download(watch, messages) as on_progress:
            job = resolve_job(options, invocation, on_progress)
        if options.dry_run:
            return _try(job, options, messages, watch)
        return _embed(job, options, messages, watch)


def _embed(job: EmbedJob, options: EmbedOptions, messages: Messages, watch: SignalWatch) -> int:
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
    finally:
        view.stop()
    code = _warn(summary)
    if options.json:
        _print(json.dumps(summary_facts(summary)))
    messages.finish(summary, code)
    return code


def _try(job: EmbedJob, options: EmbedOptions, messages: Messages, watch: SignalWatch) -> int:
    view = messages.start(job)
    try:
        found = estimate(job, view.update, watch.switch)
    finally:
        view.stop()
    _print(json.dumps(estimate_facts(found)) if options.json else estimate_as_text(found))
    return 0


def _warn(summary: RunSummary) -> int:
    """Say what may be wrong with the rows; returns the exit code."""
    made = summary.provenance
    if made.invalid_utf8 > made.rows * _SUSPICIOUS_SHARE:
        lines = count(made.invalid_utf8, "line")
        log.warning("%s of %d had bytes that are not UTF-8: is this text?", lines, made.rows)
    if not made.rows and any(file.bytes for file in made.inputs):
        log.warning("no text was found, so the output has no rows")
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


def resolve_job(
    options: EmbedOptions, invocation: Invocation, on_progress: ProgressCallback
) -> EmbedJob:
    """Check the options against the machine and the files, before any model is loaded.

    A model of the Hub that is not in its cache is downloaded, after all else is found to be right.

    Raises:
        LlamaCliError: one of them is refused.
    """
    check_prompt(options.prompt, options.task)
    is_named = options.output is not None or not options.dry_run
    output = name_output(options.inputs, options.output) if is_named else Path(os.devnull)
    if options.report and "://" in options.report:
        raise UsageError(
            "`report` is written to a file on this machine, not to a URL", option="report"
        )
    report = Path(options.report) if options.report else None
    beside_output = (beside(output, ".partial"), beside(output, ".journal"))
    own = [output, *beside_output, *([report] if report else [])]
    inputs = find_inputs(
        options.inputs,
        exclude=own,
        is_no_input=is_work_file,
        choose=of_one_kind if options.format == "auto" else lambda _, files: files,
    )
    if not options.dry_run:
        addresses = [file.address for file in inputs]
        check_output(output, addresses, overwrite=options.overwrite)
        check_report(report, output, inputs, overwrite=options.overwrite)
    keep = [name.strip() for names in options.keep or () for name in names.split(",")]
    return fill(
        EmbedJob,
        options,
        inputs=inputs,
        reading=fill(
            ReadOptions,
            options,
            format=None if options.format == "auto" else options.format,
            keep=tuple(keep),
            rows=fill(
                RowOptions,
                options,
                delimiter="\t" if options.delimiter == "tab" else options.delimiter,
            ),
        ),
        output=output,
        report=report,
        model=resolve_model(options.model, options.filename, on_progress),
        embedder=fill(EmbedderOptions, options, threads=options.threads or usable_cores()),
        float_copies=float_copies_folder() if options.f32_cache else None,
        command=tuple(invocation.resume_command()),
    )
