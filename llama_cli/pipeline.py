"""The whole tool on one screen: read, embed, hash, write, and count."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from llama_cli import __version__
from llama_cli.engine.embedder import LlamaEmbedder
from llama_cli.engine.float_copy import use_faster_weights
from llama_cli.engine.library import binding_version
from llama_cli.engine.model import Model, resolve_pooling
from llama_cli.engine.replicas import open_replicas
from llama_cli.job import EmbedJob
from llama_cli.output.metadata import (
    METADATA_KEY,
    InputProvenance,
    ModelProvenance,
    Provenance,
)
from llama_cli.output.writer import ParquetWriter
from llama_cli.sources.lines import LineSource, open_lines
from llama_cli.types import EmbeddingBatch, RunProgress, VectorBatch, WriteProgress

ProgressCallback = Callable[[RunProgress], None]


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a finished run did.

    Attributes:
        rows: rows written.
        skipped: blank lines left out.
        cut: texts shortened to the maximum length.
        repaired: lines with bytes that were not UTF-8.
        repeated: texts that got the vector of an equal text before them.
        without_vector: rows for which the model gave no finite vector.
        tokens: tokens fed to the model.
        seconds: wall time, loading the model included.
        output: the file written.
        output_bytes: its size.
        dimension: width of the vectors.
        max_length: tokens at which texts were cut.
        model: the model's name.
    """

    rows: int
    skipped: int
    cut: int
    repaired: int
    repeated: int
    without_vector: int
    tokens: int
    seconds: float
    output: Path
    output_bytes: int
    dimension: int
    max_length: int
    model: str


@dataclass(slots=True)
class _Tally:
    """What was counted on the way; the summary and the footer are made of it."""

    started_at: datetime
    rows: int = 0
    cut: int = 0
    repeated: int = 0
    tokens: int = 0
    without_vector: int = 0
    input_position: int = 0

    def add(self, batch: VectorBatch) -> None:
        self.rows += len(batch.records)
        self.cut += batch.cut
        self.repeated += int(np.count_nonzero(batch.repeated))
        self.tokens += int(batch.sequence_lengths[~batch.repeated].sum())
        self.without_vector += len(batch.records) - int(np.count_nonzero(batch.valid))
        self.input_position = batch.records[-1].end


def run(job: EmbedJob, on_progress: ProgressCallback | None = None) -> RunSummary:
    """Embed every text of the job's input into its output.

    Raises:
        LlamaCliError: whatever kept the output from being finished; nothing is left under its
            name then, and an older file stays as it was.
    """
    started = time.perf_counter()
    tally = _Tally(datetime.now(UTC))
    digest = job.model.sha256()
    with (
        open_lines(job.input) as source,
        open_replicas(job.model.path, job.placement) as (model, *replicas),
        _open_embedder(job, digest, model, replicas) as embedder,
        ParquetWriter(
            job.output,
            embedder.dimension,
            job.batch_size,
            line_numbers=job.line_numbers,
            overwrite=job.overwrite,
            on_progress=_observer(on_progress, tally, source.size),
        ) as writer,
    ):
        for vectors in embedder.embed(source):
            tally.add(vectors)
            writer.write_batch(hash_texts(vectors, line_numbers=job.line_numbers))
            del vectors  # its texts may be many MB: let them go before the next are read
        provenance = _provenance(job, embedder, source, tally, digest)
        writer.add_metadata(METADATA_KEY, provenance.to_json())
        writer.close()
        return _summary(provenance, job.output, time.perf_counter() - started)


def _open_embedder(
    job: EmbedJob, digest: str, model: Model, replicas: list[Model]
) -> LlamaEmbedder:
    """The embedder, on the weights that are fastest on this machine."""
    pooling = resolve_pooling(model.facts, job.embedder.pooling)
    use_faster_weights(model, digest, job.float_copies, pooling)
    return LlamaEmbedder(model, job.embedder, replicas=replicas)


def _observer(
    on_progress: ProgressCallback | None, tally: _Tally, input_size: int | None
) -> Callable[[WriteProgress], None] | None:
    """The writer's callback: adds what only the pipeline knows, and passes it on."""
    if on_progress is None:
        return None
    return lambda written: on_progress(
        RunProgress(
            rows=written.rows_accepted,
            tokens=tally.tokens,
            bytes_read=tally.input_position,
            bytes_total=input_size,
            bytes_written=written.bytes_written,
        )
    )


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


def _provenance(
    job: EmbedJob, embedder: LlamaEmbedder, source: LineSource, tally: _Tally, digest: str
) -> Provenance:
    facts = embedder.facts
    return Provenance(
        tool_version=__version__,
        llama_cpp_version=binding_version(),
        model=ModelProvenance(
            name=facts.name,
            sha256=digest,
            architecture=facts.architecture,
            quantisation=facts.quantisation,
            dimension=facts.dimension,
        ),
        pooling=embedder.pooling,
        normalized=job.embedder.normalize,
        max_length=embedder.max_length,
        input=InputProvenance(source.name, source.bytes_read, source.digest),
        rows=tally.rows,
        skipped=source.counts.skipped,
        cut=tally.cut,
        repaired=source.counts.repaired,
        repeated=tally.repeated,
        without_vector=tally.without_vector,
        tokens=tally.tokens,
        started_at=tally.started_at,
        finished_at=datetime.now(UTC),
    )


def _summary(made: Provenance, output: Path, seconds: float) -> RunSummary:
    return RunSummary(
        rows=made.rows,
        skipped=made.skipped,
        cut=made.cut,
        repaired=made.repaired,
        repeated=made.repeated,
        without_vector=made.without_vector,
        tokens=made.tokens,
        seconds=seconds,
        output=output,
        output_bytes=output.stat().st_size,
        dimension=made.model.dimension,
        max_length=made.max_length,
        model=made.model.name,
    )
