"""The columns of the output, and how each is stored in Parquet."""

from __future__ import annotations

from typing import Any

import pyarrow as pa


def output_schema(embedding_dim: int, *, line_numbers: bool = False) -> pa.Schema:
    """Columns of the output, in order.

    Args:
        embedding_dim: floats per vector, at least 1.
        line_numbers: append the column ``line``.

    Returns:
        ``text`` string, ``text_hash`` string, ``embedding`` fixed-size list of float32,
        ``sequence_length`` uint32 (tokens), ``processing_time_ms`` uint64 (milliseconds) and,
        if asked for, ``line`` int64 (from 1). Only ``embedding`` may hold nulls.

    Raises:
        ValueError: ``embedding_dim`` is below 1.
    """
    if embedding_dim < 1:
        raise ValueError(f"embedding_dim must be at least 1, got {embedding_dim}")
    fields = [
        pa.field("text", pa.string(), nullable=False),
        pa.field("text_hash", pa.string(), nullable=False),
        pa.field("embedding", pa.list_(pa.float32(), embedding_dim)),
        pa.field("sequence_length", pa.uint32(), nullable=False),
        pa.field("processing_time_ms", pa.uint64(), nullable=False),
    ]
    if line_numbers:
        fields.append(pa.field("line", pa.int64(), nullable=False))
    return pa.schema(fields)


def parquet_options(schema: pa.Schema) -> dict[str, Any]:
    """Keyword arguments for ``pyarrow.parquet.ParquetWriter``, chosen by measurement.

    No column repeats its values, so a dictionary only costs time and space. Minimum and maximum
    say nothing about texts, hashes and vectors; on the numbers they let a reader skip row groups.
    """
    return {
        "version": "2.6",
        "compression": "zstd",
        "compression_level": 1,
        "use_dictionary": False,
        "write_statistics": [f.name for f in schema if pa.types.is_integer(f.type)],
        # Without it a flipped bit is read as data, and nobody notices.
        "write_page_checksum": True,
        # Without it readers see a list of any length instead of a fixed size.
        "store_schema": True,
    }
