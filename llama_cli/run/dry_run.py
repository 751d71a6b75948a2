"""What a run would do: counts of everything, and how long and large it would be. Writes nothing."""

from __future__ import annotations

import collections
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import pyarrow as pa

from llama_cli.output.arrow import ColumnChecker
from llama_cli.output.row_groups import RowGroupWriter
from llama_cli.output.writer import ROW_GROUP_BYTES
from llama_cli.records import RunProgress, VectorBatch
from llama_cli.run.counts import Counts
from llama_cli.run.job import EmbedJob
from llama_cli.run.session import Session, open_session
from llama_cli.run.sink import Sink
from llama_cli.run.stop import StopSwitch

# Long enough for the rate to settle; after that texts are only counted.
CALIBRATION_SECONDS = 3.0
# Rows that are encoded to see how large they become.
_SAMPLE_ROWS = 2000


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run would do.

    Attributes:
        counts: counts of its rows.
        inputs: how many there are.
        model: the model's name.
        dimension: width of the vectors.
        max_length: tokens after which texts would be truncated.
        tried: rows that were computed to see how long the others would take.
        seconds: how long the run would take, opening the model aside; None without any text.
        output_bytes: how large its output would be; None without any text.
    """

    counts: Counts
    inputs: int
    model: str
    dimension: int
    max_length: int
    tried: int
    seconds: float | None
    output_bytes: int | None


def estimate(
    job: EmbedJob,
    on_progress: Callable[[RunProgress], object] | None = None,
    stop: StopSwitch | None = None,
) -> Estimate:
    """Read and tokenize all texts, and embed the first of them for some seconds.

    Args:
        job: what would be done.
        on_progress: told of how far the counting is.
        stop: ends it early.

    Raises:
        RunInterruptedError: the switch was turned.
        LlamaCliError: what would keep the run from being finished, as far as that shows.
    """
    embedder = replace(job.embedder, decode_seconds=CALIBRATION_SECONDS)
    with open_session(replace(job, embedder=embedder), job.inputs, stop or StopSwitch()) as session:
        return _count(session, on_progress)


def _count(session: Session, on_progress: Callable[[RunProgress], object] | None) -> Estimate:
    sink, trial = Sink(session.inputs), _Trial(session)
    for vectors in session.engine.embed(session.inputs, session.inputs.locate):
        sink.take(vectors)
        trial.add(vectors)
        if on_progress is not None:
            on_progress(sink.progress)
    sink.finish()
    counts = sink.counts
    counts.without_vector = 0  # those that were not computed are none of these
    return Estimate(
        counts=counts,
        inputs=len(session.inputs.files),
        model=session.model.facts.name,
        dimension=session.model.dimension,
        max_length=session.model.max_length,
        tried=trial.rows,
        seconds=trial.seconds_for(counts.tokens),
        output_bytes=trial.bytes_for(counts.rows),
    )


class _Trial:
    """The rows that were computed, and what they tell of the others."""

    def __init__(self, session: Session) -> None:
        self.rows = 0
        self._session = session
        self._tokens = 0
        self._began = time.perf_counter()
        self._seconds = 0.0
        self._sample: list[VectorBatch] = []
        self._sample_rows = 0
        self._text_bytes = 0  # of all texts

    def add(self, vectors: VectorBatch) -> None:
        """Take note of some rows, computed or not."""
        self._text_bytes += sum(len(record.text) for record in vectors.records)
        if not vectors.valid.all():
            return
        self.rows += len(vectors.records)
        self._tokens += int(vectors.sequence_lengths[~vectors.duplicates].sum())
        self._seconds = time.perf_counter() - self._began
        if self._sample_rows < _SAMPLE_ROWS:
            self._sample.append(vectors)
            self._sample_rows += len(vectors.records)

    def seconds_for(self, tokens: int) -> float | None:
        """How long so many tokens would take."""
        return tokens * self._seconds / self._tokens if self._tokens else None

    def bytes_for(self, rows: int) -> int | None:
        """How large a file of all texts would be."""
        if not self._sample:
            return None
        sizes = _encoded_sizes(self._sample, self._session)
        texts = sum(len(record.text) for vectors in self._sample for record in vectors.records)
        text_size = sizes.pop("text") * self._text_bytes / max(1, texts)
        return round(text_size + sum(sizes.values()) * rows / self._sample_rows)


def _encoded_sizes(sample: list[VectorBatch], session: Session) -> collections.Counter[str]:
    """Bytes that some rows take in a file, by column."""
    schema, width = session.schema, session.model.dimension
    checker = ColumnChecker(schema, width)
    writer = RowGroupWriter(pa.BufferOutputStream, schema, width, _SAMPLE_ROWS, ROW_GROUP_BYTES)
    for vectors in sample:
        writer.add(checker.check(session.maker.make(vectors)))
    footer = writer.end_segment()
    sizes: collections.Counter[str] = collections.Counter()
    for group in map(footer.row_group, range(footer.num_row_groups)) if footer else ():
        for chunk in map(group.column, range(group.num_columns)):
            sizes[chunk.path_in_schema.partition(".")[0]] += chunk.total_compressed_size
    return sizes
