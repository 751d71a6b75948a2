"""The whole tool on one screen: read, embed, hash, write, commit, and count."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import logging
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from llama_cli.engine.options import EngineOptions
from llama_cli.errors import LlamaCliError, ParquetError, RunInterruptedError, UsageError
from llama_cli.isolation.engine import EngineStoppedError, IsolatedEngine
from llama_cli.isolation.signature import model_signature
from llama_cli.job import EmbedJob
from llama_cli.outcome import RunSummary, make_provenance
from llama_cli.output.journal import Commit, RunHeader
from llama_cli.output.metadata import FORMAT_VERSION, METADATA_KEY, Provenance
from llama_cli.output.partial import PartialOutput
from llama_cli.output.schema import output_schema
from llama_cli.output.writer import ParquetWriter
from llama_cli.sources.lines import LineSource, open_lines
from llama_cli.stopping import StopSwitch
from llama_cli.tally import Tally
from llama_cli.types import EmbeddingBatch, RunProgress, VectorBatch, WriteProgress

log = logging.getLogger(__name__)

ProgressCallback = Callable[[RunProgress], None]

# Rows are made safe after so many bytes of them, however quickly they came: two row groups.
COMMIT_BYTES = 64 * 2**20


def run(
    job: EmbedJob, on_progress: ProgressCallback | None = None, stop: StopSwitch | None = None
) -> RunSummary:
    """Embed every text of the job's input into its output.

    Args:
        job: what to do.
        on_progress: told of every batch of rows.
        stop: ends the run early when it is turned; what is ready is made safe.

    Raises:
        RunInterruptedError: the switch was turned.
        LlamaCliError: whatever kept the output from being finished. An older file under its name
            stays as it was; the rows that `LlamaCliError.safe_rows` counts are kept beside it.
    """
    started = time.perf_counter()
    stop = stop or StopSwitch()
    with (
        open_lines(job.input) as source,
        _open_partial(job) as partial,
        IsolatedEngine() as engine,
        stop.calls(engine.stop),
    ):
        engine.start()
        signature = model_signature(job.model.path)
        digest = job.model.sha256()
        engine.open(_engine_options(job, digest), signature)
        identity = _identity(job, engine, digest)
        made = partial.finished_before
        if made and identity is not None and not job.restart:
            if identity == partial.identity and source.is_all(
                made.input.bytes, made.input.xxh3_128
            ):
                partial.clean_up()
                log.info("an earlier run had finished %s", job.output)
                before = Tally(rows=made.rows, tokens=made.tokens)
                return _summarize(job, made, before, started)
            source.rewind()
        last = None if job.restart else partial.last_commit(identity)
        before = _go_on(last, source) if last else Tally()
        header = partial.start(_header(job, identity), restart=job.restart)
        tally = dataclasses.replace(before)
        with ParquetWriter(
            job.output,
            engine.dimension,
            job.batch_size,
            line_numbers=job.line_numbers,
            partial=partial,
            on_progress=_observer(on_progress, tally, source.size),
        ) as writer:
            writer.flush()  # tells the progress where the run starts from
            _embed_all(job, engine, source, partial, writer, tally)
            provenance = make_provenance(job, engine, source, header, tally, digest)
            writer.add_metadata(METADATA_KEY, provenance.to_json())
            writer.close()
        return _summarize(job, provenance, before, started)


def _embed_all(  # noqa: PLR0917 - the parts of a run
    job: EmbedJob,
    engine: IsolatedEngine,
    source: LineSource,
    partial: PartialOutput,
    writer: ParquetWriter,
    tally: Tally,
) -> None:
    """Write a row for every text, and make them safe now and then, at the end, and on failure."""

    def commit() -> None:
        # Never a position in the input behind rows that the writer does not have.
        if partial.identity is not None and partial.rows < tally.rows == writer.rows_accepted:
            writer.commit(tally.to_state(source.digest_at(tally.position)))

    due = time.monotonic() + job.commit_interval
    try:
        for vectors in engine.embed(source):
            rows = hash_texts(vectors, line_numbers=job.line_numbers)
            tally.add(vectors)
            source.passed(tally.position)
            writer.write_batch(rows)
            del vectors, rows  # its texts may be many MB: let them go before the next are read
            if time.monotonic() >= due or writer.uncommitted_bytes >= COMMIT_BYTES:
                commit()
                due = time.monotonic() + job.commit_interval
    except BaseException as error:
        # A text that is refused in the first minute is likely to be mended: nothing is kept then.
        if partial.rows or not isinstance(error, UsageError):
            with contextlib.suppress(ParquetError):
                commit()
        raise
    commit()


def hash_texts(vectors: VectorBatch, *, line_numbers: bool) -> EmbeddingBatch:
    """The rows of the output: each text's MD5 beside what the engine made of it."""
    texts = [record.text for record in vectors.records]
    return EmbeddingBatch(
        texts=texts,
        text_hashes=[hashlib.md5(text, usedforsecurity=False).hexdigest() for text in texts],
        embeddings=vectors.embeddings,
        sequence_lengths=vectors.sequence_lengths,
        processing_times_ms=vectors.processing_times_ms,
        valid=vectors.valid,
        lines=np.array([r.line for r in vectors.records], np.int64) if line_numbers else None,
    )


