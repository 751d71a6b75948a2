"""Arrow batches in, row groups of even size out."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pyarrow as pa
import pyarrow.parquet as pq

from llama_cli.output.schema import parquet_options

# Arrow keeps a few kilobytes of bookkeeping per batch, more than a row of a small model. So
# small batches are copied together before they wait.
_SMALL_BYTES = 2**20

# While Arrow encodes a chunk of a list column it notes four bytes per float, as much as the
# floats themselves take. So large batches are encoded in slices.
_LARGE_BYTES = 4 * 2**20


class RowGroupWriter:
    """Encodes record batches into segments, a row group whenever enough bytes are there.

    The methods raise what pyarrow raises; after an error only ``discard`` may be called.
    """

    def __init__(
        self, open_sink: Callable[[], pa.OSFile], schema: pa.Schema, row_group_bytes: int
    ) -> None:
        """Write nothing yet.

        Args:
            open_sink: opens the file where a segment is to be added.
            schema: of the record batches.
            row_group_bytes: raw bytes after which a row group is written.
        """
        self._open_sink = open_sink
        self._schema = schema
        self._limit = row_group_bytes
        self._segment: tuple[pq.ParquetWriter, pa.OSFile] | None = None
        self._small: list[pa.RecordBatch] = []
        self._small_bytes = 0
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_bytes = 0
        self.rows_written = 0
        self.bytes_written = 0
        self.segment_bytes = 0

    def append(self, batch: pa.RecordBatch) -> None:
        """Take a batch; write a row group where this one fills it.

        A row group has at most ``row_group_bytes`` of raw data, or is a single larger batch.
        """
        size = batch.nbytes
        if self._waiting_bytes + size > self._limit:
            self.write_row_group()
        self._waiting_bytes += size
        self.segment_bytes += size
        self._hold(batch, size)
        if self._waiting_bytes >= self._limit:
            self.write_row_group()

    def write_row_group(self) -> None:
        """Write all that waits as one row group; nothing happens where nothing waits."""
        self._merge_small()
        if not self._waiting:
            return
        file, sink = self._segment or self._start_segment()
        table = pa.Table.from_batches(self._waiting)
        self._waiting, self._waiting_bytes = [], 0
        rows = table.num_rows
        file.write_table(table, row_group_size=rows)
        self.rows_written += rows
        self.bytes_written = int(sink.tell())
        # Arrow's allocator keeps what it is given back, in the end as much as a row group.
        del table
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
        self.segment_bytes = 0
        return self._footers[0]

    def discard(self) -> None:
        """Let go of the sink and of all that waits."""
        self._small, self._waiting = [], []
        # pyarrow writes a footer whenever its writer is closed or collected, even after an
        # error. Closing the sink first makes sure that it goes nowhere.
        if self._segment is not None:
            file, sink = self._segment
            with suppress(OSError):
                sink.close()
            with suppress(Exception):
                file.close()
            file.is_open = False

    def _start_segment(self) -> tuple[pq.ParquetWriter, pa.OSFile]:
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

    def _hold(self, batch: pa.RecordBatch, size: int) -> None:
        if size >= _SMALL_BYTES:
            self._merge_small()  # whatever waits comes first
            self._waiting += _slices(batch, size)
            return
        self._small.append(batch)
        self._small_bytes += size
        if self._small_bytes >= _SMALL_BYTES:
            self._merge_small()

    def _merge_small(self) -> None:
        batches, self._small, self._small_bytes = self._small, [], 0
        if batches:
            self._waiting.append(batches[0] if len(batches) == 1 else pa.concat_batches(batches))


def _slices(batch: pa.RecordBatch, size: int) -> list[pa.RecordBatch]:
    rows = max(1, batch.num_rows * _LARGE_BYTES // size)
    return [batch.slice(start, rows) for start in range(0, batch.num_rows, rows)]
