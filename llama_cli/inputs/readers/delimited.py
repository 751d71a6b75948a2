"""CSV and its kin: fields between commas, tabs, semicolons or bars, with a header."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import pyarrow as pa
import pyarrow.csv

from llama_cli.errors import InputError
from llama_cli.inputs.carried import ParsedRow
from llama_cli.inputs.columns import Columns
from llama_cli.inputs.readers.lines import MAX_LINE_BYTES, LineReader
from llama_cli.inputs.skips import SourceSkips
from llama_cli.inputs.stream import CHUNK
from llama_cli.inputs.utf8 import repair
from llama_cli.records import TextRecord

TAB = "\t"
_DELIMITERS = (",", ";", TAB, "|")
_BOM = "\ufeff"
_SAMPLE_ROWS = 1000
# How Python's parser says that a field resumes to the end of the file, or beyond all measure.
_NEVER_CLOSED = ("unexpected end of data", "field larger than field limit")

csv.field_size_limit(MAX_LINE_BYTES)


class _Lines:
    """Raw lines as the CSV parser wants them, and what has become of them."""

    def __init__(self, lines: LineReader) -> None:
        self._lines = iter(lines)
        self.end = lines.position
        self.invalid_utf8 = False

    def __iter__(self) -> Iterator[str]:
        for line, end in self._lines:
            text, invalid_utf8 = repair(line)
            self.end = end
            self.invalid_utf8 |= invalid_utf8
            # The last line may have no end, and then gets one: it is not part of a value, but for
            # a quote that is never closed.
            yield text.decode() + "\n"
            del line, text


@dataclass(frozen=True, slots=True)
class Dialect:
    """What the first lines of a file say about it.

    Attributes:
        header: names of the columns.
        delimiter: the character between fields.
    """

    header: list[str]
    delimiter: str


def read_csv(
    lines: LineReader, columns: Columns, dialect: Dialect, skips: SourceSkips
) -> Iterator[ParsedRow]:
    """The texts of a column, and the values beside them, as text.

    Raises:
        BadRowError: a row has another number of fields than the header, or broken quotes.
        InputError: a quote is never closed.
    """
    header = dialect.header
    text_at = header.index(columns.text)
    carried_at = [None if name is None else header.index(name) for name in columns.carried]
    raw = _Lines(lines)
    for first, row in _parse(lines, raw, dialect.delimiter, skips):
        if first == 1:
            continue  # the header
        if len(row) not in (0, len(header)):
            reason = f"{len(row)} fields instead of {len(header)}"
            if lines.lines > first:
                reason += f", up to line {lines.lines}"
            skips.add_bad(first, reason)
        elif not row or not row[text_at] or row[text_at].isspace():
            skips.add_blank(first)
        else:
            lines.note(raw.end)
            text = row[text_at].encode()
            record = TextRecord(text, first, raw.end, raw.invalid_utf8)
            yield ParsedRow(record, [None if at is None else row[at] for at in carried_at])


def _parse(
    lines: LineReader, raw: _Lines, delimiter: str, skips: SourceSkips
) -> Iterator[tuple[int, list[str]]]:
    """Rows, each with the line where it begins."""
    parser = csv.reader(raw, delimiter=delimiter, strict=True)
    while True:
        first, raw.invalid_utf8 = lines.lines + 1, False
        try:
            row = next(parser)
        except StopIteration:
            return
        except csv.Error as error:
            if any(words in str(error) for words in _NEVER_CLOSED):
                # What it has swallowed is not one row, so that it cannot just be left out.
                raise InputError(
                    f"{lines.name}, line {first}: a quote in this row is never closed",
                    hint="mend the row, or say with `format=text` that there are no columns",
                ) from error
            skips.add_bad(first, f"broken CSV: {_describe(error)}")
            parser = csv.reader(raw, delimiter=delimiter, strict=True)
        else:
            yield first, row


def _describe(error: csv.Error) -> str:
    if "new-line character" in str(error):
        return "a carriage return in the middle of a line"
    return str(error)


def read_dialect(sample: bytes, name: str, delimiter: str | None) -> Dialect:
    """The header of a file.

    Args:
        sample: the first lines of the file, one at least.
        name: the input's name, for messages.
        delimiter: a character, or None to go by the header.

    Raises:
        InputError: the header's quotes are broken.
    """
    text = _as_text(sample)
    first = text.partition("\n")[0]
    delimiter = delimiter or max(_DELIMITERS, key=lambda one: _count_unquoted(first, one))
    try:
        header = next(csv.reader(io.StringIO(text, newline="\n"), delimiter=delimiter, strict=True))
    except (csv.Error, StopIteration) as error:
        raise InputError(f"{name}: its header is broken CSV: {error}") from error
    return Dialect(header, delimiter)


def _as_text(sample: bytes) -> str:
    return repair(sample)[0].decode().removeprefix(_BOM)


def _count_unquoted(line: str, character: str) -> int:
    return sum(part.count(character) for part in line.split('"')[::2])


def is_sample(ahead: bytes) -> bool:
    """Whether the beginning of a stream has the header and a row, or is long enough for one."""
    return ahead.count(b"\n") > 1 or len(ahead) >= MAX_LINE_BYTES


def columns_with_text(sample: bytes, dialect: Dialect) -> list[str]:
    """The columns that are not numbers, dates or truth values in the first rows."""
    header = dialect.header
    if len(sample) >= CHUNK:  # its last row may be cut
        sample = sample[: sample.rfind(b"\n") + 1]
    rows = _sample_rows(sample, dialect)
    if not rows:
        return header
    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)
    table = pyarrow.csv.read_csv(
        io.BytesIO(buffer.getvalue().encode()),
        pyarrow.csv.ReadOptions(column_names=[str(at) for at in range(len(header))]),
        pyarrow.csv.ParseOptions(newlines_in_values=True),
    )
    return [name for name, field in zip(header, table.schema, strict=True) if _is_text(field.type)]


def _sample_rows(sample: bytes, dialect: Dialect) -> list[list[str]]:
    """The first rows behind the header that have all fields."""
    lines = io.StringIO(_as_text(sample), newline="\n")
    parser = csv.reader(lines, delimiter=dialect.delimiter)
    rows: list[list[str]] = []
    with contextlib.suppress(csv.Error):  # reported when the row is read
        rows.extend(
            islice((row for row in parser if len(row) == len(dialect.header)), _SAMPLE_ROWS)
        )
    return rows[1:]


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_null(kind))
