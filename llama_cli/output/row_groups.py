"""Checked columns in, row groups of even size out."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import accumulate
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from llama_cli.output.arrow import columns_to_arrow
from llama_cli.output.schema import has_line_numbers, parquet_options
from llama_cli.records import EmbeddingBatch

# Arrow keeps a few kilobytes of bookkeeping per batch, more than a row of a small model.
_LEAST_BATCH_BYTES = 2**16

# Texts are copied once more when they become an Arrow batch, so not too many at a time.
_MOST_TEXT_BYTES = 4 * 2**20


class RowGroupWriter:
    """Encodes rows into segments, a row group whenever enough bytes are there.

    The methods raise what pyarrow raises; after an error only ``discard`` may be called.
    """

    def __init__(
        self,
        open_sink: Callable[[], pa.NativeFile],
        schema: pa.Schema,
        embedding_dim: int,
        batch_size: int,
        row_group_bytes: int,
    ) -> None:
        """Write nothing yet.

        Args:
            open_sink: opens the file where a segment is to be added.
            schema: of the rows.
            embedding_dim: floats per vector.
            batch_size: rows that are converted to Arrow, and encoded, at a time.
            row_group_bytes: raw bytes of a row group; only a longer row makes one larger.
        """
        self._open_sink = open_sink
        self._schema = schema
        self._rows = _RowGroup(schema, embedding_dim, batch_size, row_group_bytes)
        self._segment: tuple[pq.ParquetWriter, pa.NativeFile] | None = None
        self._encoded_bytes = 0
        self.rows_written = 0
        self.bytes_written = 0

    @property
    def segment_bytes(self) -> int:
        """Raw bytes in Arrow's form since the last segment ended, about."""
        return self._encoded_bytes + self._rows.size

    def add(self, columns: EmbeddingBatch) -> None:
        """Copy rows, and write a row group whenever they fill one.

        Args:
            columns: what `ColumnChecker` made of them.
        """
        start = 0
        while start < len(columns):
            count = self._rows.add(columns, start)
            start += count
            if not count or self._rows.is_full:
                self.write_row_group()

    def write_row_group(self) -> None:
        """Write all rows that wait, if any, as one row group."""
        rows = len(self._rows)
        if not rows:
            return
        file, sink = self._segment or self._start_segment()
        self._encoded_bytes += self._rows.size
        file.write_table(self._rows.to_table(), row_group_size=rows)
        self._rows.clear()
        self.rows_written += rows
        self.bytes_written = int(sink.tell())
        # Arrow's allocator keeps what it is given back, in the end as much as a row group.
        pa.default_memory_pool().release_unused()

    def end_segment(self) -> pq.FileMetaData | None:
        """Write what waits and the segment's footer; None where there is no row to write."""
        self.write_row_group()
        if self._segment is None:
            return None
        file, sink = self._segment
        file.close()
        self.bytes_written = int(sink.tell())
        sink.close()
        self._segment = None
        self._encoded_bytes = 0
        return self._footers[0]

    def discard(self) -> None:
        """Let go of the sink and of all that waits."""
        self._rows.clear()
        # pyarrow writes a footer whenever its writer is closed or collected, even after an
        # error. Closing the sink first makes sure that it goes nowhere.
        if self._segment is not None:
            file, sink = self._segment
            with suppress(OSError):
                sink.close()
            with suppress(Exception):
                file.close()
            file.is_open = False

    def _start_segment(self) -> tuple[pq.ParquetWriter, pa.NativeFile]:
        self._footers: list[pq.FileMetaData] = []
        sink = self._open_sink()
        file = pq.ParquetWriter(
            sink,
            self._schema,
            metadata_collector=self._footers,
            # The last footer has the schema; in those before it nobody would ever read it.
            **(parquet_options(self._schema) | {"store_schema": False}),
        )
        self._segment = file, sink
        return self._segment


