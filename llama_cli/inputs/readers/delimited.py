"""CSV and its kin: fields between commas, tabs, semicolons or bars, with a header."""

from __future__ import annotations

import contextlib
import csv
import io
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import ClassVar, Literal

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
from llama_cli.inputs.readers.base import Candidate, Format, Quoting, RowOptions
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

log = logging.getLogger(__name__)

_TAB = "\t"
_DELIMITERS = (",", ";", _TAB, "|")
_BOM = "\ufeff"
_SAMPLE_ROWS = 1000
# How Python's parser says that a field goes on to the end of the file, or beyond all measure.
_NEVER_CLOSED = ("unexpected end of data", "field larger than field limit")
_QUOTING_HINT = "leave such rows out with `on_bad_row=skip`; if quotes are text, say `quoting=none`"
_SEPARATOR_LINE = re.compile(r"sep=(?P<delimiter>[^\r\n])\r?\n", re.IGNORECASE)
_BLANK_LINES = re.compile(r"(?:\r?\n)+")
_MOST_BEFORE = 1 << 16  # of blank lines before a header
_NUMBER = re.compile(r"[-+]?\d+(?:[.,]\d+)*(?:[eE][-+]?\d+)?")
_MOST_WORDS = 4  # in the name of a column
_END_OF_FILE = "\x1a"  # of CP/M, which Excel and DOS programs leave behind

csv.field_size_limit(MAX_LINE_BYTES)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the rows of a file are written.

    Attributes:
        header: names of the columns.
        delimiter: the character between fields.
        quoting: whether quotes enclose fields (``csv``), are text (``none``), or enclose them
            unless that is in doubt (``auto``).
        has_header: whether the names come from the file.
        first_row: number of the line on which the first row begins.
    """

    header: list[str]
    delimiter: str
    quoting: Quoting
    has_header: bool
    first_row: int


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
        name, choice, wanted = candidate.stream.name, candidate.choice, candidate.rows
        delimiter = wanted.delimiter or cls.delimiter
        head = candidate.stream.peek(_RowFinder(delimiter, wanted.quoting, rows=1))
        if not head:  # without a header, and without a row that needs one
            return PlainText()
        dialect = _read_dialect(head, name, delimiter, wanted)
        # A column that is named is taken for texts, whatever the first rows have there.
        with_text = dialect.header
        if choice.text is None and TEXT_COLUMN not in dialect.header:
            finder = _RowFinder(dialect.delimiter, wanted.quoting, rows=2, least=CHUNK)
            with_text = _columns_with_text(candidate.stream.peek(finder), dialect)
            if not wanted.no_header:
                _refuse_data_as_header(name, dialect.header)
        text = choose_text_column(name, dialect.header, with_text, choice.text)
        refuse_same_names(name, dialect.header, [text])
        schema = pa.schema([pa.field(column, pa.string()) for column in dialect.header])
        return cls(choose_columns(name, schema, text, choice), dialect)

    @property
    def key(self) -> str:
        """As of any format, with what makes other rows of the same bytes."""
        dialect = self.dialect
        quotes = " quoting=none" if dialect.quoting == "none" else ""
        header = "" if dialect.has_header else " no_header"
        return f"{super().key}{quotes}{header}"

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
    header, width = dialect.header, len(dialect.header)
    text_at = header.index(columns.text)
    # What the input does not have is behind the last field.
    missing = columns.defaults if None in columns.carried else []
    carried_at = [
        width + place if name is None else header.index(name)
        for place, name in enumerate(columns.carried)
    ]
    decoded = _DecodedLines(lines)
    if dialect.quoting == "none":
        parsed = _split_rows(decoded, dialect.delimiter)
    else:
        parsed = _parse_quoted(lines.name, decoded, dialect, skips)
    for first, row in parsed:
        if first < dialect.first_row:
            continue  # the header, and what stands before it
        if len(row) != width:
            if row in ([], [_END_OF_FILE]):
                skips.add_blank(first)
            else:
                skips.add_bad(first, f"{len(row)} fields instead of {width}", last=decoded.line)
            continue
        text = row[text_at]
        if not text or text.isspace():
            skips.add_blank(first)
        else:
            lines.note_end(decoded.offset)
            record = TextRecord(text.encode(), first, decoded.offset, decoded.invalid_utf8)
            values = row + missing if missing else row
            yield ParsedRow(record, [values[at] for at in carried_at])


class _DecodedLines:
    """Lines as the CSV parser wants them: as text, with their ends."""

    def __init__(self, lines: LineReader) -> None:
        self._decoded = self._decode(lines)
        self._again: tuple[str, bool] | None = None
        self.line = lines.line
        self.offset = lines.offset
        self.invalid_utf8 = False
        self.of_row: list[str] = []  # those that were given since the row began

    def __iter__(self) -> Iterator[str]:
        """Those from here on. A line is given back only before they are asked for anew."""
        if self._again is not None and (line := self.take()):
            self.of_row.append(line)
            yield line
        for line in self._decoded:
            self.of_row.append(line)
            yield line
            del line

    def begin_row(self) -> None:
        self.of_row.clear()
        self.invalid_utf8 = False

    def take(self) -> str | None:
        """The next line; None at the end."""
        if self._again is None:
            return next(self._decoded, None)
        (line, invalid_utf8), self._again = self._again, None
        self.line += 1
        self.invalid_utf8 |= invalid_utf8
        return line

    def _decode(self, lines: LineReader) -> Iterator[str]:
        for line, end in lines:
            text, invalid_utf8 = replace_invalid_utf8(line)
            self.offset = end
            self.line += 1
            if invalid_utf8:
                self.invalid_utf8 = True
            # The last line may have no end, and then gets one: it is not part of a value, but for a
            # quote that is never closed.
            yield text.decode() + "\n"
            del line, text

    def give_back(self, line: str) -> None:
        """Let this line, which was taken last, come next."""
        self._again = line, "\ufffd" in line and self.invalid_utf8
        self.line -= 1


def _split_rows(decoded: _DecodedLines, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Rows without quoting, each with its line: whatever stands between two delimiters is text."""
    decoded.begin_row()
    for line in decoded:
        content = line.removesuffix("\n").removesuffix("\r")
        yield decoded.line, content.split(delimiter) if content else []
        decoded.begin_row()


