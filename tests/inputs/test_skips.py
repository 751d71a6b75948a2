"""Taking note of rows that are left out, and handing that out in the order of the inputs."""

from __future__ import annotations

import pytest

from llama_cli.errors import BadRowError, InputError
from llama_cli.inputs import skips
from llama_cli.inputs.skips import SkipLog, SkippedRows


def test_they_come_in_order_and_once() -> None:
    """A value that does not fit is found after rows behind it were seen to be bad."""
    log = SkipLog(skip_bad_rows=True)
    own = log.of_input(0, "a.csv")
    own.add_bad(7, "later")
    own.add_bad(3, "earlier")
    log.of_input(1, "b.csv").add_blank(1)
    earlier, later = SkippedRows(0, 3, 3, "earlier"), SkippedRows(0, 7, 7, "later")
    assert log.take(0, 2) == []
    assert log.take(0, 9) == [earlier, later]
    assert log.take(0, 9) == []
    assert log.take_all() == [SkippedRows(1, 1, 1, "blank")]


def test_alike_ones_one_after_the_other_are_one_entry() -> None:
    log = SkipLog(skip_bad_rows=True)
    own = log.of_input(0, "a.txt")
    for line in (1, 2, 3, 5):
        own.add_blank(line)
    own.add_bad(6, "broken")
    entries = log.take_all()
    assert [(one.first, one.last, one.rows, one.is_blank) for one in entries] == [
        (1, 3, 3, True),
        (5, 5, 1, True),
        (6, 6, 1, False),
    ]


def test_a_bad_row_is_an_error_unless_it_may_be_left_out() -> None:
    own = SkipLog(skip_bad_rows=False).of_input(0, "a.parquet", "row")
    with pytest.raises(BadRowError, match=r"^a.parquet, row 4: text is null$"):
        own.add_bad(4, "text is null")


def test_hopeless_inputs_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skips, "_MOST_PENDING", 10)
    own = SkipLog(skip_bad_rows=True).of_input(0, "a.csv")
    for line in range(1, 11):
        own.add_bad(line, f"reason {line}")
    with pytest.raises(InputError, match=r"^a.csv, line 11: reason 11, and there is no good row"):
        own.add_bad(11, "reason 11")
