"""Where the engine's vectors go: into rows of the file, the counts and the report."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from llama_cli.inputs.sequence import START, InputSequence, Position
from llama_cli.inputs.skips import SkippedRows
from llama_cli.output.arrow import wrap_strings
from llama_cli.output.durable.partial import PartialOutput
from llama_cli.output.schema import SOURCE
from llama_cli.output.writer import ParquetWriter
from llama_cli.records import EmbeddingBatch, RunProgress, TextRecord, VectorBatch
from llama_cli.run.checkpoint import Checkpoint, RunSpec
from llama_cli.run.counts import Counts
from llama_cli.run.report import RunReport


class Sink:
    """Counts the rows, and tells the inputs up to where they are done. A dry run needs no more."""

    def __init__(self, inputs: InputSequence, counts: Counts | None = None) -> None:
        """Begin, or resume with the counts of the rows before."""
        self.counts = counts or Counts()
        self._inputs = inputs
        self._position: Position = START

    @property
    def progress(self) -> RunProgress:
        """How far the run is."""
        counts = self.counts
        return RunProgress(counts.rows, counts.tokens, counts.bytes_read, self._inputs.size, 0)

    def take(self, vectors: VectorBatch) -> list[SkippedRows]:
        """Count the rows of some texts.

        Returns:
            What was left out of the inputs before the last of them.
        """
        last = vectors.records[-1]
        self._position = Position(last.input_index, last.line, last.offset)
        skipped = self._inputs.skips.take(last.input_index, last.line)
        self.counts.add(vectors)
        self.counts.add_skipped(skipped)
        self._inputs.passed(self._position)
        return skipped

    def finish(self) -> list[SkippedRows]:
        """Count what was left out after the last row, and return it."""
        rest = self._inputs.take_rest()
        self.counts.add_skipped(rest)
        return rest


@dataclass(frozen=True, slots=True)
class RowMaker:
    """Makes rows of the output: adds to vectors what else the output has.

    Attributes:
        line_numbers: whether there is a column of them.
        sources: the inputs' names, where there is a column of them.
        carried: columns of the inputs that are carried through.
    """

    line_numbers: bool
    sources: Sequence[str] | None
    carried: pa.Schema

    @property
    def extra(self) -> pa.Schema:
        """The columns that are not the writer's own."""
        named = [] if self.sources is None else [pa.field(SOURCE, pa.string(), nullable=False)]
        return pa.schema([*named, *self.carried])

    def make(self, vectors: VectorBatch) -> EmbeddingBatch:
        """The rows: each text's MD5 and whatever comes with it beside its vector."""
        texts = [record.text for record in vectors.records]
        lines = [record.line for record in vectors.records] if self.line_numbers else None
        return EmbeddingBatch(
            texts=texts,
            text_hashes=[hashlib.md5(text, usedforsecurity=False).hexdigest() for text in texts],
            embeddings=vectors.embeddings,
            sequence_lengths=vectors.sequence_lengths,
            processing_times_ms=vectors.processing_times_ms,
            valid=vectors.valid,
            lines=None if lines is None else np.array(lines, np.int64),
            extra=self._make_extra(vectors.records),
        )

    def _make_extra(self, records: Sequence[TextRecord]) -> pa.Table | None:
        schema = self.extra
        if not schema.names:
            return None
        columns: list[pa.Array | pa.ChunkedArray] = []
        if self.sources is not None:
            # A file name may have bytes that are not UTF-8.
            names = [name.encode(errors="surrogateescape") for name in self.sources]
            texts = [name.decode(errors="replace").encode() for name in names]
            columns.append(wrap_strings([texts[record.input_index] for record in records]))
        if self.carried.names:
            columns += pa.Table.from_batches(_carried_runs(records), self.carried).columns
        return pa.table(columns, schema=schema)


def _carried_runs(records: Sequence[TextRecord]) -> Iterator[pa.RecordBatch]:
    """The carried columns of some rows, as slices of what was read: most rows follow each other."""
    rows = [record.carried for record in records if record.carried is not None]
    start = 0
    for end in range(1, len(rows) + 1):
        before, after = rows[end - 1], rows[end] if end < len(rows) else None
        if after is None or after.batch is not before.batch or after.row != before.row + 1:
            yield rows[start].batch.slice(rows[start].row, end - start)
            start = end


class FileSink(Sink):
    """Writes the rows too, and commits them with all that a run must know to resume after them."""

    def __init__(
        self,
        inputs: InputSequence,
        *,
        maker: RowMaker,
        partial: PartialOutput,
        writer: ParquetWriter,
        report: RunReport,
        spec: RunSpec,
        checkpoint: Checkpoint | None,
    ) -> None:
        """Begin, or resume from a checkpoint."""
        counts = dataclasses.replace(checkpoint.counts) if checkpoint else None
        super().__init__(inputs, counts)
        self._maker = maker
        self._partial = partial
        self._writer = writer
        self._report = report
        self._spec = spec
        self._committed = checkpoint

    @property
    def progress(self) -> RunProgress:
        return super().progress._replace(bytes_written=self._writer.bytes_written)

    @property
    def has_commits(self) -> bool:
        """Whether any row is committed."""
        return self._committed is not None

    @property
    def uncommitted_bytes(self) -> int:
        """Raw bytes that the next commit would write, about."""
        return self._writer.uncommitted_bytes

    def take(self, vectors: VectorBatch) -> list[SkippedRows]:
        """Write the rows of some texts, and report on them and on what was left out before them.

        Raises:
            ParquetError: they cannot be written.
            LlamaCliError: the report cannot be.
        """
        rows = self._maker.make(vectors)  # before it is counted: this may fail for want of memory
        first_row = self.counts.rows
        skipped = super().take(vectors)
        self._report.add(first_row, vectors, skipped)
        self._writer.write_batch(rows)
        return skipped

    def commit(self) -> None:
        """Commit all rows, where the run is resumable and there are new ones.

        Raises:
            ParquetError: the system refused; what was committed before stays.
            LlamaCliError: the report cannot be written.
        """
        # Never a position in the input after rows that the writer does not have.
        has_all = self._partial.rows < self.counts.rows == self._writer.rows_accepted
        if self._spec.identity is None or not has_all:
            return
        checkpoint = Checkpoint(
            spec=self._spec,
            counts=dataclasses.replace(self.counts),
            inputs=self._inputs.state(self._position),
            report_bytes=self._report.sync(),
        )
        self._writer.commit(checkpoint.to_json(since=self._committed))
        self._committed = checkpoint

    def finish(self) -> list[SkippedRows]:
        """Commit all rows, and report on what was left out after the last one.

        Raises:
            ParquetError: the system refused.
            LlamaCliError: the report cannot be written.
        """
        self.commit()
        rest = super().finish()
        self._report.add_skipped(rest)
        self._report.sync()
        return rest
