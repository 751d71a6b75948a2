"""Columns that are carried through: their types, and values of JSON and CSV as columns of Arrow."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from types import NoneType
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from llama_cli.errors import InputError
from llama_cli.inputs.skips import InputSkips
from llama_cli.records import CarriedRow, TextRecord

# Values are made into columns of so many rows, or of so many bytes of text.
_BLOCK_ROWS = 64
_BLOCK_BYTES = 1 << 16
_DEEPEST = 30  # levels of nested types
_DECIMAL_DIGITS = 38  # that DuckDB, Spark and polars read

_LISTS: dict[type, Callable[[pa.Field], pa.DataType]] = {
    pa.ListType: pa.list_,
    pa.LargeListType: pa.large_list,
    pa.ListViewType: pa.list_,
    pa.LargeListViewType: pa.large_list,
}
_ARRAYS = {pa.ListType: pa.ListArray, pa.LargeListType: pa.LargeListArray}


def merge_types(name: str, before: pa.Schema, schema: pa.Schema) -> pa.Schema:
    """Both sets of columns, in types that hold the values of both, as floats do for integers.

    Args:
        name: of the input that has the second set, for messages.
        before: the columns of the inputs before it.
        schema: its own.

    Raises:
        InputError: there is no such type.
    """
    try:
        merged = pa.unify_schemas([before, schema], promote_options="permissive")
    except pa.ArrowException:
        merged = None
    for field in schema:
        other = before.field(field.name) if field.name in before.names else field
        if not _have_common_type(other, field):
            raise InputError(
                f"{name}: {field.name} is {field.type} here and {other.type} before, so that "
                "column cannot be kept",
                hint="leave it out of `keep`, or make them alike",
            )
    if merged is None:
        raise InputError(f"{name}: its columns do not go with those before", option="keep")
    return merged


def _have_common_type(*fields: pa.Field) -> bool:
    """Whether a type holds the values of both just as they are."""
    try:
        merged = pa.unify_schemas(
            [pa.schema([field]) for field in fields], promote_options="permissive"
        )
    except pa.ArrowException:
        return False
    return not any(_changes_values(field.type, merged.field(0).type) for field in fields)


def _changes_values(kind: pa.DataType, merged: pa.DataType) -> bool:
    """Whether values become others without an error: decimal fractions floats, texts bytes."""
    if pa.types.is_decimal(kind):
        return not pa.types.is_decimal(merged)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return bool(pa.types.is_binary(merged) or pa.types.is_large_binary(merged))
    if pa.types.is_struct(kind):
        return any(_changes_values(field.type, merged.field(field.name).type) for field in kind)
    if isinstance(kind, pa.ListType | pa.LargeListType | pa.FixedSizeListType):
        return _changes_values(kind.value_type, merged.value_type)
    return False


def storable(schema: pa.Schema) -> pa.Schema:
    """The columns in types that a Parquet file can have, where all values are null or empty.

    Raises:
        InputError: an object has no keys in any row.
    """
    fields = []
    for field in schema:
        if reason := _unstorable(field.type):
            raise InputError(
                f"{field.name} {reason}, so that column cannot be kept",
                hint="leave it out of `keep`",
            )
        fields.append(field.with_type(pa.string()) if pa.types.is_null(field.type) else field)
    return pa.schema(fields)


def _unstorable(kind: pa.DataType, depth: int = 0) -> str | None:
    """Why Parquet cannot hold such values, or few readers would read them; None where it can."""
    if depth > _DEEPEST:
        return "is nested too deeply"
    if pa.types.is_struct(kind) and not kind.num_fields:
        return "has an empty object in all rows"
    if pa.types.is_union(kind) or pa.types.is_interval(kind) or pa.types.is_decimal256(kind):
        return f"is {kind}"
    inner = (kind.field(number).type for number in range(kind.num_fields))
    return next((reason for item in inner if (reason := _unstorable(item, depth + 1))), None)


def plain_type(kind: pa.DataType) -> pa.DataType:  # noqa: PLR0911 - one for each kind
    """The same in types that all readers of Parquet have: no dictionaries, views or extensions."""
    if isinstance(kind, pa.BaseExtensionType):
        return plain_type(kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return plain_type(kind.value_type)
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        return pa.large_string() if pa.types.is_string_view(kind) else pa.large_binary()
    if pa.types.is_decimal(kind) and kind.precision <= _DECIMAL_DIGITS:
        return pa.decimal128(kind.precision, kind.scale)
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(plain_type(field.type)) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(plain_type(kind.key_type), plain_type(kind.item_type))
    if make := _LISTS.get(type(kind)):
        return make(kind.value_field.with_type(plain_type(kind.value_type)))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(kind.value_field.with_type(plain_type(kind.value_type)), kind.list_size)
    return kind


def plain_array(  # noqa: PLR0911 - one for each kind
    array: pa.Array, hidden: np.ndarray | None = None
) -> pa.Array:
    """The same values in the type that `plain_type` gives.

    Args:
        array: any values.
        hidden: (values,) which are in something that is null. They may be anything, an index that
            is not in the dictionary, too.

    Raises:
        pa.ArrowException: Arrow cannot do it.
    """
    kind = array.type
    plain = plain_type(kind)
    if kind.equals(plain):
        return array
    if isinstance(kind, pa.BaseExtensionType):
        return plain_array(array.storage, hidden)
    if pa.types.is_run_end_encoded(kind):
        return plain_array(pc.run_end_decode(array), hidden)
    if pa.types.is_dictionary(kind):
        indices = array.indices
        if hidden is not None and hidden.any():
            indices = pc.if_else(pa.array(hidden), None, indices)
        return plain_array(array.dictionary).take(indices)
    if not pa.types.is_nested(kind):
        return array.cast(plain)
    if hidden is None:
        hidden = np.zeros(len(array), bool)
    hidden = hidden | np.asarray(array.is_null())
    if pa.types.is_struct(kind):
        children = [plain_array(array.field(number), hidden) for number in range(kind.num_fields)]
        return pa.StructArray.from_arrays(children, fields=[*plain], mask=array.is_null())
    return _plain_lists(array, plain, hidden)


def _plain_lists(array: pa.Array, plain: pa.DataType, hidden: np.ndarray) -> pa.Array:
    """Lists of any kind, and maps; only the values in them, of which a slice has few."""
    kind, missing = array.type, array.is_null()
    if pa.types.is_fixed_size_list(kind):
        size = kind.list_size
        values = array.values.slice(array.offset * size, len(array) * size)
        child = plain_array(values, np.repeat(hidden, size))
        return pa.FixedSizeListArray.from_arrays(child, type=plain, mask=missing)
    if pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
        offsets = np.zeros(len(array) + 1, np.int64)
        np.cumsum(pc.fill_null(pc.list_value_length(array), 0), out=offsets[1:])
        values = array.flatten()
    elif len(array):
        offsets = np.asarray(array.offsets)
        first, last = int(offsets[0]), int(offsets[-1])
        offsets, values = offsets - first, array.values.slice(first, last - first)
    else:
        return pa.array([], plain)
    hidden = np.repeat(hidden, np.diff(offsets))
    if pa.types.is_map(kind):
        keys = plain_array(values.field(0))  # none is null
        items = plain_array(values.field(1), hidden)
        return pa.MapArray.from_arrays(offsets, keys, items, plain, mask=missing)
    make = type(plain)
    offset_type = np.int32 if make is pa.ListType else np.int64
    child = plain_array(values, hidden)
    return _ARRAYS[make].from_arrays(offsets.astype(offset_type), child, plain, mask=missing)


class ParsedRow(NamedTuple):
    """A text, and its values in the order of the carried columns."""

    record: TextRecord
    values: Sequence[Any]


def attach_carried(
    rows: Iterator[ParsedRow], schema: pa.Schema, skips: InputSkips, most: int | None
) -> Iterator[TextRecord]:
    """The records with their carried columns.

    Args:
        rows: texts and values.
        schema: of the columns that the values become.
        skips: takes note of rows with a value that does not fit its column.
        most: rows that are wanted, beyond which none is read; None for all.
    """
    if not schema.names:
        yield from (row.record for row in rows)
        return
    missing = sys.maxsize if most is None else most
    while missing and (block := list(_read_block(rows, min(missing, _BLOCK_ROWS)))):
        for record in _convert(block, schema, skips):
            missing -= 1
            yield record


def _read_block(rows: Iterator[ParsedRow], most: int) -> Iterator[ParsedRow]:
    size = 0
    for row in islice(rows, most):
        yield row
        size += len(row.record.text)
        if size >= _BLOCK_BYTES:
            return


def _convert(block: list[ParsedRow], schema: pa.Schema, skips: InputSkips) -> Iterator[TextRecord]:
    try:
        batch = _to_batch(block, schema)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        if len(block) == 1:
            skips.add_bad(block[0].record.line, _name_misfit(block[0], schema) or str(error))
            return
        for row in block:
            yield from _convert([row], schema, skips)
        return
    for number, row in enumerate(block):
        yield TextRecord(*row.record[:-1], CarriedRow(batch, number))


def _to_batch(block: Sequence[ParsedRow], schema: pa.Schema) -> pa.RecordBatch:
    columns = [
        pa.array(exact_values([row.values[number] for row in block], field.type), field.type)
        for number, field in enumerate(schema)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _name_misfit(row: ParsedRow, schema: pa.Schema) -> str | None:
    """Which value does not fit its column's type."""
    for value, field in zip(row.values, schema, strict=True):
        try:
            pa.array(exact_values([value], field.type), field.type)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            return f"the value of {field.name} is not {field.type}"
    return None


