"""What other tools write is read exactly, with the right numbers."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.inputs.reading import Reading, non_blank
from tests.inputs.writers import CSV, FORMATS, Table

TEXTS = [
    *("water", None, "", " \t", "\u3000", "one, two; three|four\tfive", 'he said "light"', '"'),
    *("two\nlines", "\n\nbehind blank lines", "a\r\nb", "é 한국어 😀", "\u2028x\x85", "\\n \\"),
    *("5", "2024-01-01", "true", "null", "NULL", "NaN", "'", "=1+1", "#", "last"),
]
TABLE: Table = {
    "id": [str(number) for number in range(len(TEXTS))],
    "text": TEXTS,
    "other": [text and text[::-1].replace("\n\r", " ") for text in TEXTS],
}
WRITERS = [(suffix, name) for suffix, writers in FORMATS.items() for name in writers]

# No NUL, which DuckDB refuses, and no lone carriage return, which pandas writes without quotes.
_letters = st.one_of(
    st.sampled_from(",;\t|\"'\n\\ \u2028\ufeff"),
    st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"),
)
# The last one shows which type the column has.
_values = st.lists(st.one_of(st.none(), st.text(_letters, max_size=8)), max_size=9).map(
    lambda values: [*values, "end"]
)


def expected(suffix: str, table: Table) -> list[tuple[int, str]]:
    """Rows; of CSV, lines where they begin."""
    numbered = non_blank(table["text"])
    if suffix != ".csv":
        return numbered
    rows = list(zip(*table.values(), strict=True))
    heights = [1 + sum((value or "").count("\n") for value in row) for row in rows]
    return [(1 + sum(heights[: row - 1]) + 1, text) for row, text in numbered]


@pytest.mark.parametrize(("suffix", "writer"), WRITERS)
def test_a_table_by_any_tool(tmp_path: Path, suffix: str, writer: str) -> None:
    path = tmp_path / f"table{suffix}"
    FORMATS[suffix][writer](TABLE, path)
    reading = Reading(path, on_bad_row="skip", keep="id,other")
    assert reading.lines_and_texts == expected(suffix, TABLE)
    rows = [int(row["id"]) for row in reading.carried]
    assert [TEXTS[row] for row in rows] == reading.texts
    others = [TABLE["other"][row] for row in rows]
    assert [row["other"] for row in reading.carried] == others
    bad = [one for one in reading.skipped if not one.is_blank]
    if suffix == ".csv":
        assert not bad
    else:
        assert [(one.first, one.last, one.reason) for one in bad] == [(2, 2, "text is null")]
    assert sum(one.rows for one in reading.skipped) == len(TEXTS) - len(rows)
    assert not any(record.invalid_utf8 for record in reading.records)


@pytest.mark.parametrize(("suffix", "writer"), WRITERS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(values=_values)
def test_any_strings_by_any_tool(suffix: str, writer: str, values: list[str | None]) -> None:
    table: Table = {"text": values, "same": values}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"table{suffix}"
        FORMATS[suffix][writer](table, path)
        reading = Reading(path, on_bad_row="skip", keep="same", column="text")
    assert reading.lines_and_texts == expected(suffix, table)
    assert [row["same"] for row in reading.carried] == reading.texts


# A header of one column does not show that semicolons or tabs separate fields.
@pytest.mark.parametrize("writer", [name for name in CSV if not name.endswith((" ;", " tabs"))])
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(values=_values)
def test_a_single_column_of_csv(writer: str, values: list[str | None]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        CSV[writer]({"words": values}, path)
        reading = Reading(path, column="words")
    assert reading.lines_and_texts == expected(".csv", {"text": values})