def _parse_quoted(
    name: str, decoded: _DecodedLines, dialect: Dialect, skips: InputSkips
) -> Iterator[tuple[int, list[str]]]:
    """Rows, each with the line where it begins.

    Raises:
        InputError: a quote is never closed, or whether quotes enclose fields is in doubt.
    """
    parser = csv.reader(decoded, delimiter=dialect.delimiter, strict=True)
    # Of files with tabs, some programs quote fields and others do not.
    says_so = dialect.quoting == "auto" and dialect.delimiter == _TAB
    of_row = decoded.of_row
    while True:
        first = decoded.line + 1
        decoded.begin_row()
        try:
            row = next(parser)
        except StopIteration:
            return
        except csv.Error as error:
            _refuse_doubt(name, first, decoded.of_row, dialect)
            if any(words in str(error) for words in _NEVER_CLOSED):
                # What it has swallowed is not one row, so that it cannot just be left out.
                raise InputError(
                    f"{name}, line {first}: a quote in this row is never closed",
                    hint="mend the row, or say with `quoting=none` that quotes are text",
                ) from error
            if skips.skip_bad_rows:
                _skip_to_next_row(decoded, dialect)
            hint = _QUOTING_HINT if "expected after" in str(error) else None
            reason = f"broken CSV: {_reason(error)}"
            skips.add_bad(first, reason, last=decoded.line, hint=hint)
            parser = csv.reader(decoded, delimiter=dialect.delimiter, strict=True)
        else:
            if len(of_row) > 1:
                _refuse_doubt(name, first, decoded.of_row, dialect)
            if says_so and any('"' in line for line in of_row):
                says_so = "".join(of_row).rstrip("\r\n") == _TAB.join(row)
                if not says_so:
                    log.warning(
                        "%s, line %d: quotes enclose a field and are no part of it, here and from "
                        "here on; if they are text, say `quoting=none`",
                        name,
                        first,
                    )
            yield first, row


def _refuse_doubt(name: str, first: int, of_row: list[str], dialect: Dialect) -> None:
    """Refuse a row over several lines each of which would be a row if quotes were text.

    Raises:
        InputError: it is one.
    """
    if dialect.quoting != "auto" or len(of_row) < 2 or len(dialect.header) < 2:  # noqa: PLR2004
        return
    delimiters = len(dialect.header) - 1
    if all(line.count(dialect.delimiter) == delimiters for line in of_row):
        raise InputError(
            f"{name}, line {first}: a quote goes on to line {first + len(of_row) - 1}, but each of "
            "these lines would be a row by itself",
            hint="say with `quoting=csv` that quotes enclose fields, or with `quoting=none` that "
            "they are text",
            option="quoting",
        )


def _skip_to_next_row(decoded: _DecodedLines, dialect: Dialect) -> None:
    """Go on behind a broken row, to where a row surely begins, or to the end.

    Its quotes may have left a field open. That ends where they are even in number, and then a line
    begins a row if its own quotes are in order.
    """
    quotes = sum(line.count('"') for line in decoded.of_row)
    in_order = _begins_row(dialect)
    while (line := decoded.take()) is not None:
        if quotes % 2 == 0 and in_order.match(line):
            decoded.give_back(line)
            return
        quotes += line.count('"')


