"""The whole tool on one screen: resume or begin, read, embed, write, commit, and finish."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable

from llama_cli.errors import LlamaCliError, UsageError
from llama_cli.output.durable.journal import RunHeader
from llama_cli.output.durable.partial import PartialOutput
from llama_cli.output.provenance import METADATA_KEY, Provenance
from llama_cli.output.writer import ParquetWriter
from llama_cli.records import RunProgress
from llama_cli.run.checkpoint import Checkpoint, RunSpec
from llama_cli.run.counts import Counts
from llama_cli.run.job import EmbedJob
from llama_cli.run.provenance import RunSummary, make_provenance
from llama_cli.run.report import RunReport
from llama_cli.run.resume import (
    choose_inputs,
    find_finished,
    last_checkpoint,
    make_spec,
    resume_inputs,
)
from llama_cli.run.session import Session, open_session
from llama_cli.run.sink import FileSink
from llama_cli.run.stop import StopSwitch

log = logging.getLogger(__name__)

ProgressCallback = Callable[[RunProgress], object]

# Rows are committed after so many bytes of them, however quickly they came: two row groups.
COMMIT_BYTES = 64 * 2**20


def run(
    job: EmbedJob, on_progress: ProgressCallback | None = None, stop: StopSwitch | None = None
) -> RunSummary:
    """Embed every text of the job's inputs into its output.

    Args:
        job: what to do.
        on_progress: told of every batch of rows.
        stop: ends the run early when it is turned; what is ready is committed.

    Raises:
        RunInterruptedError: the switch was turned.
        LlamaCliError: whatever kept the output from being finished. An older file under its name
            stays as it was; the rows that `LlamaCliError.committed_rows` counts are kept beside it.
    """
    started = time.perf_counter()
    tell = on_progress or (lambda _: None)
    with PartialOutput(job.output, overwrite=job.overwrite, restart=job.restart) as partial:
        checkpoint = last_checkpoint(partial)
        before = checkpoint.counts if checkpoint else Counts()
        inputs = choose_inputs(job, checkpoint)
        with open_session(job, inputs, stop or StopSwitch()) as session:
            spec = make_spec(job, session)
            if provenance := find_finished(spec, partial, session.inputs):
                log.info("an earlier run had finished %s", job.output)
                before = Counts(rows=provenance.rows, tokens=provenance.tokens)
                partial.clean_up()
            else:
                provenance = _write(job, session, partial, spec, checkpoint, tell)
            seconds = time.perf_counter() - started
            return RunSummary(provenance, before, seconds, job.output, partial.finished_bytes)


def _write(  # noqa: PLR0917 - all that a run is
    job: EmbedJob,
    session: Session,
    partial: PartialOutput,
    spec: RunSpec,
    checkpoint: Checkpoint | None,
    tell: ProgressCallback,
) -> Provenance:
    """Resume or begin, write the rows that are missing, and finish the output."""
    if checkpoint:
        resume_inputs(job, spec, checkpoint, session.inputs)
        header = partial.resume()
    else:
        resumable = spec.identity is not None
        header = partial.begin(RunHeader(resumable=resumable, spec=spec.to_json()))
    names, model = [file.name for file in session.inputs.files], session.model
    with (
        RunReport(job.report, names, model.max_length) as report,
        ParquetWriter(
            partial.path,
            model.dimension,
            job.batch_size,
            schema=session.schema,
            partial=partial,
            on_progress=lambda _: tell(sink.progress),
        ) as writer,
    ):
        position = checkpoint.report_position(spec) if checkpoint else 0
        report.begin(position, replace=job.overwrite)
        sink = FileSink(
            session.inputs,
            maker=session.maker,
            partial=partial,
            writer=writer,
            report=report,
            spec=spec,
            checkpoint=checkpoint,
        )
        tell(sink.progress)  # where it starts from
        _embed_all(job, session, sink)
        provenance = make_provenance(job, session, header, sink.counts)
        writer.add_metadata(METADATA_KEY, provenance.to_json())
        writer.close()
    return provenance


def _embed_all(job: EmbedJob, session: Session, sink: FileSink) -> None:
    """Write a row for every text; commit them now and then, at the end, and on failure."""
    due = time.monotonic() + job.commit_interval
    try:
        for vectors in session.engine.embed(session.inputs, session.inputs.locate):
            sink.take(vectors)
            del vectors  # its texts may be many MB: let them go before the next are read
            if time.monotonic() >= due or sink.uncommitted_bytes >= COMMIT_BYTES:
                sink.commit()
                due = time.monotonic() + job.commit_interval
    except BaseException as error:
        # A text that is refused in the first minute will likely be corrected: nothing is kept then.
        if sink.has_commits or not isinstance(error, UsageError):
            with contextlib.suppress(LlamaCliError):
                sink.commit()
        raise
    sink.finish()
