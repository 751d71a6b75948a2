"""Results to Arrow: checked once, then laid over buffers, without a Python object per float."""

from __future__ import annotations

import codecs
import operator
from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from llama_cli.errors import ArrowConversionError, SchemaMismatchError
from llama_cli.output.errors import translated_errors
from llama_cli.output.schema import extra_columns, has_line_numbers, output_schema
from llama_cli.records import EmbeddingBatch, EmbeddingResult

Results = Iterable[EmbeddingResult] | EmbeddingBatch

# Arrow's string type counts bytes in int32. Past that pyarrow would quietly hand out a chunked
# array, which no record batch can hold.
_MAX_TEXT_BYTES = 2**31 - 1

# A whole text decoded at once would take up to four times its size.
_DECODED_BYTES = 1 << 16


def convert_to_arrow_batch(
    results: Results, embedding_dim: int, *, line_numbers: bool = False
) -> pa.RecordBatch:
    """Turn results into one Arrow record batch.

    A C-contiguous float32 matrix is wrapped, not copied: do not change it while the record
    batch lives.

    Args:
        results: rows, or columns with float32[n, embedding_dim]; may be empty.
        embedding_dim: floats per vector.
        line_numbers: add the column ``line``.

    Returns:
        n rows with the schema of ``output_schema``; a row without a vector has a null there.

    Raises:
        SchemaMismatchError: a vector does not have ``embedding_dim`` floats.
        ArrowConversionError: anything else does not fit its column, or the texts together are
            2 GiB or more.
    """
    schema = output_schema(embedding_dim, line_numbers=line_numbers)
    return columns_to_arrow(ColumnChecker(schema, embedding_dim).check(results), schema)


# Arrays are laid over buffers here: `pa.array` imports pandas where that is installed, which
# takes half a second and 50 MB.


