"""Rows of the inputs that are left out: why, and how many, up to any row."""

from __future__ import annotations

import threading
from typing import NamedTuple

from llama_cli.errors import BadRowError, InputError

BLANK = "blank"
# Unlike ones in a row, before any good one: nobody meant to embed that.
_MOST_PENDING = 1_000_000


class SkippedRows(NamedTuple):
    """Lines or rows one after the other that are left out for the same reason."""

    input_index: int
    first: int
    last: int
    reason: str

    @property
    def rows(self) -> int:
        """How many they are."""
        return self.last - self.first + 1

    @property
    def is_blank(self) -> bool:
        """Whether they have nothing but white space, which is not a fault."""
        return self.reason == BLANK


class SkipLog:
    """Takes note of what is left out while reading runs ahead of the rows that are written.

    One thread may add while another takes.
    """

    def __init__(self, *, skip_bad_rows: bool) -> None:
        """Nothing is left out yet.

        Args:
            skip_bad_rows: leave out rows that cannot be used; else they raise.
        """
        self.skip_bad_rows = skip_bad_rows
        self._pending: list[SkippedRows] = []
        self._lock = threading.Lock()

    def of_source(self, source: int, name: str, unit: str = "line") -> SourceSkips:
        """The part of the log of one input; ``unit`` is what its numbers count."""
        return SourceSkips(self, source, name, unit)

    def add(self, source: int, line: int, reason: str) -> int:
        """Take note of one row; returns how many unlike ones have not been taken yet."""
        with self._lock:
            last = self._pending[-1] if self._pending else None
            if last and (last.input_index, last.last, last.reason) == (source, line - 1, reason):
                self._pending[-1] = last._replace(last=line)
            else:
                self._pending.append(SkippedRows(source, line, line, reason))
            return len(self._pending)

    def take(self, source: int, line: int) -> list[SkippedRows]:
        """What was left out up to a line of an input, in order, once."""
        with self._lock:
            passed = [s for s in self._pending if (s.input_index, s.first) <= (source, line)]
            self._pending = [s for s in self._pending if (s.input_index, s.first) > (source, line)]
        return sorted(passed)

    def take_all(self) -> list[SkippedRows]:
        """What is left, in order."""
        with self._lock:
            rest, self._pending = self._pending, []
        return sorted(rest)


class SourceSkips:
    """The part of the log of one input."""

    def __init__(self, log: SkipLog, source: int, name: str, unit: str) -> None:
        self._log = log
        self._source = source
        self._name = name
        self._unit = unit

    def add_blank(self, line: int) -> None:
        """A text is only white space."""
        self._log.add(self._source, line, BLANK)

    def add_bad(self, line: int, reason: str) -> None:
        """A row cannot be used, for a reason that its place is put before.

        Raises:
            BadRowError: such rows are not to be left out.
            InputError: too many of them came one after the other.
        """
        place = f"{self._name}, {self._unit} {line}"
        if not self._log.skip_bad_rows:
            raise BadRowError(
                f"{place}: {reason}", hint="leave such rows out with --on-bad-row skip"
            )
        if self._log.add(self._source, line, reason) > _MOST_PENDING:
            raise InputError(f"{place}: {reason}, and there is no good row for a million before")
