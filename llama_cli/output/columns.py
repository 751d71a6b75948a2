"""Results as checked columns: the one place where a wrong row is noticed."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from llama_cli.errors import ArrowConversionError, SchemaMismatchError
from llama_cli.records import EmbeddingBatch, EmbeddingResult, FloatMatrix

Results = Iterable[EmbeddingResult] | EmbeddingBatch


@dataclass(frozen=True, slots=True)
class Columns:
    """Rows that fit the schema, save that the texts are not yet known to be UTF-8.

    Attributes:
        texts: n texts.
        text_hashes: n hashes.
        embeddings: float32[n, dimension].
        sequence_lengths: uint32[n].
        processing_times_ms: uint64[n].
        valid: bool[n], False where the row has no vector; None where all rows have one.
        lines: int64[n], or None for files without that column.
        extra: n rows of other columns, or None for files without any.
    """

    texts: Sequence[bytes]
    text_hashes: Sequence[str]
    embeddings: FloatMatrix
    sequence_lengths: npt.NDArray[np.uint32]
    processing_times_ms: npt.NDArray[np.uint64]
    valid: npt.NDArray[np.bool_] | None
    lines: npt.NDArray[np.int64] | None
    extra: pa.Table | None = None

    def __len__(self) -> int:
        return len(self.texts)


def to_columns(
    results: Results,
    embedding_dim: int,
    *,
    line_numbers: bool = False,
    extra: pa.Schema | None = None,
    first_row: int = 0,
) -> Columns:
    """Check results and bring them into one form.

    Args:
        results: rows or columns; arrays of the right type are not copied.
        embedding_dim: floats per vector.
        line_numbers: insist on line numbers; without it they are dropped.
        extra: insist on these other columns, which only columns can bring; None to drop them.
        first_row: position of the first row in the file, for messages.

    Raises:
        SchemaMismatchError: a vector has another width.
        ArrowConversionError: anything else does not fit its column.
    """
    if not isinstance(results, EmbeddingBatch):
        results = _from_rows(_check_rows(results), embedding_dim, line_numbers, first_row)
    rows = len(results)
    lines = results.lines if line_numbers else None
    if line_numbers and lines is None:
        raise ArrowConversionError("line numbers are missing")
    lengths, times = results.sequence_lengths, results.processing_times_ms
    return Columns(
        texts=_encode_all(results.texts, first_row),
        text_hashes=_check_hashes(results.text_hashes, rows, first_row),
        embeddings=_check_matrix(results.embeddings, rows, embedding_dim),
        sequence_lengths=_integers("sequence_length", lengths, np.uint32, rows, first_row),
        processing_times_ms=_integers("processing_time_ms", times, np.uint64, rows, first_row),
        valid=_check_valid(results.valid, rows),
        lines=None if lines is None else _integers("line", lines, np.int64, rows, first_row),
        extra=_check_extra(results.extra, extra, rows) if extra is not None else None,
    )


def _check_rows(results: Any) -> list[EmbeddingResult]:
    """The rows as a list: a generator can be read only once."""
    if isinstance(results, EmbeddingResult) or not isinstance(results, Iterable):
        kind = type(results).__name__
        raise ArrowConversionError(f"expected several EmbeddingResult, got one {kind}")
    rows = list(results)
    for row in rows:
        if not isinstance(row, EmbeddingResult):
            raise ArrowConversionError(f"expected EmbeddingResult, got {type(row).__name__}")
    return rows


def _from_rows(
    results: Sequence[EmbeddingResult], dim: int, line_numbers: bool, first_row: int
) -> EmbeddingBatch:
    """Turn rows into columns; the numbers are checked with the columns."""
    lengths: Any = [result.sequence_length for result in results]
    times: Any = [result.processing_time_ms for result in results]
    lines: Any = [result.line for result in results] if line_numbers else None
    absent = np.zeros(dim, np.float32)
    vectors = [
        absent if result.embedding is None else _vector(result.embedding, dim, row)
        for row, result in enumerate(results, first_row)
    ]
    return EmbeddingBatch(
        texts=[result.text for result in results],
        text_hashes=[result.text_hash for result in results],
        embeddings=np.concatenate(vectors or [absent[:0]]).reshape(-1, dim),
        sequence_lengths=lengths,
        processing_times_ms=times,
        valid=np.array([result.embedding is not None for result in results], np.bool_),
        lines=lines,
    )


def _vector(value: Any, dim: int, row: int) -> npt.NDArray[np.float32]:
    try:
        vector = np.asarray(value)
    except (TypeError, ValueError) as error:  # nested lists of uneven lengths, for instance
        raise ArrowConversionError(f"row {row}: embedding is not a vector: {error}") from error
    if vector.ndim != 1:
        raise ArrowConversionError(f"row {row}: embedding has {vector.ndim} axes instead of one")
    if vector.shape[0] != dim:
        raise SchemaMismatchError(dim, vector.shape[0])
    return _float32(vector, f"row {row}: embedding")


def _float32(array: npt.NDArray[Any], what: str) -> npt.NDArray[np.float32]:
    """Return the same numbers as float32, without a copy where they are that already."""
    if array.dtype == np.float32:
        return array
    if array.dtype.kind not in "fiu":
        raise ArrowConversionError(f"{what} holds {array.dtype}, not real numbers")
    try:
        with np.errstate(over="raise"):
            return array.astype(np.float32)
    except FloatingPointError as error:
        raise ArrowConversionError(f"{what} holds a number too large for float32") from error


def _check_matrix(matrix: Any, rows: int, dim: int) -> FloatMatrix:
    matrix = np.asarray(matrix)
    if matrix.ndim != 2:  # noqa: PLR2004 (rows and columns)
        raise ArrowConversionError(f"embeddings have {matrix.ndim} axes instead of two")
    if matrix.shape[1] != dim:
        raise SchemaMismatchError(dim, matrix.shape[1])
    _check_count("embeddings", matrix.shape[0], rows)
    return _float32(matrix, "the embeddings array")


def _check_valid(valid: Any, rows: int) -> npt.NDArray[np.bool_] | None:
    if valid is None:
        return None
    mask = np.asarray(valid)
    _check_count("valid", len(mask), rows)
    if mask.ndim != 1 or mask.dtype != np.bool_:
        raise ArrowConversionError(f"valid must be bool[n], got {mask.dtype} of {mask.ndim} axes")
    return None if mask.all() else mask


def _check_extra(table: Any, schema: pa.Schema, rows: int) -> pa.Table | None:
    if not schema.names:
        return None
    if not isinstance(table, pa.Table) or not table.schema.equals(schema):
        raise ArrowConversionError(f"the columns {', '.join(schema.names)} are missing")
    _check_count("extra", table.num_rows, rows)
    return table


def _encode_all(texts: Sequence[bytes] | Sequence[str], first_row: int) -> Sequence[bytes]:
    if set(map(type, texts)) <= {bytes}:
        return cast(Sequence[bytes], texts)
    return [_encode(text, row) for row, text in enumerate(texts, first_row)]


def _encode(text: object, row: int) -> bytes:
    if isinstance(text, bytes):
        return text
    if not isinstance(text, str):
        raise ArrowConversionError(f"row {row}: text is {type(text).__name__}, not str or bytes")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        detail = f"row {row}: text holds a lone surrogate at character {error.start}"
        raise ArrowConversionError(detail) from error


def _check_hashes(hashes: Sequence[str], rows: int, first_row: int) -> Sequence[str]:
    _check_count("text_hashes", len(hashes), rows)
    if not set(map(type, hashes)) <= {str}:
        for row, value in enumerate(hashes, first_row):
            if not isinstance(value, str):
                name = type(value).__name__
                raise ArrowConversionError(f"row {row}: text_hash is {name}, not str")
    return hashes


def _integers(
    name: str, values: Any, dtype: type[np.integer[Any]], rows: int, first_row: int
) -> npt.NDArray[Any]:
    """Values as the column's integer type; nothing is rounded, wrapped or guessed."""
    _check_count(name, len(values), rows)
    if isinstance(values, np.ndarray) and values.ndim == 1 and values.dtype == dtype:
        return values
    limits = np.iinfo(dtype)
    try:
        # NumPy alone would round 3.7 and turn a large number among small ones into a float.
        numbers = list(map(operator.index, values))
        return np.array(numbers, dtype)
    except TypeError as error:
        wanted = f"whole numbers from {limits.min} to {limits.max}"
        raise ArrowConversionError(f"{name} must be {wanted}, one a row") from error
    except OverflowError as error:
        row = [limits.min <= number <= limits.max for number in numbers].index(False)
        detail = f"row {first_row + row}: {name} {numbers[row]} is out of range"
        raise ArrowConversionError(detail) from error


def _check_count(name: str, count: int, rows: int) -> None:
    if count != rows:
        raise ArrowConversionError(f"{rows} texts, but {count} in {name}")
