"""Which columns of a table are used: the one with the texts, and those that are carried through."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from llama_cli.errors import InputError, UsageError
from llama_cli.inputs.carried import plain_type

TEXT_COLUMN = "text"
EVERY_COLUMN = "*"
_LISTED = 20  # names in a message


@dataclass(frozen=True, slots=True)
class ColumnChoice:
    """What the user said about columns.

    Attributes:
        text: the column with the texts, or None for the obvious one.
        carried: columns to carry through: names, ``name=new``, or ``*`` for all.
        reserved: names of the output's own columns, which those cannot have.
        partition: columns that the names of the input's folders give, and their values.
    """

    text: str | None = None
    carried: tuple[str, ...] = ()
    reserved: Sequence[str] = ()
    partition: Mapping[str, str | None] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one input that are read.

    Attributes:
        text: name of the column with the texts.
        carried: names of the columns carried through, in order, as the input has them; None for one
            that it does not have.
        schema: of the same columns as the output has them: their names there, and their types.
        constants: the value of a column that the input does not have, if not null, by its name in
            the output.
    """

    text: str
    carried: tuple[str | None, ...] = ()
    schema: pa.Schema = dataclasses.field(default_factory=lambda: pa.schema([]))
    constants: Mapping[str, str | None] = dataclasses.field(default_factory=dict)

    @property
    def defaults(self) -> list[str | None]:
        """What columns that the input does not have are filled with, for all that are carried."""
        return [self.constants.get(name) for name in self.schema.names]

    @property
    def names(self) -> list[str]:
        """Names of all columns to read, each once."""
        return list(
            dict.fromkeys((self.text, *(name for name in self.carried if name is not None)))
        )

    def aligned(self, schema: pa.Schema) -> Columns:
        """The same columns for an output that has others as well, in types that suit all."""
        own = dict(zip(self.schema.names, self.carried, strict=True))
        carried = tuple(own.get(name) for name in schema.names)
        return Columns(self.text, carried, schema, self.constants)


def refuse_same_names(name: str, columns: Sequence[str], used: Iterable[str]) -> None:
    """Refuse columns that cannot be told apart by their names.

    Raises:
        InputError: one that is used has the name of another.
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
        wanted = TEXT_COLUMN  # no other will do instead
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
    shown = ", ".join(columns[:_LISTED])
    rest = len(columns) - _LISTED
    return f"{are}: {shown}" + (f" and {rest} more" if rest > 0 else "")


def choose_columns(name: str, schema: pa.Schema, text: str, choice: ColumnChoice) -> Columns:
    """The column with the texts, and those carried through.

    Args:
        name: the table's name, for messages.
        schema: of all its columns.
        text: the column with the texts, which ``*`` leaves out: it is in the output already.
        choice: what the user said.

    Raises:
        InputError: there is no such column.
        UsageError: two columns of the output would have the same name.
    """
    partition = {key: v for key, v in choice.partition.items() if key not in schema.names}
    names = _chosen_names(name, [*schema.names, *partition], text, choice.carried)
    refuse_same_names(name, schema.names, (text, *names))
    _refuse_alike_names(name, names.values())
    for new in names.values():
        if new.casefold() in map(str.casefold, choice.reserved):
            old = next(old for old in names if names[old] == new)
            raise UsageError(
                f"{name}: a carried column cannot be called {new}, as one of the output is",
                hint=f"give it another name: `keep={old}=input_{old}`",
                option="keep",
            )
    # New fields, so that nothing of the file's own metadata comes along.
    fields = [
        pa.field(new, pa.string() if old in partition else plain_type(schema.field(old).type))
        for old, new in names.items()
    ]
    carried = tuple(None if old in partition else old for old in names)
    constants = {new: partition[old] for old, new in names.items() if old in partition}
    return Columns(text, carried, pa.schema(fields), constants)


def _refuse_alike_names(name: str, names: Iterable[str]) -> None:
    """Refuse names that DuckDB, Spark and Hive cannot tell apart."""
    seen: dict[str, str] = {}
    for new in names:
        other = seen.setdefault(new.casefold(), new)
        if other != new:
            raise UsageError(
                f"{name}: {other} and {new} are one column to DuckDB and Spark",
                hint=f"give one another name: `keep={new}=other_{new}`",
                option="keep",
            )


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
