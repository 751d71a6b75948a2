"""How inputs are read."""

from __future__ import annotations

from dataclasses import dataclass

EVERY_COLUMN = "*"


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What the user chose about reading.

    Attributes:
        format: name of the format of all inputs, or None to go by their names and first bytes.
        column: the column with the texts, or None for the obvious one.
        keep: columns to carry through: names, ``name=new``, or ``*`` for all.
        skip_bad_rows: leave out rows that cannot be used; else they end the run.
        limit: texts after which no more are read, or None.
    """

    format: str | None = None
    column: str | None = None
    keep: tuple[str, ...] = ()
    skip_bad_rows: bool = False
    limit: int | None = None
