"""What ``llama-cli inspect`` does once its options are parsed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from llama_cli.cli.printable import printable
from llama_cli.cli.summary import format_bytes
from llama_cli.errors import InputError
from llama_cli.output.metadata import Provenance, read_provenance

_SHOWN_TEXT = 200
_SHOWN_HASH = 8


def run_inspect(path: Path, rows: int) -> int:
    """Print a file's provenance, schema and first rows; returns the exit code.

    Raises:
        InputError: it is not there or not a Parquet file.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: is not a readable Parquet file: {error}") from error
    console = Console(markup=False, highlight=False, emoji=False)
    with file:
        metadata = file.metadata
        console.print(
            f"{metadata.num_rows:,} rows in {metadata.num_row_groups:,} row groups, "
            f"{format_bytes(path.stat().st_size)}",
            soft_wrap=True,
        )
        made = read_provenance(path)
        if made is not None:
            console.print(printable(_describe(made)), soft_wrap=True)
        console.print(_table(file, rows))
    return 0


def _describe(made: Provenance) -> str:
    model = made.model
    return (
        f"made {made.finished_at:%Y-%m-%d %H:%M} UTC from {made.input.name} with {model.name} "
        f"({model.architecture}, {model.quantisation}), {made.pooling} pooling, "
        f"{'normalized' if made.normalized else 'not normalized'}, "
        f"texts of at most {made.max_length} tokens"
    )


def _table(file: pq.ParquetFile, rows: int) -> Table:
    """The first rows; a vector is shown by its type, never by its numbers."""
    table = Table()
    fields = list(file.schema_arrow)
    for field in fields:
        number = pa.types.is_integer(field.type)
        wide = field.name == "text"
        table.add_column(
            printable(field.name), justify="right" if number else "left", ratio=1 if wide else None
        )
    for row in _first_rows(file, rows):
        table.add_row(*(_cell(field, row[field.name]) for field in fields))
    return table


def _first_rows(file: pq.ParquetFile, rows: int) -> list[dict[str, Any]]:
    """At most that many rows, reading no more of the file than they need."""
    found: list[dict[str, Any]] = []
    for batch in file.iter_batches(batch_size=max(rows, 1)):
        found += batch.to_pylist()
        if len(found) >= rows:
            break
    return found[:rows]


def _cell(field: pa.Field, value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, list):
        return f"{len(value)} × {field.type.value_type}"
    if field.name == "text_hash":
        return printable(value[:_SHOWN_HASH]) + "…"
    return printable(str(value)[:_SHOWN_TEXT])
