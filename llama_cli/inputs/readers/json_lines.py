"""JSON Lines: an object a line."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import pyarrow as pa

from llama_cli.inputs.carried import ParsedRow, mend_surrogates, mended
from llama_cli.inputs.columns import Columns, merge_types, several_types
from llama_cli.inputs.readers.lines import MAX_LINE_BYTES, LineReader
from llama_cli.inputs.skips import SourceSkips
from llama_cli.inputs.utf8 import is_blank, repair
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


class NotAnObjectError(ValueError):
    """A line that cannot be used, with the reason."""


def read_json(lines: LineReader, columns: Columns, skips: SourceSkips) -> Iterator[ParsedRow]:
    """The texts of the objects in a column, and the values beside them."""
    for line, end in lines:
        number = lines.lines
        raw, invalid_utf8 = repair(line)
        if is_blank(raw):
            skips.add_blank(number)
            continue
        try:
            values = parse_object(raw)
            text, changed = mend_surrogates(_text_of(values, columns.text))
        except NotAnObjectError as error:
            skips.add_bad(number, str(error))
            continue
        if not text or text.isspace():
            skips.add_blank(number)
            continue
        lines.note(end)
        record = TextRecord(text.encode(), number, end, invalid_utf8 or changed)
        yield ParsedRow(
            record, [None if name is None else values.get(name) for name in columns.carried]
        )
        del line, raw, values, text, record  # they may be huge


def parse_object(line: bytes) -> dict[str, Any]:
    """The object in a line of valid UTF-8.

    Raises:
        NotAnObjectError: there is none, or another thing.
    """
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise NotAnObjectError(f"broken JSON: {error.msg} at column {error.colno}") from error
    except RecursionError as error:
        raise NotAnObjectError("JSON nested too deeply") from error
    except ValueError as error:  # a number of thousands of digits
        raise NotAnObjectError(f"broken JSON: {error}") from error
    if not isinstance(value, dict):
        raise NotAnObjectError("not a JSON object")
    if b"\\ud" in line or b"\\uD" in line:  # perhaps half a surrogate, in a key as well
        value = {mended(key): one for key, one in value.items()}
    return value


def _text_of(values: dict[str, Any], column: str) -> str:
    value = values.get(column)
    if isinstance(value, str):
        return value
    if column not in values:
        raise NotAnObjectError(f"there is no {column}")
    if value is None:
        raise NotAnObjectError(f"{column} is null")
    raise NotAnObjectError(f"{column} is {_KINDS[type(value)]}, not text")


def first_object() -> Callable[[bytes], bool]:
    """Tells of the beginning of a stream, which grows, whether it has an object by now."""
    seen = 0

    def is_there(ahead: bytes) -> bool:
        nonlocal seen
        start, seen = seen, ahead.rfind(b"\n") + 1
        if next(_objects(ahead[start:seen].split(b"\n")), None) is not None:
            return True
        return len(ahead) >= MAX_LINE_BYTES

    return is_there


class Sample(NamedTuple):
    """The columns of some lines, by what they have there."""

    names: list[str]
    texts: list[str]
    """Those with any text."""
    others: list[str]
    """Those with values of other types alone."""


def sample_columns(lines: Iterable[bytes]) -> Sample:
    """Look at the columns in some lines."""
    objects = list(_objects(lines))
    names = list(dict.fromkeys(key for values in objects for key in values))
    values = {name: [one[name] for one in objects if one.get(name) is not None] for name in names}
    texts = [name for name in names if any(isinstance(one, str) for one in values[name])]
    return Sample(names, texts, [name for name in names if values[name] and name not in texts])


def find_types(name: str, lines: Iterable[bytes], matters: Callable[[str], bool]) -> pa.Schema:
    """The columns of all objects in some lines, in the order in which they come up.

    Args:
        name: the input's name, for messages.
        lines: without their ends; those that are no objects are left to whoever reads the texts.
        matters: whether the type of a column matters; those that it is false of are null.

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
        with contextlib.suppress(NotAnObjectError):
            yield parse_object(repair(line)[0])


def _find_type(name: str, column: str, block: list[dict[str, Any]]) -> pa.DataType:
    try:
        return pa.array([mended(values.get(column)) for values in block]).type
    except (pa.ArrowException, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise several_types(name, column) from error
