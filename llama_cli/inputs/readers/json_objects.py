"""Objects of JSON as rows: their columns, the types of these, and the text in each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import pyarrow as pa

from llama_cli.errors import InputError
from llama_cli.inputs.carried import (
    ParsedRow,
    exact_values,
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
from llama_cli.inputs.skips import InputSkips
from llama_cli.records import TextRecord

# Objects whose types are found at a time.
_BLOCK_ROWS = 4096

_decode = json.JSONDecoder().decode  # `json.loads` guesses the encoding of each line anew

_KINDS = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
}


class NotAnObjectError(ValueError):
    """A row that cannot be used, with the reason."""


def parse_object(line: bytes) -> dict[str, Any]:
    """The object in a line of valid UTF-8.

    Raises:
        NotAnObjectError: there is none, or something else.
    """
    try:
        value = _decode(line.decode().removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        raise NotAnObjectError(f"broken JSON: {error.msg} at column {error.colno}") from error
    except RecursionError as error:
        raise NotAnObjectError("JSON nested too deeply") from error
    except ValueError as error:  # a number of thousands of digits
        raise NotAnObjectError(f"broken JSON: {error}") from error
    if not isinstance(value, dict):
        raise NotAnObjectError("not a JSON object")
    if b"\\ud" in line or b"\\uD" in line:  # perhaps half a surrogate, in a key as well
        value = {without_surrogates(key): item for key, item in value.items()}
    return value


class JsonRow(NamedTuple):
    """An object, and where it is."""

    values: dict[str, Any]
    number: int
    """Of its line or row, from 1."""
    end: int
    """Offset behind it, in bytes."""
    invalid_utf8: bool


def parse_row(row: JsonRow, columns: Columns, skips: InputSkips) -> ParsedRow | None:
    """The text of an object with the values to carry through; None where it is left out."""
    try:
        text, changed = replace_surrogates(_text_of(row.values, columns.text))
    except NotAnObjectError as error:
        skips.add_bad(row.number, str(error))
        return None
    if not text or text.isspace():
        skips.add_blank(row.number)
        return None
    record = TextRecord(text.encode(), row.number, row.end, row.invalid_utf8 or changed)
    get = row.values.get
    values = [None if name is None else get(name) for name in columns.carried]
    if columns.constants:
        named = zip(columns.carried, values, columns.defaults, strict=True)
        values = [default if name is None else value for name, value, default in named]
    return ParsedRow(record, values)


def _text_of(values: dict[str, Any], column: str) -> str:
    value = values.get(column)
    if isinstance(value, str):
        return value
    if column not in values:
        raise NotAnObjectError(f"there is no {column}")
    if value is None:
        raise NotAnObjectError(f"{column} is null")
    raise NotAnObjectError(f"{column} is {_KINDS[type(value)]}, not text")


def decides_text(values: dict[str, Any], choice: ColumnChoice) -> bool:
    """Whether an object tells by itself which column has the texts, whatever others have."""
    if choice.text is None:
        return TEXT_COLUMN in values
    return isinstance(values.get(choice.text), str)


def choose_text(name: str, objects: Sequence[dict[str, Any]], choice: ColumnChoice) -> str:
    """The column with the texts, by some objects; where there is none, reading on tells.

    Raises:
        InputError: there is no such column, or it has no text, or none is the obvious choice.
    """
    names = list(dict.fromkeys(key for values in objects for key in values))
    if not names:
        return choice.text or TEXT_COLUMN
    found = {key: [row[key] for row in objects if row.get(key) is not None] for key in names}
    texts = [key for key in names if any(isinstance(value, str) for value in found[key])]
    if choice.text is not None:  # texts may come later
        texts = [key for key in names if key in texts or not found[key]]
    elif TEXT_COLUMN in names:  # whatever the first rows have there
        texts = [TEXT_COLUMN]
    return choose_text_column(name, names, texts, choice.text)


def find_columns(
    name: str,
    objects: Iterable[dict[str, Any]],
    text: str,
    choice: ColumnChoice,
    limit: int | None,
) -> Columns:
    """The columns of all objects that are read, with their types.

    Args:
        name: the input's name, for messages.
        objects: all of them, from the first; only as many as needed are asked for.
        text: the column with the texts.
        choice: what the user said.
        limit: texts after which no more are read, or None.

    Raises:
        InputError: there is no such column, or one has values of several types.
        UsageError: two columns of the output would have the same name.
    """
    if not choice.carried:
        return Columns(text)
    named, every = _names_in(choice.carried), EVERY_COLUMN in choice.carried
    used = _up_to(limit, objects, text)
    schema = _find_types(name, used, lambda key: key in named or (every and key != text))
    if not schema.names and not choice.partition:
        return Columns(text)  # nothing that could be carried through, or missed
    return choose_columns(name, schema, text, choice)


def _up_to(
    limit: int | None, objects: Iterable[dict[str, Any]], text: str
) -> Iterator[dict[str, Any]]:
    """Objects up to that with the last text which is read."""
    missing = limit
    for values in objects:
        if missing == 0:
            return
        yield values
        value = values.get(text)
        if missing is not None and isinstance(value, str) and value and not value.isspace():
            missing -= 1
            if not missing:
                return


def _find_types(
    name: str, objects: Iterator[dict[str, Any]], matters: Callable[[str], bool]
) -> pa.Schema:
    """The columns of objects, in the order in which they come up.

    Args:
        name: the input's name, for messages.
        objects: the objects.
        matters: whether the type of a column matters; others are null.

    Raises:
        InputError: a column has values of several types.
    """
    schema = pa.schema([])
    while block := list(islice(objects, _BLOCK_ROWS)):
        keys = dict.fromkeys(key for values in block for key in values)
        fields = [
            pa.field(key, _find_type(name, key, block) if matters(key) else pa.null())
            for key in keys
        ]
        schema = merge_types(name, schema, pa.schema(fields))
    return schema


def _find_type(name: str, column: str, block: list[dict[str, Any]]) -> pa.DataType:
    try:
        values = [without_surrogates(row.get(column)) for row in block]
        try:
            kind = pa.array(values).type
        except OverflowError:
            kind = pa.array(values, pa.uint64()).type
        exact_values(values, kind)
    except (pa.ArrowException, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InputError(
            f"{name}: the values of {column} have no type in common, so that column cannot be kept",
            hint="leave it out of `keep`",
        ) from error
    return kind


def _names_in(carried: Sequence[str]) -> set[str]:
    """The columns that choices may be about, with and without their new names."""
    return {*carried, *(word.partition("=")[0] for word in carried)}
