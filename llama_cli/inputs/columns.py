"""Which columns of a table are used: the one with the texts, and those that are carried through."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from llama_cli.errors import InputError, UsageError
from llama_cli.inputs.options import EVERY_COLUMN

TEXT_COLUMN = "text"
_SHOWN = 20
_DEEPEST = 30


@dataclass(frozen=True, slots=True)
class Columns:
    """What is read of a table.

    Attributes:
        text: name of the column with the texts.
        kept: names of the columns carried through, in order, as the table has them; None for one
            that only other inputs have.
        schema: of the same columns as the output has them: their names there, and their types.
    """

    text: str
    carried: tuple[str | None, ...] = ()
    schema: pa.Schema = dataclasses.field(default_factory=lambda: pa.schema([]))

    @property
    def names(self) -> list[str]:
        """Names of all columns to read."""
        return list(
            dict.fromkeys((self.text, *(name for name in self.carried if name is not None)))
        )

    def aligned(self, schema: pa.Schema) -> Columns:
        """The same columns for an output that has others as well, in types that suit all."""
        own = dict(zip(self.schema.names, self.carried, strict=True))
        return Columns(self.text, tuple(own.get(name) for name in schema.names), schema)


def refuse_twins(name: str, columns: Sequence[str], used: Iterable[str]) -> None:
    """Two columns of one name cannot be told apart.

    Raises:
        InputError: one that is used has a twin.
    """
    for column in used:
        if list(columns).count(column) > 1:
            raise InputError(f"{name}: has several columns called {column}", hint="rename one")


def choose_text_column(
    name: str, columns: Sequence[str], texts: Sequence[str], wanted: str | None
) -> str:
    """The column whose texts are embedded.

    Args:
        name: the table's name, for messages.
        columns: names of all its columns.
        texts: names of those that hold text.
        wanted: the user's choice, or None.

    Raises:
        InputError: there is no such column, or it has no text, or none is the obvious choice.
    """
    if wanted is None and TEXT_COLUMN in columns:
        wanted = TEXT_COLUMN  # no other is taken in its place
    if wanted is not None:
        if wanted not in columns:
            raise InputError(
                f"{name}: has no column {wanted}", hint=suggest_column(wanted, columns)
            )
        if wanted not in texts:
            raise InputError(
                f"{name}: the column {wanted} does not hold text",
                hint=_listing(texts, "those with text are") if texts else "none does",
            )
        return wanted
    if len(texts) == 1:
        return texts[0]
    if not texts:
        raise InputError(f"{name}: no column holds text", hint=_listing(columns))
    raise InputError(
        f"{name}: which column holds the texts?", hint=f"name it with `column`; {_listing(texts)}"
    )


def suggest_column(wanted: str, columns: Iterable[str]) -> str:
    """What the user may have meant, else all there is."""
    columns = list(columns)
    close = difflib.get_close_matches(wanted.lower(), [c.lower() for c in columns], n=1)
    if close:
        meant = next(column for column in columns if column.lower() == close[0])
        return f"did you mean {meant}?"
    return _listing(columns)


def _listing(columns: Sequence[str], are: str = "there are") -> str:
    shown = ", ".join(columns[:_SHOWN])
    rest = len(columns) - _SHOWN
    return f"{are}: {shown}" + (f" and {rest} more" if rest > 0 else "")


def choose_kept(
    name: str, schema: pa.Schema, text: str, wanted: Sequence[str], taken: Sequence[str]
) -> Columns:
    """The columns carried through.

    Args:
        name: the table's name, for messages.
        schema: of all its columns.
        text: the column with the texts, which ``*`` leaves out: it is in the output already.
        wanted: names, ``name=new`` to give one another name, or ``*`` for all.
        taken: names of the output's own columns.

    Raises:
        InputError: there is no such column.
        UsageError: two columns of the output would have the same name.
    """
    names = _chosen_names(name, schema.names, text, wanted)
    refuse_twins(name, schema.names, (text, *names))
    for new in names.values():
        if new in taken:
            old = next(old for old in names if names[old] == new)
            raise UsageError(
                f"{name}: a carried column cannot be called {new}, as one of the output is",
                hint=f"give it another name: `keep={old}=input_{old}`",
                option="keep",
            )
    # New fields, so that nothing of the file's own metadata comes along.
    fields = [pa.field(new, plain_type(schema.field(old).type)) for old, new in names.items()]
    return Columns(text, tuple(names), pa.schema(fields))


def _chosen_names(
    name: str, columns: Sequence[str], text: str, wanted: Sequence[str]
) -> dict[str, str]:
    """The names in the output by those in the table."""
    chosen: dict[str, str] = {}
    named: set[str] = set()
    for word in wanted:
        if word == EVERY_COLUMN:
            chosen |= {column: chosen.get(column, column) for column in columns if column != text}
            continue
        old, renamed, new = (word, "", word) if word in columns else word.partition("=")
        if not old or (renamed and not new):
            raise UsageError(f"`keep={word}`: the name of a column is empty", option="keep")
        if old not in columns:
            raise InputError(
                f"{name}: has no column {old} to keep", hint=suggest_column(old, columns)
            )
        if old in named and chosen[old] != new:
            raise UsageError(
                f"`keep`: {old} is named twice, and can be carried once only", option="keep"
            )
        named.add(old)
        chosen[old] = new
    for new in chosen.values():
        if list(chosen.values()).count(new) > 1:
            raise UsageError(f"`keep`: two columns would be called {new}", option="keep")
    return chosen


def merge_types(name: str, one: pa.Schema, other: pa.Schema) -> pa.Schema:
    """Both sets of columns in types that hold the values of both, as integers and floats do.

    Raises:
        InputError: there is no such type.
    """
    try:
        return pa.unify_schemas([one, other], promote_options="permissive")
    except pa.ArrowException as error:
        for field in other:
            if field.name in one.names and not _can_be_one(one.field(field.name), field):
                raise InputError(
                    f"{name}: {field.name} is {field.type} here and {one.field(field.name).type} "
                    "before, so that column cannot be kept",
                    hint="leave it out of `keep`, or make them alike",
                ) from error
        raise


def _can_be_one(one: pa.Field, other: pa.Field) -> bool:
    try:
        pa.unify_schemas([pa.schema([one]), pa.schema([other])], promote_options="permissive")
    except pa.ArrowException:
        return False
    return True


def several_types(name: str, column: str) -> InputError:
    """The error of a carried column whose values have no type in common."""
    return InputError(
        f"{name}: the values of {column} have no type in common, so that column cannot be kept",
        hint="leave it out of `keep`",
    )


def _find_fault(kind: pa.DataType, depth: int = 0) -> str | None:
    """Why Parquet cannot hold such values."""
    if depth > _DEEPEST:
        return "is nested too deeply"
    if pa.types.is_struct(kind) and not kind.num_fields:
        return "has an empty object in all rows"
    parts = (kind.field(number).type for number in range(kind.num_fields))
    return next((fault for part in parts if (fault := _find_fault(part, depth + 1))), None)


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The same without what depends on a file: dictionaries, and views of strings."""
    if pa.types.is_dictionary(kind):
        return plain_type(kind.value_type)
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        return pa.large_string() if pa.types.is_string_view(kind) else pa.large_binary()
    if pa.types.is_struct(kind):
        return pa.struct([part.with_type(plain_type(part.type)) for part in kind])
    make = pa.large_list if pa.types.is_large_list(kind) else pa.list_
    if pa.types.is_large_list(kind) or pa.types.is_list(kind):
        return make(kind.value_field.with_type(plain_type(kind.value_type)))
    return kind


def storable(schema: pa.Schema) -> pa.Schema:
    """The columns in types that a Parquet file can have, where all values are null or empty.

    Raises:
        InputError: an object has no keys in any row.
    """
    fields = []
    for field in schema:
        if fault := _find_fault(field.type):
            raise InputError(
                f"{field.name} {fault}, so that column cannot be kept",
                hint="leave it out of `keep`",
            )
        fields.append(field.with_type(pa.string()) if pa.types.is_null(field.type) else field)
    return pa.schema(fields)
