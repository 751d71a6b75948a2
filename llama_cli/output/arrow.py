"""Results to Arrow, without a Python object per float."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from llama_cli.errors import ArrowConversionError
from llama_cli.output.columns import Columns, Results, to_columns
from llama_cli.output.errors import translated_errors
from llama_cli.output.schema import output_schema

# Arrow's string type counts bytes in int32. Past that pyarrow would quietly hand out a chunked
# array, which no record batch can hold.
_MAX_TEXT_BYTES = 2**31 - 1


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
    columns = to_columns(results, embedding_dim, line_numbers=line_numbers)
    return columns_to_arrow(columns, output_schema(embedding_dim, line_numbers=line_numbers))


def columns_to_arrow(columns: Columns, schema: pa.Schema, *, first_row: int = 0) -> pa.RecordBatch:
    """Wrap columns checked by ``to_columns``; ``first_row`` is their place, for messages."""
    with translated_errors(None, otherwise=ArrowConversionError):
        arrays = [
            _text_array(columns.texts, first_row),
            wrap_strings([text_hash.encode() for text_hash in columns.text_hashes]),
            _embedding_array(columns, schema.field("embedding").type, first_row),
            _wrap_numbers(columns.sequence_lengths),
            _wrap_numbers(columns.processing_times_ms),
        ]
        if columns.lines is not None:
            arrays.append(_wrap_numbers(columns.lines))
        if columns.extra is not None:
            arrays += [column.combine_chunks() for column in columns.extra.columns]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _text_array(texts: Sequence[bytes], first_row: int) -> pa.StringArray:
    total = sum(map(len, texts))
    if total > _MAX_TEXT_BYTES:
        raise ArrowConversionError(f"{total} bytes of text do not fit one batch (2 GiB)")
    array = wrap_strings(texts)
    try:
        array.validate(full=True)  # refuses bytes that are not UTF-8
    except pa.ArrowInvalid as error:
        raise ArrowConversionError(_find_invalid(texts, first_row) or error) from error
    return array


# Arrays are laid over buffers here: `pa.array` imports pandas where that is installed, which
# takes half a second and 50 MB.


def wrap_strings(texts: Sequence[bytes]) -> pa.StringArray:
    """Texts in valid UTF-8 as an array; a single one, which may be 64 MiB, is not copied."""
    offsets = np.zeros(len(texts) + 1, np.int32)
    np.cumsum([len(text) for text in texts], out=offsets[1:])
    data = texts[0] if len(texts) == 1 else b"".join(texts)
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(offsets), pa.py_buffer(data))


def _wrap_numbers(values: npt.NDArray[Any]) -> pa.Array:
    arrow_type = pa.from_numpy_dtype(values.dtype)
    buffer = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(arrow_type, len(values), [None, buffer])


def _find_invalid(texts: Sequence[bytes], first_row: int) -> str | None:
    for row, text in enumerate(texts, first_row):
        try:
            text.decode()
        except UnicodeDecodeError as error:
            return f"row {row}: text is not UTF-8 at byte {error.start} ({error.reason})"
    return None


def _embedding_array(columns: Columns, list_type: pa.DataType, first_row: int) -> pa.Array:
    halved = list_type.value_type == pa.float16()
    matrix = _to_float16(columns, first_row) if halved else columns.embeddings
    values = _wrap_numbers(matrix.reshape(-1))
    present = None
    if columns.valid is not None:
        present = pa.py_buffer(np.packbits(columns.valid, bitorder="little"))
    buffers = [present]
    if not pa.types.is_fixed_size_list(list_type):
        rows, width = matrix.shape
        buffers.append(pa.py_buffer(np.arange(rows + 1, dtype=np.int32) * np.int32(width)))
    return pa.Array.from_buffers(list_type, len(columns), buffers, children=[values])


def _to_float16(columns: Columns, first_row: int) -> npt.NDArray[np.float16]:
    with np.errstate(over="ignore"):
        halves = columns.embeddings.astype(np.float16)
    lost = np.isinf(halves) & np.isfinite(columns.embeddings)
    if lost.any():
        row = first_row + int(lost.any(axis=1).argmax())
        raise ArrowConversionError(f"row {row}: embedding holds a number too large for float16")
    return halves
