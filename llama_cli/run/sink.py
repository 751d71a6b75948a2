"""Taking what the engine made: rows to the file, notes to the report, counts to the counts."""

from __future__ import annotations

from llama_cli.inputs.sequence import InputSequence
from llama_cli.output.durable.partial import PartialOutput
from llama_cli.output.writer import ParquetWriter
from llama_cli.records import VectorBatch
from llama_cli.run.counts import Counts
from llama_cli.run.report import RunReport
from llama_cli.run.rows import RowMaker


class Sink:
    """Writes rows, and makes them safe together with what has to be known to resume from there."""

    def __init__(  # noqa: PLR0917 - the parts of a run
        self,
        source: InputSequence,
        maker: RowMaker,
        partial: PartialOutput,
        writer: ParquetWriter,
        report: RunReport,
        counts: Counts,
    ) -> None:
        """Begin, or resume, with the counts in the counts."""
        self._source = source
        self._maker = maker
        self._partial = partial
        self._writer = writer
        self._report = report
        self._counts = counts

    @property
    def uncommitted_bytes(self) -> int:
        """Raw bytes that the next commit would make safe, about."""
        return self._writer.uncommitted_bytes

    @property
    def has_commits(self) -> bool:
        """Whether any row is safe."""
        return self._partial.rows > 0

    def take(self, vectors: VectorBatch) -> None:
        """Write the rows of some texts, and count them and what was left out before them.

        Raises:
            ParquetError: they cannot be written.
            LlamaCliError: the report cannot be.
        """
        rows = self._maker.make(vectors)
        first, counts = self._counts.rows, self._counts
        counts.add(vectors)
        skipped = self._source.skips.take(counts.position.input_index, counts.position.line)
        counts.add_skipped(skipped)
        self._source.passed(counts.position)
        self._report.add(first, vectors, skipped)
        del vectors  # its texts may be many MB
        self._writer.write_batch(rows)

    def commit(self) -> None:
        """Make all rows safe, where the run can be continued and there are new ones.

        Raises:
            ParquetError: the system refused; what was committed before stays.
            LlamaCliError: the report cannot be written.
        """
        counts = self._counts
        # Never a position in the input behind rows that the writer does not have.
        if self._partial.identity is None or not (
            self._partial.rows < counts.rows == self._writer.rows_accepted
        ):
            return
        state = counts.to_state(self._source.state(counts.position))
        self._writer.commit(state | {"report": self._report.sync()})
        self._source.noted(counts.position)

    def finish(self) -> None:
        """Count what was left out behind the last row, and make all safe.

        Raises:
            ParquetError: the system refused.
            LlamaCliError: the report cannot be written.
        """
        self.commit()
        rest = self._source.take_rest()
        self._counts.add_skipped(rest)
        self._report.add_skipped(rest)
        self._report.sync()
