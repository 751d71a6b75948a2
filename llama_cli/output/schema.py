"""The columns of the output, and how each is stored in Parquet."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

import pyarrow as pa

DType = Literal["float32", "float16"]
VectorType = Literal["fixed", "list"]

# The command's own column beside those of the writer: the name of each text's input.
SOURCE = "source"

# Unlike a column of an input that is carried through, which may have that name as well and nulls.
_LINE = pa.field("line", pa.int64(), nullable=False)
_FLOATS = {"float32": pa.float32(), "float16": pa.float16()}


def output_schema(
    embedding_dim: int,
    *,
    line_numbers: bool = False,
    dtype: DType = "float32",
    vector_type: VectorType = "fixed",
    extra: pa.Schema | None = None,
) -> pa.Schema:
    """Columns of the output, in order.

    Args:
        embedding_dim: floats per vector, at least 1.
        line_numbers: append the column ``line``.
        dtype: type of each float.
        vector_type: ``fixed`` for lists whose type has their length, ``list`` for readers that
            do not know such lists.
        extra: more columns, which come last.

    Returns:
        ``text`` string, ``text_hash`` string, ``embedding`` fixed-size list of float32 or what
        was chosen instead, ``sequence_length`` uint32 (tokens), ``processing_time_ms`` uint64
        (milliseconds) and, if asked for, ``line`` int64 (from 1) and the others. Only
        ``embedding`` and those others may hold nulls.

    Raises:
        ValueError: ``embedding_dim`` is below 1, or two columns have the same name.
    """
    if embedding_dim < 1:
        raise ValueError(f"embedding_dim must be at least 1, got {embedding_dim}")
    length = embedding_dim if vector_type == "fixed" else -1
    fields = [
        pa.field("text", pa.string(), nullable=False),
        pa.field("text_hash", pa.string(), nullable=False),
        pa.field("embedding", pa.list_(_FLOATS[dtype], length)),
        pa.field("sequence_length", pa.uint32(), nullable=False),
        pa.field("processing_time_ms", pa.uint64(), nullable=False),
    ]
    if line_numbers:
        fields.append(_LINE)
    schema = pa.schema([*fields, *(extra or ())])
    if len(set(schema.names)) < len(schema.names):
        raise ValueError(f"two columns have the same name: {', '.join(schema.names)}")
    return schema


def own_columns(*, line_numbers: bool) -> list[str]:
    """Names of the columns that ``output_schema`` makes, those of ``extra`` aside."""
    return list(output_schema(1, line_numbers=line_numbers).names)


def has_line_numbers(schema: pa.Schema) -> bool:
    """Whether an output has the column of our own that is only there if asked for."""
    return any(field.equals(_LINE) for field in schema)


def extra_columns(schema: pa.Schema) -> pa.Schema:
    """The columns of an output that are not our own."""
    own = own_columns(line_numbers=has_line_numbers(schema))
    return pa.schema([field for field in schema if field.name not in own])


def fixed_lists(schema: pa.Schema) -> list[pa.Field]:
    """The columns of lists of a fixed size."""
    return [field for field in schema if pa.types.is_fixed_size_list(field.type)]


def without_sizes(schema: pa.Schema, names: Collection[str]) -> pa.Schema:
    """The same with lists of any size in those columns."""
    return pa.schema(
        [
            field.with_type(pa.list_(field.type.value_field)) if field.name in names else field
            for field in schema
        ],
        schema.metadata,
    )


def parquet_options(schema: pa.Schema) -> dict[str, Any]:
    """Keyword arguments for ``pyarrow.parquet.ParquetWriter``, chosen by measurement.

    None of our own columns repeats its values, so a dictionary only costs time and space there.
    Minimum and maximum say nothing about texts, hashes and vectors; on the numbers they let a
    reader skip row groups. Of extra columns nothing is known, so they get both.
    """
    extra = extra_columns(schema)
    simple = [field.name for field in extra if not pa.types.is_nested(field.type)]
    # Only these tell whether such a list is null; the length of longer ones does.
    single = [f"{f.name}.list.element" for f in fixed_lists(schema) if f.type.list_size == 1]
    numbers = [f.name for f in schema if f.name not in extra.names and pa.types.is_integer(f.type)]
    return {
        "version": "2.6",
        "compression": "zstd",
        "compression_level": 1,
        "use_dictionary": simple or False,
        "write_statistics": numbers + simple + single,
        # Without it a flipped bit is read as data, and nobody notices.
        "write_page_checksum": True,
        # Without it readers see a list of any length instead of a fixed size.
        "store_schema": True,
    }
