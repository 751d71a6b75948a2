"""Values of JSON and CSV as columns of Arrow, a few rows at a time."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import pyarrow as pa

from llama_cli.inputs.skips import SourceSkips
from llama_cli.records import CarriedRow, TextRecord

_BLOCK_ROWS = 64
_BLOCK_BYTES = 1 << 16


class ParsedRow(NamedTuple):
    """A text and the values beside it, in the order of the carried columns."""

    record: TextRecord
    values: Sequence[Any]


def attach_carried(
    rows: Iterator[ParsedRow], schema: pa.Schema, skips: SourceSkips, most: int | None
) -> Iterator[TextRecord]:
    """The records with their carried columns.

    Args:
        rows: texts and values.
        schema: of the columns that the values become.
        skips: takes note of rows with a value that does not fit its column.
        most: rows that are wanted, beyond which none is read; None for all.
    """
    if not schema.names:
        yield from (row.record for row in rows)
        return
    missing = sys.maxsize if most is None else most
    while missing and (block := list(_take_block(rows, min(missing, _BLOCK_ROWS)))):
        for record in _convert(block, schema, skips):
            missing -= 1
            yield record


def _take_block(rows: Iterator[ParsedRow], most: int) -> Iterator[ParsedRow]:
    size = 0
    for row in islice(rows, most):
        yield row
        size += len(row.record.text)
        if size >= _BLOCK_BYTES:
            return


def _convert(block: list[ParsedRow], schema: pa.Schema, skips: SourceSkips) -> Iterator[TextRecord]:
    try:
        batch = _to_batch(block, schema)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        if len(block) == 1:
            skips.add_bad(block[0].record.line, _describe(block[0], schema) or str(error))
            return
        for row in block:
            yield from _convert([row], schema, skips)
        return
    for number, row in enumerate(block):
        yield row.record._replace(carried=CarriedRow(batch, number))


def _to_batch(block: Sequence[ParsedRow], schema: pa.Schema) -> pa.RecordBatch:
    columns = [
        pa.array([mended(row.values[number]) for row in block], field.type)
        for number, field in enumerate(schema)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _describe(row: ParsedRow, schema: pa.Schema) -> str | None:
    """Which value does not fit."""
    for value, field in zip(row.values, schema, strict=True):
        try:
            pa.array([mended(value)], field.type)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            return f"the value of {field.name} is not {field.type}"
    return None


def mended(value: Any) -> Any:
    """The value with half surrogates, which JSON can write and UTF-8 cannot, as U+FFFD."""
    if isinstance(value, str):
        return mend_surrogates(value)[0] if not value.isascii() else value
    if isinstance(value, list):
        return [mended(one) for one in value]
    if isinstance(value, dict):
        return {mended(key): mended(one) for key, one in value.items()}
    return value


def mend_surrogates(text: str) -> tuple[str, bool]:
    """The text with pairs of surrogates joined and lone ones as U+FFFD; whether it had any."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"), True
    return text, False
