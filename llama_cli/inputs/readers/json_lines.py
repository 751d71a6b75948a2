"""JSON Lines: an object a line."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import pyarrow as pa

from llama_cli.errors import InputError
from llama_cli.inputs.carried import (
    ParsedRow,
    attach_carried,
    merge_types,
    replace_surrogates,
    without_surrogates,
)
from llama_cli.inputs.columns import (
    EVERY_COLUMN,
    TEXT_COLUMN,
    ColumnChoice,
    Columns,
    choose_columns,
    choose_text_column,
)
from llama_cli.inputs.readers.base import Candidate
from llama_cli.inputs.readers.text import (
    MAX_LINE_BYTES,
    LineReader,
    TextFormat,
    is_blank,
    replace_invalid_utf8,
)
from llama_cli.inputs.resolve import Input
from llama_cli.inputs.skips import InputSkips
from llama_cli.inputs.stream import ByteStream
from llama_cli.records import TextRecord

# Objects whose types are found at a time.
_BLOCK_ROWS = 4096

_KINDS = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
}


@dataclass(frozen=True)
class JsonLines(TextFormat):
    """An object a line; each of its keys is a column."""

    name = "jsonl"
    suffixes = (".jsonl", ".ndjson", ".json")
    documented_rows = "a line with a JSON object"
    documented_columns = "the keys; types of the whole file"

    columns: Columns

    @classmethod
    def detect(cls, candidate: Candidate) -> JsonLines:
        """Find the columns in the first object, and types of those carried through in all."""
        stream, choice = candidate.stream, candidate.choice
        head = stream.peek(_object_finder())
        if head.lstrip().startswith(b"["):
            raise InputError(
                f"{stream.name}: is one JSON list; an object a line is wanted",
                hint="convert it first: jq -c '.[]' FILE",
            )
        lines = head.split(b"\n")  # the last may be incomplete, and then is no object
        text = _choose_text(stream.name, _sample_columns(lines), choice)
        if isinstance(candidate.known, cls):  # finding its types would take reading all of it again
            return cls(dataclasses.replace(candidate.known.columns, text=text))
        if not choice.carried:
            return cls(Columns(text))
        named, every = _names_in(choice.carried), EVERY_COLUMN in choice.carried
        schema = _find_types(
            stream.name,
            _all_lines(candidate.file) if candidate.file.is_regular else lines,
            lambda name: name in named or (every and name != text),
        )
        if not schema.names:
            return cls(Columns(text))  # nothing that could be carried through, or missed
        return cls(choose_columns(stream.name, schema, text, choice))

    def read(self, lines: LineReader, skips: InputSkips, most: int | None) -> Iterator[TextRecord]:
        rows = _parse_rows(lines, self.columns, skips)
        return attach_carried(rows, self.columns.schema, skips, most)


def _parse_rows(lines: LineReader, columns: Columns, skips: InputSkips) -> Iterator[ParsedRow]:
    for line, end in lines:
        number = lines.line
        raw, invalid_utf8 = replace_invalid_utf8(line)
        if is_blank(raw):
            skips.add_blank(number)
            continue
        try:
            values = _parse_object(raw)
            text, changed = replace_surrogates(_text_of(values, columns.text))
        except _NotAnObjectError as error:
            skips.add_bad(number, str(error))
            continue
        if not text or text.isspace():
            skips.add_blank(number)
            continue
        lines.note_end(end)
        record = TextRecord(text.encode(), number, end, invalid_utf8 or changed)
        yield ParsedRow(
            record, [None if name is None else values.get(name) for name in columns.carried]
        )
        del line, raw, values, text, record  # they may be huge


class _NotAnObjectError(ValueError):
    """A line that cannot be used, with the reason."""


def _parse_object(line: bytes) -> dict[str, Any]:
    """The object in a line of valid UTF-8.

    Raises:
        _NotAnObjectError: there is none, or something else.
    """
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise _NotAnObjectError(f"broken JSON: {error.msg} at column {error.colno}") from error
    except RecursionError as error:
        raise _NotAnObjectError("JSON nested too deeply") from error
    except ValueError as error:  # a number of thousands of digits
        raise _NotAnObjectError(f"broken JSON: {error}") from error
    if not isinstance(value, dict):
        raise _NotAnObjectError("not a JSON object")
    if b"\\ud" in line or b"\\uD" in line:  # perhaps half a surrogate, in a key as well
        value = {without_surrogates(key): item for key, item in value.items()}
    return value


def _text_of(values: dict[str, Any], column: str) -> str:
    value = values.get(column)
    if isinstance(value, str):
        return value
    if column not in values:
        raise _NotAnObjectError(f"there is no {column}")
    if value is None:
        raise _NotAnObjectError(f"{column} is null")
    raise _NotAnObjectError(f"{column} is {_KINDS[type(value)]}, not text")


def _object_finder() -> Callable[[bytes], bool]:
    """A function that tells whether a stream's beginning, which grows, has an object by now."""
    seen = 0

    def is_there(ahead: bytes) -> bool:
        nonlocal seen
        start, seen = seen, ahead.rfind(b"\n") + 1
        if next(_objects(ahead[start:seen].split(b"\n")), None) is not None:
            return True
        return len(ahead) >= MAX_LINE_BYTES

    return is_there