class _RowGroup:
    """Rows on their way into one row group.

    Numbers are copied at once, so that callers may reuse their arrays, into room for a whole row
    group that every row group uses again; Arrow batches are laid over them.
    """

    def __init__(
        self, schema: pa.Schema, embedding_dim: int, batch_size: int, row_group_bytes: int
    ) -> None:
        self._schema = schema
        self._limit = row_group_bytes
        floats = np.dtype(schema.field("embedding").type.value_type.to_pandas_dtype())
        # In Arrow: the vector, two offsets and a hash, both numbers, and the line.
        self._row_bytes = floats.itemsize * embedding_dim + 52 + 8 * has_line_numbers(schema)
        self._batch_rows = max(batch_size, _LEAST_BATCH_BYTES // self._row_bytes)
        capacity = max(1, row_group_bytes // self._row_bytes)
        # The system hands out memory as it is filled.
        self._embeddings = np.empty((capacity, embedding_dim), floats)
        self._sequence_lengths = np.empty(capacity, np.uint32)
        self._processing_times_ms = np.empty(capacity, np.uint64)
        self._valid = np.empty(capacity, np.bool_)
        self._lines = np.empty(capacity, np.int64) if has_line_numbers(schema) else None
        self.clear()

    def __len__(self) -> int:
        return self._count

    @property
    def is_full(self) -> bool:
        """Whether no row will fit any more."""
        return self._count == len(self._valid) or self.size >= self._limit

    def clear(self) -> None:
        self._batches: list[pa.RecordBatch] = []
        self._count = 0
        self.size = 0
        """Bytes of all rows in Arrow's form, about."""
        self._begin_batch()

    def add(self, columns: EmbeddingBatch, start: int) -> int:
        """Copy some of the rows from ``start`` on.

        Returns:
            How many were copied; 0 where the next one does not fit.
        """
        beside = self._row_bytes
        if columns.extra is not None:
            beside += columns.extra.nbytes // len(columns)
        count, size = self._fitting(columns.texts, start, beside)
        if self._text_bytes + size - count * beside > _MOST_TEXT_BYTES:
            self._end_batch()
        source = slice(start, start + count)
        target = slice(self._count, self._count + count)
        self._embeddings[target] = columns.embeddings[source]
        self._sequence_lengths[target] = columns.sequence_lengths[source]
        self._processing_times_ms[target] = columns.processing_times_ms[source]
        self._valid[target] = True if columns.valid is None else columns.valid[source]
        if self._lines is not None and columns.lines is not None:
            self._lines[target] = columns.lines[source]
        if columns.extra is not None:
            self._extra.append(columns.extra.slice(start, count))
        self._hashes += columns.text_hashes[source]
        self._texts += cast(Sequence[bytes], columns.texts[source])
        self._text_bytes += size - count * beside
        self._count += count
        self.size += size
        if len(self._texts) == self._batch_rows:
            self._end_batch()
        return count

    def to_table(self) -> pa.Table:
        """The rows, laid over memory that the next ones will use again."""
        self._end_batch()
        return pa.Table.from_batches(self._batches)

    def _fitting(
        self, texts: Sequence[bytes] | Sequence[str], start: int, beside: int
    ) -> tuple[int, int]:
        """How many rows fit into this batch and row group, and the bytes of all that.

        Args:
            texts: of all rows on offer.
            start: the first of them that is wanted.
            beside: bytes of a row beside its text.
        """
        most = min(self._batch_rows - len(self._texts), len(self._valid) - self._count)
        sizes = [len(text) + beside for text in texts[start : start + most]]
        size = sum(sizes)
        room = self._limit - self.size
        if size <= room:
            return len(sizes), size
        totals = list(accumulate(sizes))
        count = bisect_right(totals, room)
        if count == 0 and not self._count:
            count = 1  # too large for any row group
        return count, totals[count - 1] if count else 0

    def _end_batch(self) -> None:
        """Lay Arrow arrays over the rows since the last batch."""
        count = len(self._texts)
        if not count:
            return
        rows = slice(self._count - count, self._count)
        valid = self._valid[rows]
        columns = EmbeddingBatch(
            texts=self._texts,
            text_hashes=self._hashes,
            embeddings=self._embeddings[rows],
            sequence_lengths=self._sequence_lengths[rows],
            processing_times_ms=self._processing_times_ms[rows],
            valid=None if valid.all() else valid,
            lines=None if self._lines is None else self._lines[rows],
            extra=pa.concat_tables(self._extra) if self._extra else None,
        )
        self._batches.append(columns_to_arrow(columns, self._schema))
        self._begin_batch()

    def _begin_batch(self) -> None:
        self._texts: list[bytes] = []
        self._hashes: list[str] = []
        self._extra: list[pa.Table] = []
        self._text_bytes = 0
