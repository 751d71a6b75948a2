"""Vectors and their texts as rows of the output."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from llama_cli.output.arrow import wrap_strings
from llama_cli.records import EmbeddingBatch, TextRecord, VectorBatch

SOURCE = "source"


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