class _Sample(NamedTuple):
    """The columns of some lines, by what they have there."""

    names: list[str]
    texts: list[str]
    """Those with any text."""
    others: list[str]
    """Those with values of other types alone."""


def _sample_columns(lines: Iterable[bytes]) -> _Sample:
    """The columns in some lines."""
    objects = list(_objects(lines))
    names = list(dict.fromkeys(key for values in objects for key in values))
    values = {name: [row[name] for row in objects if row.get(name) is not None] for name in names}
    texts = [name for name in names if any(isinstance(value, str) for value in values[name])]
    return _Sample(names, texts, [name for name in names if values[name] and name not in texts])


def _choose_text(name: str, sample: _Sample, choice: ColumnChoice) -> str:
    """The column with the texts; where there is no object yet, reading the lines tells."""
    if not sample.names:
        return choice.text or TEXT_COLUMN
    texts = sample.texts
    if choice.text is not None:  # texts may come later
        texts = [name for name in sample.names if name not in sample.others]
    elif TEXT_COLUMN in sample.names:  # whatever the first rows have there
        texts = [TEXT_COLUMN]
    return choose_text_column(name, sample.names, texts, choice.text)


def _find_types(name: str, lines: Iterable[bytes], matters: Callable[[str], bool]) -> pa.Schema:
    """The columns of all objects in some lines, in the order in which they come up.

    Args:
        name: the input's name, for messages.
        lines: without their ends; those that are no objects are left to whoever reads the texts.
        matters: whether the type of a column matters; others are null.

    Raises:
        InputError: a column has values of several types.
    """
    schema = pa.schema([])
    objects = _objects(lines)
    while block := list(islice(objects, _BLOCK_ROWS)):
        keys = dict.fromkeys(key for values in block for key in values)
        fields = [
            pa.field(key, _find_type(name, key, block) if matters(key) else pa.null())
            for key in keys
        ]
        schema = merge_types(name, schema, pa.schema(fields))
    return schema


def _objects(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for line in filter(bytes.strip, lines):  # there may be very many blank ones
        with contextlib.suppress(_NotAnObjectError):
            yield _parse_object(replace_invalid_utf8(line)[0])


def _find_type(name: str, column: str, block: list[dict[str, Any]]) -> pa.DataType:
    try:
        return pa.array([without_surrogates(values.get(column)) for values in block]).type
    except (pa.ArrowException, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InputError(
            f"{name}: the values of {column} have no type in common, so that column cannot be kept",
            hint="leave it out of `keep`",
        ) from error


def _names_in(carried: Sequence[str]) -> set[str]:
    """The columns that choices may be about, with and without their new names."""
    return {*carried, *(word.partition("=")[0] for word in carried)}


def _all_lines(file: Input) -> Iterator[bytes]:
    """All lines of a file, opened once more."""
    with contextlib.closing(ByteStream.open(file)) as stream:
        for line, _ in LineReader(stream):
            yield line
