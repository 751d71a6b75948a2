"""JSON Lines: an object a line."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from llama_cli.inputs.carried import ParsedRow, attach_carried
from llama_cli.inputs.columns import ColumnChoice, Columns
from llama_cli.inputs.readers.base import Candidate, Format
from llama_cli.inputs.readers.json_document import JsonDocument, begins_document
from llama_cli.inputs.readers.json_objects import (
    JsonRow,
    NotAnObjectError,
    choose_text,
    decides_text,
    find_columns,
    parse_object,
    parse_row,
)
from llama_cli.inputs.readers.text import (
    MAX_LINE_BYTES,
    LineReader,
    TextFormat,
    is_blank,
    replace_invalid_utf8,
)
from llama_cli.inputs.skips import InputSkips
from llama_cli.inputs.stream import CHUNK
from llama_cli.records import TextRecord


@dataclass(frozen=True)
class JsonLines(TextFormat):
    """An object a line; each of its keys is a column."""

    name = "jsonl"
    suffixes = (".jsonl", ".ndjson", ".jsonlines", ".jl", ".ldjson", ".geojsonl", ".json")
    documented_rows = "a line with a JSON object"
    documented_columns = "the keys; types of the whole file"

    columns: Columns

    @classmethod
    def detect(cls, candidate: Candidate) -> Format:
        """Find the columns in the first objects, and types of those carried through in all."""
        stream, choice = candidate.stream, candidate.choice
        if begins_document(stream):
            return JsonDocument.detect(candidate)
        sample = list(_objects(stream.peek(_sample_finder(choice)).split(b"\n")))
        text = choose_text(stream.name, sample, choice)
        if isinstance(candidate.known, cls):  # finding its types would take reading all of it again
            return cls(dataclasses.replace(candidate.known.columns, text=text))
        if not choice.carried:
            return cls(Columns(text))
        if not candidate.file.is_regular:
            stream.spool()
        objects = _objects(line for line, _ in LineReader(stream))
        columns = find_columns(stream.name, objects, text, choice, candidate.limit)
        stream.rewind()
        return cls(columns)

    def read(self, lines: LineReader, skips: InputSkips, most: int | None) -> Iterator[TextRecord]:
        rows = _parse_rows(lines, self.columns, skips)
        return attach_carried(rows, self.columns.schema, skips, most)


def _parse_rows(lines: LineReader, columns: Columns, skips: InputSkips) -> Iterator[ParsedRow]:
    for line, end in lines:
        number = lines.line
        raw, invalid_utf8 = replace_invalid_utf8(line)
        try:
            values = parse_object(raw)
        except NotAnObjectError as error:
            if is_blank(raw):
                skips.add_blank(number)
            else:
                skips.add_bad(number, str(error))
            continue
        row = parse_row(JsonRow(values, number, end, invalid_utf8), columns, skips)
        if row is not None:
            lines.note_end(end)
            yield row
        del line, raw, values, row  # they may be huge


def _sample_finder(choice: ColumnChoice) -> Callable[[bytes], int | None]:
    """A function that finds the end of the lines that tell which column has the texts.

    These are the lines in the first megabyte, or the first object if that is larger, or suffices.
    """
    start = 0
    values: dict[str, Any] | None = None

    def find_end(ahead: bytes) -> int | None:
        nonlocal start, values
        while values is None:
            end = ahead.find(b"\n", start) + 1
            if not end:
                return MAX_LINE_BYTES if len(ahead) >= MAX_LINE_BYTES else None
            values = next(_objects([ahead[start:end]]), None)
            start = end
        if start >= CHUNK or decides_text(values, choice):
            return start
        return max(start, ahead.rfind(b"\n", 0, CHUNK) + 1) if len(ahead) >= CHUNK else None

    return find_end


def _objects(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The objects in lines; those that have none are left to whoever reads the texts."""
    for line in filter(bytes.strip, lines):  # there may be very many blank ones
        with contextlib.suppress(NotAnObjectError):
            yield parse_object(replace_invalid_utf8(line)[0])
