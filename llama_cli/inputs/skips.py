"""Rows of the inputs that are left out: why, and how many, up to any row."""

from __future__ import annotations

import threading
from typing import NamedTuple

from llama_cli.errors import BadRowError, InputError

BLANK = "blank"
# Entries before a good row: nobody meant to embed such an input.
_MOST_PENDING = 1_000_000


class SkippedRows(NamedTuple):
    """Consecutive lines or rows that are left out for the same reason."""

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
        """Whether they are only white space, which is no fault."""
        return self.reason == BLANK


class SkipLog:
    """What is left out, while reading runs ahead of the rows that are written.

    One thread may add while another takes.
    """

    def __init__(self, *, skip_bad_rows: bool) -> None:
        """Begin an empty log.

        Args:
            skip_bad_rows: leave out rows that cannot be used; else they raise.
        """
        self.skip_bad_rows = skip_bad_rows
        self._pending: list[SkippedRows] = []
        self._lock = threading.Lock()

    def of_input(self, input_index: int, name: str, unit: str = "line") -> InputSkips:
        """The part of the log of one input; ``unit`` is what its numbers count."""
        return InputSkips(self, input_index, name, unit)

    def add(self, input_index: int, line: int, reason: str, last: int | None = None) -> int:
        """Take note of one row, or of the lines up to the last.

        Returns:
            How many entries have not been taken yet.
        """
        last_line = line if last is None else last
        before = input_index, line - 1, reason
        with self._lock:
            newest = self._pending[-1] if self._pending else None
            if newest and (newest.input_index, newest.last, newest.reason) == before:
                self._pending[-1] = newest._replace(last=last_line)
            else:
                self._pending.append(SkippedRows(input_index, line, last_line, reason))
            return len(self._pending)

    def take(self, input_index: int, line: int) -> list[SkippedRows]:
        """What was left out up to a line of an input, in order, once."""
        end = input_index, line
        with self._lock:
            passed = [rows for rows in self._pending if (rows.input_index, rows.first) <= end]
            self._pending = [rows for rows in self._pending if (rows.input_index, rows.first) > end]
        return sorted(passed)

    def take_all(self) -> list[SkippedRows]:
        """What is left, in order."""
        with self._lock:
            rest, self._pending = self._pending, []
        return sorted(rest)


class InputSkips:
    """The part of the log of one input."""

    def __init__(self, log: SkipLog, input_index: int, name: str, unit: str) -> None:
        self.skip_bad_rows = log.skip_bad_rows
        self._log = log
        self._input_index = input_index
        self._name = name
        self._unit = unit

    def add_blank(self, line: int) -> None:
        """Take note of a text that is only white space."""
        self._log.add(self._input_index, line, BLANK)

    def add_bad(
        self, line: int, reason: str, *, last: int | None = None, hint: str | None = None
    ) -> None:
        """Take note of a row that cannot be used.

        Args:
            line: where it begins.
            reason: what is wrong with it.
            last: its last line, where it has several; all are counted.
            hint: another way out than to leave it out.

        Raises:
            BadRowError: such rows are not to be left out.
            InputError: too many of them came one after the other.
        """
        place = f"{self._name}, {self._unit} {line}"
        if not self._log.skip_bad_rows:
            raise BadRowError(
                f"{place}: {reason}" + (f", up to line {last}" if last and last > line else ""),
                hint=hint or "leave such rows out with `on_bad_row=skip`",
                option="on_bad_row",
            )
        if self._log.add(self._input_index, line, reason, last) > _MOST_PENDING:
            raise InputError(f"{place}: {reason}, and there is no good row for a million before")