def exact_values(values: Sequence[Any], kind: pa.DataType) -> list[Any]:
    """Values of JSON as Arrow takes them for a column, which it would make fit otherwise.

    Raises:
        TypeError: Arrow would change one: it takes 4.5 for 4 and true for 1.0, and leaves out keys.
    """
    if pa.types.is_nested(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        convert = _exact(kind)
        return [None if value is None else convert(value) for value in values]
    if not {*map(type, values)} <= {NoneType, *_numbers(kind)}:
        raise TypeError
    return list(values)


def _exact(kind: pa.DataType) -> Callable[[Any], Any]:
    """A function for values that are not null."""
    if pa.types.is_struct(kind):
        return _exact_object({field.name: _exact(field.type) for field in kind})
    if isinstance(kind, pa.ListType | pa.LargeListType | pa.FixedSizeListType):
        return _exact_list(_exact(kind.value_type))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _exact_string
    return _exact_scalar(*_numbers(kind))


def _numbers(kind: pa.DataType) -> tuple[type, ...]:
    """What Python has for values of a type of numbers; true is none."""
    if pa.types.is_boolean(kind):
        return (bool,)
    if pa.types.is_floating(kind):
        return (int, float)
    return (int,)  # for whole numbers, and decimal fractions that other inputs have


def _exact_scalar(*kinds: type) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        if type(value) not in kinds:
            raise TypeError
        return value

    return convert


def _exact_string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value if value.isascii() else replace_surrogates(value)[0]


def _exact_list(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def convert_all(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise TypeError
        return [None if item is None else convert(item) for item in value]

    return convert_all


def _exact_object(fields: dict[str, Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def convert(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise TypeError
        exact = {}
        for key, item in value.items():
            name = without_surrogates(key)
            if name not in fields:
                raise TypeError
            exact[name] = None if item is None else fields[name](item)
        return exact

    return convert


def without_surrogates(value: Any) -> Any:
    """The value with U+FFFD for half surrogates, which JSON can write and UTF-8 cannot."""
    if isinstance(value, str):
        return replace_surrogates(value)[0] if not value.isascii() else value
    if isinstance(value, list):
        return [without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {without_surrogates(key): without_surrogates(item) for key, item in value.items()}
    return value


def replace_surrogates(text: str) -> tuple[str, bool]:
    """The text with pairs of surrogates joined and lone ones as U+FFFD; whether it had any."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"), True
    return text, False
