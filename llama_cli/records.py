"""The values that travel between the stages. This module knows no other of the package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

FloatMatrix = npt.NDArray[np.float32]
TokenIds = npt.NDArray[np.int32]


class CarriedRow(NamedTuple):
    """The columns of the input that are carried through beside one text."""

    batch: pa.RecordBatch
    """These columns of some rows."""
    row: int
    """Which of them is the text's."""


class TextRecord(NamedTuple):
    """One text of the inputs.

    Texts stay UTF-8 bytes all the way to Arrow: they are stored exactly as they were read, and
    one emoji in a long line does not quadruple its memory as it would in a ``str``.
    """

    text: bytes
    """Valid UTF-8, exactly as it is stored and hashed."""
    line: int
    """Line of its input where it begins, or row of a table, from 1."""
    offset: int
    """Where it ends in its input: bytes of the decompressed content, or rows of a table."""
    invalid_utf8: bool = False
    """Whether bytes that are not UTF-8 became U+FFFD."""
    input_index: int = 0
    """Number of its input among those of the run, from 0."""
    bytes_read: int = 0
    """Bytes of all inputs, compressed as they are, that had been read for it, for the progress."""
    carried: CarriedRow | None = None
    """Columns carried through, or None where there are none."""


@dataclass(frozen=True, slots=True)
class VectorBatch:
    """The vectors of some consecutive texts, as the engine hands them out.

    Attributes:
        records: the texts, in input order.
        embeddings: float32[n, dimension]; a row without a vector is all zero.
        valid: bool[n]; False where the model gave no finite vector.
        sequence_lengths: uint32[n], tokens fed to the model, special tokens included.
        processing_times_ms: uint64[n], each text's share of its batch's compute time.
        truncated: bool[n]; True where the text was shortened to the maximum length.
        duplicates: bool[n]; True where the vector is that of an equal text before it.
    """

    records: Sequence[TextRecord]
    embeddings: FloatMatrix
    valid: npt.NDArray[np.bool_]
    sequence_lengths: npt.NDArray[np.uint32]
    processing_times_ms: npt.NDArray[np.uint64]
    truncated: npt.NDArray[np.bool_]
    duplicates: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class EmbeddingResult:
    """One row of the output.

    Attributes:
        text: the text as stored.
        text_hash: MD5 of the text's UTF-8 bytes, 32 lower-case hex digits.
        embedding: float32[dimension], or None where the model gave no vector.
        sequence_length: tokens fed to the model, special tokens included.
        processing_time_ms: the text's share of its batch's compute time, in milliseconds.
        line: line number in the input, from 1; only written to files that have that column.
    """

    text: str
    text_hash: str
    embedding: npt.NDArray[np.float32] | Sequence[float] | None
    sequence_length: int
    processing_time_ms: int
    line: int | None = None


@dataclass(frozen=True, slots=True)
class EmbeddingBatch:
    """Rows of the output as columns, so that no vector becomes Python floats.

    Attributes:
        texts: n texts, all ``bytes`` of valid UTF-8 or all ``str``.
        text_hashes: n MD5 digests, lower-case hex.
        embeddings: float32[n, dimension].
        sequence_lengths: uint32[n].
        processing_times_ms: uint64[n].
        valid: bool[n], False where the row has no vector; None where all rows have one.
        lines: int64[n] line numbers, or None for files without that column.
        extra: n rows of other columns, or None for files without any.
    """

    texts: Sequence[bytes] | Sequence[str]
    text_hashes: Sequence[str]
    embeddings: FloatMatrix
    sequence_lengths: npt.NDArray[np.uint32]
    processing_times_ms: npt.NDArray[np.uint64]
    valid: npt.NDArray[np.bool_] | None = None
    lines: npt.NDArray[np.int64] | None = None
    extra: pa.Table | None = None

    def __len__(self) -> int:
        return len(self.texts)


class WriteProgress(NamedTuple):
    """How far a writer is; handed to its progress callback at every ``write_batch``."""

    rows_accepted: int
    """Rows handed to the writer."""
    rows_written: int
    """Rows in finished row groups of the file."""
    bytes_written: int
    """Size of the file so far, in bytes."""


class RunProgress(NamedTuple):
    """How far a run is; handed to its progress callback whenever the writer took rows."""

    rows: int
    """Rows the writer has accepted."""
    tokens: int
    """Tokens of those rows."""
    bytes_read: int
    """Position in the input after the last of those rows."""
    bytes_total: int | None
    """Size of the input, or None for a pipe."""
    bytes_written: int
    """Size of the output so far."""
