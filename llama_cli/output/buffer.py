"""Rows waiting to become an Arrow batch."""

from __future__ import annotations

import mmap
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from llama_cli.output.columns import Columns

MAX_TEXT_BYTES = 16 * 2**20


_T = TypeVar("_T", bound=np.generic)


class _Rows:
    """Room for the columns of numbers. The system hands out memory as it is filled."""

    def __init__(self, capacity: int, dim: int) -> None:
        memory = mmap.mmap(-1, 4 * capacity * dim)
        self.embeddings = np.frombuffer(memory, np.float32).reshape(capacity, dim)
        self.sequence_lengths = np.empty(capacity, np.uint32)
        self.processing_times_ms = np.empty(capacity, np.uint64)
        self.valid = np.empty(capacity, np.bool_)
        self.lines = np.empty(capacity, np.int64)


class RowBuffer:
    """A fixed number of rows, filled by copying.

    Copies are made at once, so that callers may reuse their arrays. They cost a tenth of a
    microsecond a row.
    """

    def __init__(self, capacity: int, embedding_dim: int, text_bytes: int) -> None:
        """Make room.

        Args:
            capacity: rows.
            embedding_dim: floats per row.
            text_bytes: bytes of text, and of columns beside it, after which the buffer is full,
                whatever its rows; a longer text is alone in it.
        """
        self._capacity = capacity
        self._dim = embedding_dim
        self._max_text_bytes = text_bytes
        self.clear()

    def __len__(self) -> int:
        return len(self._texts)

    @property
    def full(self) -> bool:
        """Whether no row will fit any more."""
        return len(self) == self._capacity or self._text_bytes >= self._max_text_bytes

    def add(self, columns: Columns, start: int) -> int:
        """Copy rows of checked columns, as many as fit.

        Args:
            columns: what ``to_columns`` made.
            start: first row to take.

        Returns:
            How many rows were taken; at least one where the buffer was empty.
        """
        beside = columns.extra.nbytes // len(columns) if columns.extra is not None else 0
        count, text_bytes = self._fitting(columns.texts, start, beside)
        source = slice(start, start + count)
        target = slice(len(self), len(self) + count)
        rows = self._rows
        rows.embeddings[target] = columns.embeddings[source]
        rows.sequence_lengths[target] = columns.sequence_lengths[source]
        rows.processing_times_ms[target] = columns.processing_times_ms[source]
        rows.valid[target] = True if columns.valid is None else columns.valid[source]
        if columns.lines is not None:
            rows.lines[target] = columns.lines[source]
            self._has_lines = True
        if columns.extra is not None:
            self._extra.append(columns.extra.slice(start, count))
        self._hashes += columns.text_hashes[source]
        self._texts += columns.texts[source]
        self._text_bytes += text_bytes
        return count

    def take(self) -> Columns:
        """Hand out the rows as columns of their own and start anew."""
        count, rows = len(self), self._rows
        valid = rows.valid[:count]
        columns = Columns(
            texts=self._texts,
            text_hashes=self._hashes,
            embeddings=self._part(rows.embeddings),
            sequence_lengths=self._part(rows.sequence_lengths),
            processing_times_ms=self._part(rows.processing_times_ms),
            valid=None if valid.all() else valid.copy(),
            lines=self._part(rows.lines) if self._has_lines else None,
            extra=pa.concat_tables(self._extra) if self._extra else None,
        )
        self.clear()
        return columns

    def clear(self) -> None:
        """Forget all rows."""
        self._texts: list[bytes] = []
        self._hashes: list[str] = []
        self._text_bytes = 0
        self._has_lines = False
        self._extra: list[pa.Table] = []
        self._rows: _Rows = _Rows(self._capacity, self._dim)

    def _part(self, array: npt.NDArray[_T]) -> npt.NDArray[_T]:
        """Copy the part in use, unless that is all: a view would keep the rest alive."""
        return array if len(self) == self._capacity else array[: len(self)].copy()

    def _fitting(self, texts: Sequence[bytes], start: int, beside: int) -> tuple[int, int]:
        """How many of the texts fit with so many bytes beside each, and the bytes of all that."""
        offered = [len(text) + beside for text in texts[start : start + self._capacity - len(self)]]
        text_bytes = sum(offered)
        room = self._max_text_bytes - self._text_bytes
        if text_bytes <= room:
            return len(offered), text_bytes
        totals = list(accumulate(offered))
        count = bisect_right(totals, room)
        if count == 0 and not len(self):
            count = 1
        return count, totals[count - 1] if count else 0


def make_buffer(batch_size: int, embedding_dim: int, row_group_bytes: int) -> RowBuffer:
    """A buffer of so many rows, unless that would make a row group far too large."""
    fixed = 4 * embedding_dim + 52  # bytes of a row in Arrow, its text aside
    rows = max(1, row_group_bytes // fixed)
    return RowBuffer(min(batch_size, rows), embedding_dim, min(MAX_TEXT_BYTES, row_group_bytes))
