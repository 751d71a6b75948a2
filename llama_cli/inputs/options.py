"""How inputs are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

EVERY_COLUMN = "*"

OnBadRow = Literal["error", "skip"]


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What the user chose about reading.

    Attributes:
        format: name of the format of all inputs, or None to go by their names and first bytes.
        column: the column with the texts, or None for the obvious one.
        keep: columns to carry through: names, ``name=new``, or ``*`` for all.
        on_bad_row: ``skip`` rows that cannot be used, or raise `BadRowError` (``error``).
        limit: texts after which no more are read, or None.
    """

    format: str | None = None
    column: str | None = None
    keep: tuple[str, ...] = ()
    on_bad_row: OnBadRow = "error"
    limit: int | None = None
