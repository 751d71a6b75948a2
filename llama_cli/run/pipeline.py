"""The whole tool on one screen: read, embed, hash, write, commit, and count."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from llama_cli.engine.worker.engine import EngineStoppedError, WorkerEngine
from llama_cli.errors import LlamaCliError, RunInterruptedError, UsageError
from llama_cli.inputs.fingerprint import Fingerprint
from llama_cli.inputs.sequence import InputSequence
from llama_cli.output.durable.journal import RunHeader
from llama_cli.output.durable.partial import PartialOutput
from llama_cli.output.provenance import METADATA_KEY, Provenance
from llama_cli.output.writer import ParquetWriter
from llama_cli.records import RunProgress, WriteProgress
from llama_cli.run.counts import Counts
from llama_cli.run.job import EmbedJob
from llama_cli.run.provenance import RunSummary, make_provenance
from llama_cli.run.report import RunReport
from llama_cli.run.resume import agree_on_inputs, describe_inputs, make_identity
from llama_cli.run.session import prepare
from llama_cli.run.sink import Sink
from llama_cli.run.stop import StopSwitch

log = logging.getLogger(__name__)

ProgressCallback = Callable[[RunProgress], None]

# Rows are made safe after so many bytes of them, however quickly they came: two row groups.
COMMIT_BYTES = 64 * 2**20


def run(
    job: EmbedJob, on_progress: ProgressCallback | None = None, stop: StopSwitch | None = None
) -> RunSummary:
    """Embed every text of the job's inputs into its output.

    Args:
        job: what to do.
        on_progress: told of every batch of rows.
        stop: ends the run early when it is turned; what is ready is made safe.

    Raises:
        RunInterruptedError: the switch was turned.
        LlamaCliError: whatever kept the output from being finished. An older file under its name
            stays as it was; the rows that `LlamaCliError.committed_rows` counts are kept beside it.
    """
    started = time.perf_counter()
    stop = stop or StopSwitch()
    with (
        _open_partial(job) as partial,
        prepare(job, agree_on_inputs(job, partial), stop) as parts,
    ):
        source, model = parts.source, parts.model
        identity = make_identity(job, source, model, parts.digest, parts.schema)
        made = partial.finished_before
        if made and not job.restart and _is_same(made, identity, partial, source):
            partial.clean_up()
            log.info("an earlier run had finished %s", job.output)
            before = Counts(rows=made.rows, tokens=made.tokens)
            return _summarize(job, made, before, started, partial)
        resuming = not job.restart and partial.last_commit(identity) is not None
        before = _resume(partial, source) if resuming else Counts()
        header = partial.start(_header(job, source, identity), restart=job.restart)
        counts = dataclasses.replace(before)
        with (
            RunReport(job.report, [file.name for file in source.files], model.max_length) as report,
            ParquetWriter(
                partial.path,
                model.dimension,
                job.batch_size,
                schema=parts.schema,
                partial=partial,
                on_progress=_observer(on_progress, counts, source.size),
            ) as writer,
        ):
            report.begin(_report_position(job, partial) if resuming else 0, replace=job.overwrite)
            writer.flush()  # tells the progress where the run starts from
            sink = Sink(source, parts.maker, partial, writer, report, counts)
            _embed_all(job, parts.engine, source, sink)
            provenance = make_provenance(job, model, source, header, counts, parts.digest)
            writer.add_metadata(METADATA_KEY, provenance.to_json())
            writer.close()
        return _summarize(job, provenance, before, started, partial)


def _embed_all(job: EmbedJob, engine: WorkerEngine, source: InputSequence, sink: Sink) -> None:
    """Write a row for every text, and make them safe now and then, at the end, and on failure."""
    due = time.monotonic() + job.commit_interval
    try:
        for vectors in engine.embed(source, source.locate):
            sink.take(vectors)
            del vectors  # its texts may be many MB: let them go before the next are read
            if time.monotonic() >= due or sink.uncommitted_bytes >= COMMIT_BYTES:
                sink.commit()
                due = time.monotonic() + job.commit_interval
    except BaseException as error:
        # A text that is refused in the first minute is likely to be mended: nothing is kept then.
        if sink.has_commits or not isinstance(error, UsageError):
            with contextlib.suppress(LlamaCliError):
                sink.commit()
        raise
    sink.finish()


@contextlib.contextmanager
def _open_partial(job: EmbedJob) -> Iterator[PartialOutput]:
    """Lock the output; afterwards keep what is safe, and say so in the error."""
    partial = PartialOutput(job.output, overwrite=job.overwrite)
    try:
        yield partial
    except EngineStoppedError as error:
        interrupted = RunInterruptedError("interrupted")
        kept = partial.release()
        # Rows that were to be discarded are not this run's to resume.
        interrupted.committed_rows = kept if partial.started or not job.restart else 0
        raise interrupted from error
    except LlamaCliError as error:
        error.committed_rows = partial.release()
        raise
    finally:
        partial.release()


def _header(job: EmbedJob, source: InputSequence, identity: dict[str, Any] | None) -> RunHeader:
    about = {
        "command": list(job.command),
        "folder": str(Path.cwd()),
        "report": job.report and str(job.report.absolute()),
        **describe_inputs(source),
    }
    return RunHeader(uuid.uuid4().hex, datetime.now(UTC), identity, about)


def _is_same(
    made: Provenance,
    identity: dict[str, Any] | None,
    partial: PartialOutput,
    source: InputSequence,
) -> bool:
    """Whether this run would make what an earlier one has finished."""
    if identity is None or identity != partial.identity:
        return False
    return source.match(
        [Fingerprint(one.bytes, one.xxh3_128, one.version) for one in made.all_inputs]
    )


def _resume(partial: PartialOutput, source: InputSequence) -> Counts:
    """Bring the inputs to where the last commit was; the counts up to there."""
    last = partial.commits[-1]
    counts = Counts.from_state(last.rows, last.state)
    states = [commit.state["input"] for commit in partial.commits]
    finished = [Fingerprint(*one) for state in states for one in state["finished"]]
    source.resume_after(counts.position, states[-1]["xxh3_128"], finished, counts.rows)
    place = source.locate(counts.position.input_index, counts.position.line)
    if len(source.files) == 1:
        place += f" of {source.files[0].name}"
    log.info("resuming at row %d, after %s", counts.rows + 1, place)
    return counts


def _report_position(job: EmbedJob, partial: PartialOutput) -> int | None:
    """Bytes of the report about the rows that are there; None where they are in no, or another."""
    about = partial.header.about if partial.header else {}
    if job.report is None or about.get("report") != str(job.report.absolute()):
        return None
    size: int | None = partial.commits[-1].state["report"]
    return size


def _summarize(
    job: EmbedJob, made: Provenance, before: Counts, started: float, partial: PartialOutput
) -> RunSummary:
    seconds = time.perf_counter() - started
    return RunSummary(made, before, seconds, job.output, partial.finished_bytes)


def _observer(
    on_progress: ProgressCallback | None, counts: Counts, input_size: int | None
) -> Callable[[WriteProgress], None] | None:
    """The writer's callback: adds what only the pipeline knows, and passes it on."""
    if on_progress is None:
        return None
    return lambda written: on_progress(
        RunProgress(
            rows=written.rows_accepted,
            tokens=counts.tokens,
            bytes_read=counts.bytes_read,
            bytes_total=input_size,
            bytes_written=written.bytes_written,
        )
    )