@contextlib.contextmanager
def _open_partial(job: EmbedJob) -> Iterator[PartialOutput]:
    """Lock the output; afterwards keep what is safe, and say so in the error."""
    partial = PartialOutput(job.output, overwrite=job.overwrite)
    try:
        yield partial
    except EngineStoppedError as error:
        interrupted = RunInterruptedError("interrupted")
        kept = partial.release()
        # Rows that were to be discarded are not this run's to go on with.
        interrupted.safe_rows = kept if partial.started or not job.restart else 0
        raise interrupted from error
    except LlamaCliError as error:
        error.safe_rows = partial.release()
        raise
    finally:
        partial.release()


def _engine_options(job: EmbedJob, digest: str) -> EngineOptions:
    return EngineOptions(
        model=job.model.path,
        sha256=digest,
        device=job.device,
        gpu_layers=job.gpu_layers,
        embedder=job.embedder,
        float_copies=job.float_copies,
    )


def _identity(job: EmbedJob, engine: IsolatedEngine, digest: str) -> dict[str, Any] | None:
    """What determines the rows, the input aside, in words fit for messages."""
    if not job.resumable:
        return None
    columns = output_schema(engine.dimension, line_numbers=job.line_numbers).names
    return {
        "format version": FORMAT_VERSION,
        "model": digest,
        "pooling": engine.pooling,
        "normalization": "on" if job.embedder.normalize else "off",
        "maximum length": engine.max_length,
        "set of columns": columns,
    }


def _header(job: EmbedJob, identity: dict[str, Any] | None) -> RunHeader:
    about = {
        "command": list(job.command),
        "folder": str(Path.cwd()),
        "input": str(job.input.absolute()),
    }
    return RunHeader(uuid.uuid4().hex, datetime.now(UTC), identity, about)


def _go_on(last: Commit, source: LineSource) -> Tally:
    """Bring the input to where the last commit was; the counts up to there."""
    tally = Tally.from_state(last.rows, last.state)
    source.go_on_after(tally.position, tally.line, last.state["input"]["xxh3_128"])
    log.info("going on at row %d, after line %d of %s", tally.rows + 1, tally.line, source.name)
    return tally


def _summarize(job: EmbedJob, made: Provenance, before: Tally, started: float) -> RunSummary:
    seconds = time.perf_counter() - started
    return RunSummary(made, before, seconds, job.output, job.output.stat().st_size)


def _observer(
    on_progress: ProgressCallback | None, tally: Tally, input_size: int | None
) -> Callable[[WriteProgress], None] | None:
    """The writer's callback: adds what only the pipeline knows, and passes it on."""
    if on_progress is None:
        return None
    return lambda written: on_progress(
        RunProgress(
            rows=written.rows_accepted,
            tokens=tally.tokens,
            bytes_read=tally.position,
            bytes_total=input_size,
            bytes_written=written.bytes_written,
        )
    )
