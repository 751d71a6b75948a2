"""The work of ``llama-cli inspect``."""

from __future__ import annotations

import io
import signal
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rich import box
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table

from llama_cli.cli.terminal import printable
from llama_cli.errors import InputError
from llama_cli.inputs.resolve import Input, InputFile
from llama_cli.output.durable.target import Output
from llama_cli.output.provenance import Provenance, read_provenance
from llama_cli.output.schema import SOURCE, extra_columns, has_line_numbers, own_columns
from llama_cli.progress.numbers import count, format_bytes
from llama_cli.storage.address import is_remote
from llama_cli.storage.resolve import find_file

_SHOWN_HASH = 8
_LONG_NAME = 12
# Cells that the columns beside the text take, and the fewest left to the text.
_OTHER_COLUMNS = 58
_LEAST_TEXT = 16


def run_inspect(file: str, rows: int) -> int:
    """Print a file's provenance, counts and first rows; returns the exit code.

    Raises:
        InputError: it is not there or not a sound Parquet file.
        InputReadError: its server does not answer.
    """
    # The output of this command is often cut short by `head`.
    before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # the texts may hold what a locale cannot show
    try:
        return _inspect(file if is_remote(file) else Path(file), rows)
    finally:
        signal.signal(signal.SIGPIPE, before)


def _inspect(path: Output, rows: int) -> int:
    source = _find(path)
    console = Console(markup=False, highlight=False, emoji=False)
    try:
        with source.open() as opened:  # by Python: Arrow takes no names that are not UTF-8
            file = pq.ParquetFile(opened, page_checksum_verification=True)
            made = read_provenance(path)
            schema = file.schema_arrow
            own = [*own_columns(line_numbers=has_line_numbers(schema)), SOURCE]
            fields = [field for field in schema if made is None or field.name in own]
            table = _table(file, fields, rows, console.width)
            size = format_bytes(source.size or 0)
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{source}: is not a readable Parquet file: {reason}") from error
    total = count(file.metadata.num_rows, "row")
    groups = count(file.metadata.num_row_groups, "row group")
    console.print(f"{total} in {groups}, {size}", soft_wrap=True)
    origin = (
        [*_describe(made), *_describe_carried(schema)] if made else ["not made by llama-cli embed"]
    )
    for line in origin:
        console.print(printable(line), soft_wrap=True)
    console.print(table)
    return 0


def _find(path: Output) -> Input:
    if isinstance(path, str):
        return find_file(path)
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if not path.is_file():
        raise InputError(f"{path}: is not a regular file")
    return InputFile(path, path.name)


def _describe(made: Provenance) -> list[str]:
    model = made.model
    normalized = "normalized" if made.normalized else "not normalized"
    counts = [
        f"{count(made.skipped, 'blank line')} skipped",
        *([f"{count(made.bad_rows, 'bad row')} skipped"] if made.bad_rows else []),
        f"{count(made.truncated, 'text')} truncated to {made.max_length} tokens",
        f"{made.invalid_utf8:,} not in UTF-8",
        f"{made.without_vector:,} without a vector",
    ]
    return [
        f"made {made.finished_at:%Y-%m-%d %H:%M} UTC from {made.input.name}",
        f"with {model.name} ({model.architecture}, {model.quantization}, "
        f"sha256 {model.sha256[:12]}…), {made.pooling} pooling, {normalized}",
        *([f"from {model.source}"] if model.source else []),
        *([f"with a prompt before each text: {made.prompt!r}"] if made.prompt else []),
        *([f"the first {made.dims} of {model.dimension} numbers"] if made.dims else []),
        ", ".join(counts),
    ]


def _describe_carried(schema: pa.Schema) -> list[str]:
    """The columns that the table does not show: there may be many."""
    carried = [field for field in extra_columns(schema) if field.name != SOURCE]
    return [f"carried {', '.join(f'{f.name} ({f.type})' for f in carried)}"] if carried else []


def _table(file: pq.ParquetFile, fields: list[pa.Field], rows: int, width: int) -> Table:
    """The first rows; a vector is shown by its type, never by its numbers."""
    table = Table(box=box.SIMPLE_HEAD)
    for field in fields:
        # Long names in two lines leave the width to the texts.
        table.add_column(
            _in_two_lines(printable(field.name)),
            justify="right" if pa.types.is_integer(field.type) else "left",
            no_wrap=True,
        )
    for row in _first_rows(file, rows, [field.name for field in fields]):
        cells = {field.name: _cell(field, row[field.name]) for field in fields}
        if "text" in cells:
            cells["text"] = _shorten(cells["text"], width - _OTHER_COLUMNS)
        table.add_row(*cells.values())
    return table


def _in_two_lines(name: str) -> str:
    return name if len(name) <= _LONG_NAME else name.replace("_", "_\n", 1)


def _first_rows(file: pq.ParquetFile, rows: int, names: list[str]) -> list[dict[str, Any]]:
    """At most that many rows, reading no more of the file than they need."""
    found: list[dict[str, Any]] = []
    for batch in file.iter_batches(batch_size=max(rows, 1), columns=names):
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