def _begins_row(dialect: Dialect) -> re.Pattern[str]:
    """The first line of a row whose quotes are in order, all of it or up to an open field."""
    delimiter = re.escape(dialect.delimiter)
    field = rf'(?:"(?:[^"]|"")*"|[^"{delimiter}]*)'
    between = len(dialect.header) - 1
    whole = rf"{field}(?:{delimiter}{field}){{{between}}}\r?\n\Z"
    is_open = rf'(?:{field}{delimiter}){{0,{between}}}"(?:[^"]|"")*\Z'
    return re.compile(rf"(?:{whole}|{is_open}|\r?\n\Z)")


def _reason(error: csv.Error) -> str:
    if "new-line character" in str(error):
        return "a carriage return in the middle of a line"
    return str(error)


def _read_dialect(sample: bytes, name: str, delimiter: str | None, wanted: RowOptions) -> Dialect:
    """The header of a file.

    Args:
        sample: the first row of the file, and what stands before it.
        name: the input's name, for messages.
        delimiter: a character, or None to go by the header.
        wanted: what the user said.

    Raises:
        InputError: the header's quotes are broken.
    """
    text = _as_text(sample)
    before, said = _before_header(text)
    delimiter = delimiter or said or _find_delimiter(text[before:])
    skipped = text.count("\n", 0, before)
    reader = csv.reader(
        io.StringIO(text[before:], newline="\n"),
        delimiter=delimiter,
        quoting=_quoting(wanted.quoting),
        strict=True,
    )
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise InputError(
            f"{name}: its header is broken CSV: {error}", hint=_QUOTING_HINT
        ) from error
    if wanted.no_header:
        header = [f"column{number}" for number in range(len(header))]
        return Dialect(header, delimiter, wanted.quoting, False, skipped + 1)
    return Dialect(header, delimiter, wanted.quoting, True, skipped + reader.line_num + 1)


def _quoting(quoting: Quoting) -> Literal[0, 3]:
    """The same for Python's parser."""
    return csv.QUOTE_NONE if quoting == "none" else csv.QUOTE_MINIMAL


def _before_header(text: str) -> tuple[int, str | None]:
    """How long blank lines and Excel's ``sep=;`` at the start are, and the delimiter it says."""
    found = _SEPARATOR_LINE.match(text)
    said = found["delimiter"] if found else None
    rest = found.end() if found else 0
    blank = _BLANK_LINES.match(text, rest)
    return (blank.end() if blank else rest), said


def _refuse_data_as_header(name: str, header: list[str]) -> None:
    """Refuse a first row that is more likely one of the texts, where no column is named.

    Raises:
        InputError: it has a number, or a sentence.
    """
    for field in header:
        if _NUMBER.fullmatch(field.strip()) or len(field.split()) > _MOST_WORDS:
            raise InputError(
                f"{name}: its first row does not look like a header: {', '.join(header)[:80]}",
                hint="say that there is none with `no_header`, or name the column with `column`",
                option="no_header",
            )


def _find_delimiter(text: str) -> str:
    return max(_DELIMITERS, key=partial(_count_unquoted, text.lstrip("\r\n").partition("\n")[0]))


def _as_text(sample: bytes) -> str:
    return replace_invalid_utf8(sample)[0].decode().removeprefix(_BOM)


def _count_unquoted(line: str, character: str) -> int:
    return sum(part.count(character) for part in line.split('"')[::2])


class _RowFinder:
    """Finds the end of the first rows in a stream's beginning, quoted line ends in them and all."""

    def __init__(
        self, delimiter: str | None, quoting: Quoting, *, rows: int, least: int = 0
    ) -> None:
        """Look for rows that are not blank.

        Args:
            delimiter: a character, or None to go by the first line.
            quoting: as in `Dialect`.
            rows: so many at least.
            least: and as many as there are in so many bytes.
        """
        self._delimiter = delimiter
        self._quoting = _quoting(quoting)
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
        before, said = _before_header(_as_text(lines.getvalue()[:_MOST_BEFORE]))
        delimiter = self._delimiter or said or _find_delimiter(_as_text(lines.getvalue())[before:])
        # Bytes as characters: only quotes, delimiters and the ends of lines matter.
        characters = (line.decode("latin-1") for line in lines)
        parser = csv.reader(characters, delimiter=delimiter, quoting=self._quoting, strict=True)
        with contextlib.suppress(csv.Error):  # reported when the row is read
            for _ in filter(None, parser):
                if said is None:
                    yield lines.tell()
                said = None


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
    parser = csv.reader(lines, delimiter=dialect.delimiter, quoting=_quoting(dialect.quoting))
    for _ in range(dialect.first_row - 1):
        next(lines, None)
    rows: list[list[str]] = []
    with contextlib.suppress(csv.Error):  # reported when the row is read
        rows.extend(
            islice((row for row in parser if len(row) == len(dialect.header)), _SAMPLE_ROWS)
        )
    return rows


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_null(kind))
