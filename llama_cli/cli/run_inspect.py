"""What ``llama-cli inspect`` does once its options are parsed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from rich import box
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table

from llama_cli.cli.printable import printable
from llama_cli.cli.summary import count, format_bytes
from llama_cli.errors import InputError
from llama_cli.output.metadata import Provenance, read_provenance

_SHOWN_HASH = 8
# Cells that the columns beside the text take, and the fewest left to the text.
_OTHER_COLUMNS = 58
_LEAST_TEXT = 16


def run_inspect(path: Path, rows: int) -> int:
    """Print a file's provenance, schema and first rows; returns the exit code.

    Raises:
        InputError: it is not there or not a Parquet file.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    console = Console(markup=False, highlight=False, emoji=False)
    with path.open("rb") as opened:  # by Python: Arrow takes no names that are not UTF-8
        file = _open_parquet(opened, path)
        rows_and_groups = (
            f"{count(file.metadata.num_rows, 'row')} in "
            f"{count(file.metadata.num_row_groups, 'row group')}"
        )
        console.print(f"{rows_and_groups}, {format_bytes(path.stat().st_size)}", soft_wrap=True)
        made = read_provenance(path)
        if made is not None:
            console.print(printable(_describe(made)), soft_wrap=True)
        console.print(_table(file, rows, console.width))
    return 0


def _open_parquet(opened: BinaryIO, path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(opened)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: is not a readable Parquet file: {error}") from error


def _describe(made: Provenance) -> str:
    model = made.model
    return (
        f"made {made.finished_at:%Y-%m-%d %H:%M} UTC from {made.input.name} with {model.name} "
        f"({model.architecture}, {model.quantisation}), {made.pooling} pooling, "
        f"{'normalized' if made.normalized else 'not normalized'}, "
        f"texts of at most {made.max_length} tokens"
    )


def _table(file: pq.ParquetFile, rows: int, width: int) -> Table:
    """The first rows; a vector is shown by its type, never by its numbers."""
    table = Table(box=box.SIMPLE_HEAD)
    fields = list(file.schema_arrow)
    for field in fields:
        # Long names in two lines leave the width to the texts.
        table.add_column(
            printable(field.name).replace("_", "_\n", 1),
            justify="right" if pa.types.is_integer(field.type) else "left",
            no_wrap=True,
        )
    for row in _first_rows(file, rows):
        cells = {field.name: _cell(field, row[field.name]) for field in fields}
        if "text" in cells:
            cells["text"] = _shorten(cells["text"], width - _OTHER_COLUMNS)
        table.add_row(*cells.values())
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
    return printable(value)


def _shorten(text: str, width: int) -> str:
    """The text's beginning, in as many cells of the terminal as there are left for it."""
    room = max(width, _LEAST_TEXT)
    return text if cell_len(text) <= room else set_cell_size(text, room - 1).rstrip() + "…"