def columns_to_arrow(columns: EmbeddingBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Wrap columns that `ColumnChecker` has checked against the schema."""
    with translated_errors(None, otherwise=ArrowConversionError):
        arrays = [
            wrap_strings(cast(Sequence[bytes], columns.texts)),
            wrap_strings([text_hash.encode() for text_hash in columns.text_hashes]),
            _wrap_vectors(columns, schema.field("embedding").type),
            _wrap_numbers(columns.sequence_lengths),
            _wrap_numbers(columns.processing_times_ms),
        ]
        if columns.lines is not None:
            arrays.append(_wrap_numbers(columns.lines))
        if columns.extra is not None:
            arrays += [column.combine_chunks() for column in columns.extra.columns]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)


def wrap_strings(texts: Sequence[bytes]) -> pa.StringArray:
    """Texts in valid UTF-8 as an array; a single one, which may be 64 MiB, is not copied."""
    total = sum(map(len, texts))
    if total > _MAX_TEXT_BYTES:
        raise ArrowConversionError(f"{total} bytes of text do not fit one batch (2 GiB)")
    offsets = np.zeros(len(texts) + 1, np.int32)
    np.cumsum([len(text) for text in texts], out=offsets[1:])
    data = texts[0] if len(texts) == 1 else b"".join(texts)
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(offsets), pa.py_buffer(data))


def _wrap_numbers(values: npt.NDArray[Any]) -> pa.Array:
    arrow_type = pa.from_numpy_dtype(values.dtype)
    buffer = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(arrow_type, len(values), [None, buffer])


def _wrap_vectors(columns: EmbeddingBatch, list_type: pa.DataType) -> pa.Array:
    values = _wrap_numbers(columns.embeddings.reshape(-1))
    present = None
    if columns.valid is not None:
        present = pa.py_buffer(np.packbits(columns.valid, bitorder="little"))
    buffers = [present]
    if not pa.types.is_fixed_size_list(list_type):
        rows, width = columns.embeddings.shape
        buffers.append(pa.py_buffer(np.arange(rows + 1, dtype=np.int32) * np.int32(width)))
    return pa.Array.from_buffers(list_type, len(columns), buffers, children=[values])


class ColumnChecker:
    """Checks results against the columns of a file: the one place where a wrong row is noticed."""

    def __init__(self, schema: pa.Schema, embedding_dim: int) -> None:
        """Prepare for a file.

        Args:
            schema: its columns, from ``output_schema``.
            embedding_dim: floats per vector.
        """
        self._dim = embedding_dim
        self._halves = schema.field("embedding").type.value_type == pa.float16()
        self._lines = has_line_numbers(schema)
        self._extra = extra_columns(schema)

    def check(self, results: Results, first_row: int = 0) -> EmbeddingBatch:
        """Bring results into the form that `columns_to_arrow` takes.

        Args:
            results: rows or columns; arrays of the right type are not copied.
            first_row: position of the first row in the file, for messages.

        Returns:
            Columns with texts as bytes, numbers of the file's types, vectors in float16 where the
            file has that, and no column that the file has not.

        Raises:
            SchemaMismatchError: a vector has another width.
            ArrowConversionError: anything else does not fit its column.
        """
        if not isinstance(results, EmbeddingBatch):
            results = self._from_rows(_check_rows(results), first_row)
        rows = len(results)
        lines = results.lines if self._lines else None
        if self._lines and lines is None:
            raise ArrowConversionError("line numbers are missing")
        lengths, times = results.sequence_lengths, results.processing_times_ms
        return EmbeddingBatch(
            texts=_check_texts(results.texts, first_row),
            text_hashes=_check_hashes(results.text_hashes, rows, first_row),
            embeddings=self._check_matrix(results.embeddings, rows, first_row),
            sequence_lengths=_integers("sequence_length", lengths, np.uint32, rows, first_row),
            processing_times_ms=_integers("processing_time_ms", times, np.uint64, rows, first_row),
            valid=_check_valid(results.valid, rows),
            lines=None if lines is None else _integers("line", lines, np.int64, rows, first_row),
            extra=self._check_extra(results.extra, rows),
        )

    def _from_rows(self, results: Sequence[EmbeddingResult], first_row: int) -> EmbeddingBatch:
        """Turn rows into columns; the numbers are checked with the columns."""
        lengths: Any = [result.sequence_length for result in results]
        times: Any = [result.processing_time_ms for result in results]
        lines: Any = [result.line for result in results] if self._lines else None
        absent = np.zeros(self._dim, np.float32)
        vectors = [
            absent if result.embedding is None else _vector(result.embedding, self._dim, row)
            for row, result in enumerate(results, first_row)
        ]
        return EmbeddingBatch(
            texts=[result.text for result in results],
            text_hashes=[result.text_hash for result in results],
            embeddings=np.concatenate(vectors or [absent[:0]]).reshape(-1, self._dim),
            sequence_lengths=lengths,
            processing_times_ms=times,
            valid=np.array([result.embedding is not None for result in results], np.bool_),
            lines=lines,
        )

    def _check_matrix(self, matrix: Any, rows: int, first_row: int) -> npt.NDArray[Any]:
        matrix = np.asarray(matrix)
        if matrix.ndim != 2:  # noqa: PLR2004 (rows and columns)
            raise ArrowConversionError(f"embeddings have {matrix.ndim} axes instead of two")
        if matrix.shape[1] != self._dim:
            raise SchemaMismatchError(self._dim, matrix.shape[1])
        _check_count("embeddings", matrix.shape[0], rows)
        matrix = _float32(matrix, "the embeddings array")
        return _float16(matrix, first_row) if self._halves else matrix

    def _check_extra(self, table: Any, rows: int) -> pa.Table | None:
        names = self._extra.names
        if not names:
            return None
        if not isinstance(table, pa.Table) or not table.schema.equals(self._extra):
            raise ArrowConversionError(f"the columns {', '.join(names)} are missing")
        _check_count("extra", table.num_rows, rows)
        return table


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


def _float16(matrix: npt.NDArray[np.float32], first_row: int) -> npt.NDArray[np.float16]:
    with np.errstate(over="ignore"):
        halves = matrix.astype(np.float16)
    lost = np.isinf(halves) & np.isfinite(matrix)
    if lost.any():
        row = first_row + int(lost.any(axis=1).argmax())
        raise ArrowConversionError(f"row {row}: embedding holds a number too large for float16")
    return halves


def _check_valid(valid: Any, rows: int) -> npt.NDArray[np.bool_] | None:
    if valid is None:
        return None
    mask = np.asarray(valid)
    _check_count("valid", len(mask), rows)
    if mask.ndim != 1 or mask.dtype != np.bool_:
        raise ArrowConversionError(f"valid must be bool[n], got {mask.dtype} of {mask.ndim} axes")
    return None if mask.all() else mask


def _check_texts(texts: Sequence[bytes] | Sequence[str], first_row: int) -> Sequence[bytes]:
    if set(map(type, texts)) <= {bytes}:
        encoded = cast(Sequence[bytes], texts)
        if all(map(bytes.isascii, encoded)):
            return encoded
    return [_check_text(text, row) for row, text in enumerate(texts, first_row)]


def _check_text(text: object, row: int) -> bytes:
    if isinstance(text, bytes):
        _check_utf8(text, row)
        return text
    if not isinstance(text, str):
        raise ArrowConversionError(f"row {row}: text is {type(text).__name__}, not str or bytes")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        detail = f"row {row}: text holds a lone surrogate at character {error.start}"
        raise ArrowConversionError(detail) from error


def _check_utf8(text: bytes, row: int) -> None:
    start = 0
    view = memoryview(text)
    while start < len(text):
        end = start + _DECODED_BYTES
        try:
            _, used = codecs.utf_8_decode(view[start:end], "strict", end >= len(text))
        except UnicodeDecodeError as error:
            detail = f"text is not UTF-8 at byte {start + error.start} ({error.reason})"
            raise ArrowConversionError(f"row {row}: {detail}") from error
        start += used


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
