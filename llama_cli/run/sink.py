"""Where the engine's vectors go: into the counts, the file and the report."""

from __future__ import annotations

import dataclasses

from llama_cli.inputs.sequence import START, InputSequence, Position
from llama_cli.inputs.skips import SkippedRows
from llama_cli.output.durable.partial import PartialOutput
from llama_cli.output.writer import ParquetWriter
from llama_cli.records import RunProgress, VectorBatch
from llama_cli.run.checkpoint import Checkpoint, RunSpec
from llama_cli.run.counts import Counts
from llama_cli.run.report import RunReport
from llama_cli.run.session import Session


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


class FileSink(Sink):
    """Writes the rows too, and commits them with all that a run must know to resume after them."""

    def __init__(
        self,
        session: Session,
        *,
        partial: PartialOutput,
        writer: ParquetWriter,
        report: RunReport,
        spec: RunSpec,
        checkpoint: Checkpoint | None,
    ) -> None:
        """Begin, or resume from a checkpoint."""
        counts = dataclasses.replace(checkpoint.counts) if checkpoint else None
        super().__init__(session.inputs, counts)
        self._maker = session.maker
        self._partial = partial
        self._writer = writer
        self._report = report
        self._spec = spec
        self._committed = checkpoint

    @property
    def progress(self) -> RunProgress:
        """How far the run is, and its output."""
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
