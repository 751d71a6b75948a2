"""CSV and its kin: fields between commas, tabs, semicolons or bars, with a header."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import ClassVar

import pyarrow as pa
import pyarrow.csv

from llama_cli.errors import InputError
from llama_cli.inputs.carried import ParsedRow, attach_carried
from llama_cli.inputs.columns import (
    TEXT_COLUMN,
    Columns,
    choose_columns,
    choose_text_column,
    refuse_same_names,
)
from llama_cli.inputs.readers.base import Candidate, Format
from llama_cli.inputs.readers.text import (
    MAX_LINE_BYTES,
    LineReader,
    PlainText,
    TextFormat,
    replace_invalid_utf8,
)
from llama_cli.inputs.skips import InputSkips
from llama_cli.inputs.stream import CHUNK
from llama_cli.records import TextRecord

_TAB = "\t"
_DELIMITERS = (",", ";", _TAB, "|")
_BOM = "\ufeff"
_SAMPLE_ROWS = 1000
# How Python's parser says that a field goes on to the end of the file, or beyond all measure.
_NEVER_CLOSED = ("unexpected end of data", "field larger than field limit")

csv.field_size_limit(MAX_LINE_BYTES)


@dataclass(frozen=True, slots=True)
class Dialect:
    """What the first lines of a file say about it.

    Attributes:
        header: names of the columns.
        delimiter: the character between fields.
    """

    header: list[str]
    delimiter: str


@dataclass(frozen=True)
class Csv(TextFormat):
    """Rows of fields between delimiters, with a header."""

    name = "csv"
    suffixes: ClassVar[tuple[str, ...]] = (".csv",)
    documented_rows = "a row; its header shows what separates fields: comma, semicolon, tab or bar"
    documented_columns = "by the header; carried as text"
    delimiter: ClassVar[str | None] = None  # any, by the header

    columns: Columns
    dialect: Dialect

    @classmethod
    def detect(cls, candidate: Candidate) -> Format:
        """Read the header, and find the column with the texts in the first rows."""
        name, choice = candidate.stream.name, candidate.choice
        head = candidate.stream.peek(_RowFinder(cls.delimiter, rows=1))
        if not head:  # without a header, and without a row that needs one
            return PlainText()
        dialect = _read_dialect(head, name, cls.delimiter)
        # A column that is named is taken for texts, whatever the first rows have there.
        with_text = dialect.header
        if choice.text is None and TEXT_COLUMN not in dialect.header:
            sample = candidate.stream.peek(_RowFinder(dialect.delimiter, rows=2, least=CHUNK))
            with_text = _columns_with_text(sample, dialect)
        text = choose_text_column(name, dialect.header, with_text, choice.text)
        refuse_same_names(name, dialect.header, [text])
        schema = pa.schema([pa.field(column, pa.string()) for column in dialect.header])
        return cls(choose_columns(name, schema, text, choice), dialect)

    def read(self, lines: LineReader, skips: InputSkips, most: int | None) -> Iterator[TextRecord]:
        rows = _parse_rows(lines, self.columns, self.dialect, skips)
        return attach_carried(rows, self.columns.schema, skips, most)


@dataclass(frozen=True)
class Tsv(Csv):
    """The same with tabs alone."""

    name = "tsv"
    suffixes = (".tsv", ".tab")
    documented_rows = "a row with tabs between fields"
    delimiter = _TAB


def _parse_rows(
    lines: LineReader, columns: Columns, dialect: Dialect, skips: InputSkips
) -> Iterator[ParsedRow]:
    header = dialect.header
    text_at = header.index(columns.text)
    carried_at = [None if name is None else header.index(name) for name in columns.carried]
    decoded = _DecodedLines(lines)
    for first, row in _parse_fields(lines, decoded, dialect.delimiter, skips):
        if first == 1:
            continue  # the header
        if len(row) not in (0, len(header)):
            reason = f"{len(row)} fields instead of {len(header)}"
            if lines.line > first:
                reason += f", up to line {lines.line}"
            skips.add_bad(first, reason)
        elif not row or not row[text_at] or row[text_at].isspace():
            skips.add_blank(first)
        else:
            lines.note_end(decoded.offset)
            text = row[text_at].encode()
            record = TextRecord(text, first, decoded.offset, decoded.invalid_utf8)
            yield ParsedRow(record, [None if at is None else row[at] for at in carried_at])


class _DecodedLines:
    """Lines as the CSV parser wants them: as text, with their ends."""

    def __init__(self, lines: LineReader) -> None:
        self._lines = iter(lines)
        self.offset = lines.offset
        self.invalid_utf8 = False

    def __iter__(self) -> Iterator[str]:
        for line, end in self._lines:
            text, invalid_utf8 = replace_invalid_utf8(line)
            self.offset = end
            self.invalid_utf8 |= invalid_utf8
            # The last line may have no end, and then gets one: it is not part of a value, but for
            # a quote that is never closed.
            yield text.decode() + "\n"
            del line, text


def _parse_fields(
    lines: LineReader, decoded: _DecodedLines, delimiter: str, skips: InputSkips
) -> Iterator[tuple[int, list[str]]]:
    """Rows, each with the line where it begins."""
    parser = csv.reader(decoded, delimiter=delimiter, strict=True)
    while True:
        first, decoded.invalid_utf8 = lines.line + 1, False
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
            skips.add_bad(first, f"broken CSV: {_reason(error)}")
            parser = csv.reader(decoded, delimiter=delimiter, strict=True)
        else:
            yield first, row


def _reason(error: csv.Error) -> str:
    if "new-line character" in str(error):
        return "a carriage return in the middle of a line"
    return str(error)


def _read_dialect(sample: bytes, name: str, delimiter: str | None) -> Dialect:
    """The header of a file.

    Args:
        sample: the first lines of the file, one at least.
        name: the input's name, for messages.
        delimiter: a character, or None to go by the header.

    Raises:
        InputError: the header's quotes are broken.
    """
    text = _as_text(sample)
    delimiter = delimiter or _find_delimiter(text)
    try:
        header = next(csv.reader(io.StringIO(text, newline="\n"), delimiter=delimiter, strict=True))
    except (csv.Error, StopIteration) as error:
        raise InputError(f"{name}: its header is broken CSV: {error}") from error
    return Dialect(header, delimiter)


def _find_delimiter(text: str) -> str:
    return max(_DELIMITERS, key=partial(_count_unquoted, text.partition("\n")[0]))


def _as_text(sample: bytes) -> str:
    return replace_invalid_utf8(sample)[0].decode().removeprefix(_BOM)


def _count_unquoted(line: str, character: str) -> int:
    return sum(part.count(character) for part in line.split('"')[::2])


class _RowFinder:
    """Finds the end of the first rows in a stream's beginning, quoted line ends in them and all."""

    def __init__(self, delimiter: str | None, *, rows: int, least: int = 0) -> None:
        """Look for rows.

        Args:
            delimiter: a character, or None to go by the first line.
            rows: so many at least.
            least: and as many as there are in so many bytes.
        """
        self._delimiter = delimiter
        self._rows = rows
        self._least = least
        self._wanted = least  # bytes without which looking would be in vain

    def __call__(self, ahead: bytes) -> int | None:
        if len(ahead) < self._wanted:
            return None
        rows = end = 0
        for rows, row_end in enumerate(self._row_ends(ahead), 1):
            if rows > self._rows and row_end > self._least:
                break
            end = row_end
            if rows == self._rows and end >= self._least:
                break
        if rows >= self._rows:
            return end
        self._wanted = 2 * len(ahead)
        return MAX_LINE_BYTES if len(ahead) >= MAX_LINE_BYTES else None

    def _row_ends(self, ahead: bytes) -> Iterator[int]:
        lines = io.BytesIO(ahead[: ahead.rfind(b"\n") + 1])
        delimiter = self._delimiter or _find_delimiter(_as_text(ahead.partition(b"\n")[0]))
        # Bytes as characters: only quotes, delimiters and the ends of lines matter.
        characters = (line.decode("latin-1") for line in lines)
        parser = csv.reader(characters, delimiter=delimiter, strict=True)
        with contextlib.suppress(csv.Error):  # reported when the row is read
            for _ in parser:
                yield lines.tell()


def _columns_with_text(sample: bytes, dialect: Dialect) -> list[str]:
    """The columns that are not numbers, dates or truth values in the first rows."""
    header = dialect.header
    rows = _sample_rows(sample, dialect)
    if not rows:
        return header
    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)
    encoded = buffer.getvalue().encode()
    table = pyarrow.csv.read_csv(
        io.BytesIO(encoded),
        pyarrow.csv.ReadOptions(
            column_names=[str(at) for at in range(len(header))],
            block_size=len(encoded) + 1,  # a row may not be larger
        ),
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
