"""Parquet files."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from llama_cli.inputs.readers.tables import BATCH_ROWS, TableFormat

_BATCH_BYTES = 4 << 20  # of rows that are decoded at a time, about


@dataclass(frozen=True)
class Parquet(TableFormat):
    """A Parquet file."""

    name = "parquet"
    suffixes = (".parquet", ".pq")
    magics = (b"PAR1",)
    documented_rows = "a row"

    @classmethod
    def open_table(cls, file: BinaryIO) -> ParquetTable:
        return ParquetTable(file)


class ParquetTable:
    """An open Parquet file."""

    mapped = False

    def __init__(self, file: BinaryIO) -> None:
        # Else all of a row group would be asked of a server at once, and held.
        few = {} if isinstance(file, io.FileIO) else {"pre_buffer": False, "buffer_size": 4 << 20}
        # Spark's old timestamps reach from year 1 to 9999, which 64 bits of nanoseconds do not.
        self._file = pq.ParquetFile(file, coerce_int96_timestamp_unit="us", **few)
        self.schema: pa.Schema = self._file.schema_arrow
        self.rows: int | None = int(self._file.metadata.num_rows)

    def batches(self, first: int, names: list[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Batches from row ``first`` on; row groups before it are not read."""
        start = 0
        # Arrow ends the process where it is asked about a column that is encrypted; reading of one
        # is an error.
        if self._file.num_row_groups:
            next(self._file.iter_batches(1, row_groups=[0], columns=names, use_threads=False), None)
        paths = [self._file.schema.column(n).path for n in range(len(self._file.schema))]
        leaves = [n for n, path in enumerate(paths) if path.partition(".")[0] in names]
        for number in range(self._file.num_row_groups):
            group = self._file.metadata.row_group(number)
            at = start
            start += group.num_rows
            if start <= first:
                continue
            for batch in self._file.iter_batches(
                _batch_rows(group, leaves), row_groups=[number], columns=names, use_threads=False
            ):
                yield at, batch
                at += batch.num_rows


def _batch_rows(group: pq.RowGroupMetaData, leaves: list[int]) -> int:
    """How many rows of a row group to decode at a time: fewer where they are large."""
    size: int = sum(group.column(number).total_uncompressed_size for number in leaves)
    fitting = int(group.num_rows) * _BATCH_BYTES // max(1, size)
    return max(1, min(BATCH_ROWS, fitting))
