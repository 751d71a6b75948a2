"""CSV: its header, its columns, and where its rows begin."""

from __future__ import annotations

import csv
import io
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from llama_cli.errors import InputError
from llama_cli.inputs.readers.base import Quoting, RowOptions
from tests.inputs.conftest import WriteRows
from tests.inputs.reading import Reading

Read = Callable[..., Reading]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read_content(content: str | bytes, name: str = "in.csv", **options: object) -> Reading:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return Reading(path, **options)

    return read_content


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("last", ["", "end"])
def test_each_way_of_writing_it(
    read: Read, delimiter: str, newline: str, mark: str, last: str
) -> None:
    rows = [["id", "text"], ["1", "one"], ["2", '"two ,;\t| ""2"""'], ["3", '"a\n\r\nb"']]
    content = newline.join(delimiter.join(row) for row in rows) + (newline if last else "")
    reading = read(mark + content, keep="*")
    assert reading.lines_and_texts == [(2, "one"), (3, 'two ,;\t| "2"'), (4, "a\n\r\nb")]
    assert reading.carried == [{"id": "1"}, {"id": "2"}, {"id": "3"}]


def test_rows_are_numbered_by_the_line_where_they_begin(read: Read) -> None:
    content = 'text,id\n"one\n1",1\n\n"two\n\n2",2\n , \nthree,"3\n3"\nfour,4'
    reading = read(content)
    assert [record.line for record in reading.records] == [2, 5, 9, 11]
    assert reading.left_out == [(4, 4, "blank"), (8, 8, "blank")]
    before = [content.index(piece) for piece in ('\n"two', " , ", "four")]
    assert [record.offset for record in reading.records] == [*before, len(content)]


def test_a_header_over_two_lines(read: Read) -> None:
    reading = read('"the\ntext",id\none,1\n', column="the\ntext", keep="id")
    assert reading.lines_and_texts == [(3, "one")]
    assert reading.carried == [{"id": "1"}]


def test_delimiters_inside_the_quotes_of_a_header_do_not_count(read: Read) -> None:
    reading = read('"a,b,c";"d,e";text\n1;2;one\n', keep="*")
    assert reading.texts == ["one"]
    assert reading.carried == [{"a,b,c": "1", "d,e": "2"}]


def test_a_tsv_file_may_have_commas_in_its_header(read: Read) -> None:
    reading = read("a,b,c\ttext\n1,2,3\tone, two\n", "in.tsv", keep="*")
    assert reading.texts == ["one, two"]
    assert reading.carried == [{"a,b,c": "1,2,3"}]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("id,price,when,ok,at,body", "1,2.5,2024-01-31,true,2024-01-31 12:00:00,some words"),
        ("id,body\n,", "7,some words"),
        ("id,body\n1", "7,some words"),
    ],
)
def test_the_only_column_that_is_no_number_date_or_truth_value(
    read: Read, header: str, row: str
) -> None:
    assert read(f"{header}\n{row}\n{row}\n", on_bad_row="skip").texts == ["some words"] * 2


def test_a_column_called_text_is_taken_before_others(read: Read) -> None:
    assert read("title,text,body\na,b,c\n").texts == ["b"]


@pytest.mark.parametrize("rows", ["5\n6\n", "NA\nnull\n", "2024-01-01\ntrue\n"])
def test_a_column_that_is_named_is_taken_whatever_it_looks_like(read: Read, rows: str) -> None:
    assert read("n\n" + rows, column="n").texts == rows.split()


@pytest.mark.parametrize(
    ("content", "options", "message", "hint"),
    [
        ("id,a,b\n1,x,y\n", {}, "which column holds the texts?", "there are: a, b"),
        ("id,n\n1,2\n", {}, "no column holds text", "there are: id, n"),
        ("id,title\n1,x\n", {"column": "titel"}, "has no column titel", "did you mean title?"),
        ("id,title\n1,x\n", {"column": "TITLE"}, "has no column TITLE", "did you mean title?"),
        ("id,title\n1,x\n", {"column": "q"}, "has no column q", "there are: id, title"),
        ("text,text\na,b\n", {}, "has several columns called text", "rename one"),
        ("text,n,n\na,1,2\n", {"keep": "*"}, "has several columns called n", "rename one"),
        ("text,n\na,1\n", {"keep": "m"}, "has no column m to keep", "there are: text, n"),
        ('"text,n\na,1\n', {}, "its header is broken CSV", ""),
    ],
)
def test_what_cannot_be_known_is_an_error_that_lists_the_columns(
    read: Read, content: str, options: dict[str, str], message: str, hint: str
) -> None:
    with pytest.raises(InputError, match=r"^in\.csv: ") as caught:
        read(content, **options)
    assert message in str(caught.value)
    assert hint in (caught.value.hint or "")


def test_many_columns_are_not_all_listed(read: Read) -> None:
    names = [f"c{number}" for number in range(30)]
    with pytest.raises(InputError) as caught:
        read(",".join(names) + "\n" + ",".join("x" for _ in names) + "\n")
    assert str(caught.value.hint).endswith(", c18, c19 and 10 more")


BAD_ROWS = {
    "one": "1 fields instead of 2",
    "one,1,2": "3 fields instead of 2",
    '"a\nb",1,2': "3 fields instead of 2",
    '"one"x,1': "broken CSV: ',' expected after '\"'",
    "o\rne,1": "broken CSV: a carriage return in the middle of a line",
}


@pytest.mark.parametrize(("row", "reason"), BAD_ROWS.items())
def test_a_bad_row_is_named(read: Read, row: str, reason: str) -> None:
    content = f"text,id\nfirst,0\n{row}\n\nlast,9\n"
    with pytest.raises(InputError) as caught:
        read(content)
    last = 3 + row.count("\n")
    up_to = f", up to line {last}" if last > 3 else ""
    assert str(caught.value) == f"in.csv, line 3: {reason}{up_to}"
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("leave such rows out with `on_bad_row=skip`")
    reading = read(content, on_bad_row="skip", keep="id")
    assert reading.texts == ["first", "last"]
    assert reading.carried == [{"id": "0"}, {"id": "9"}]
    assert reading.left_out == [(3, last, reason), (last + 1, last + 1, "blank")]
    assert reading.records[1].line == last + 2


@pytest.mark.parametrize("skip", [False, True])
def test_a_quote_that_is_never_closed_is_always_an_error(read: Read, skip: bool) -> None:
    content = 'text,id\none,1\n"two,2\n' + "more\n" * 5000
    with pytest.raises(InputError, match=r"^in\.csv, line 3: a quote in this row is never closed"):
        read(content, on_bad_row="skip" if skip else "error")


def test_bytes_that_are_not_utf8_count_once_a_row(read: Read) -> None:
    reading = read(b'text,id\n"\xff\nb\xfe",1\none,2\ntwo,\xff\n', keep="id")
    assert reading.texts == ["\ufffd\nb\ufffd", "one", "two"]
    assert [record.invalid_utf8 for record in reading.records] == [True, False, True]
    assert [row["id"] for row in reading.carried] == ["1", "2", "\ufffd"]


def test_all_columns_are_carried_as_text(read: Read) -> None:
    reading = read("id,text,ok,empty\n007,one,true,\n1e3,two,,\n", keep="*")
    assert reading.carried == [
        {"id": "007", "ok": "true", "empty": ""},
        {"id": "1e3", "ok": "", "empty": ""},
    ]
    assert {str(kind) for kind in reading.schema.types} == {"string"}


@pytest.mark.parametrize("content", ["", "text,id\n", "text,id", "\ufefftext\r\n"])
def test_without_rows(read: Read, content: str) -> None:
    assert read(content, column="text").records == []


def test_a_megabyte_in_quotes(read: Read) -> None:
    long = 'line, and "more"\n' * 70_000
    reading = read('id,text\n1,"' + long.replace('"', '""') + '"\n2,next\n', keep="id")
    assert reading.texts == [long, "next"]
    assert [record.line for record in reading.records] == [2, 70_003]
    assert reading.carried == [{"id": "1"}, {"id": "2"}]


def test_one_called_text_whatever_it_looks_like(write_rows: WriteRows) -> None:
    assert Reading(write_rows("text,title", "12,a", "13,b", name="in.csv")).texts == ["12", "13"]
    assert Reading(write_rows("text", "12", "13", name="in.csv")).texts == ["12", "13"]


def test_a_first_row_over_a_megabyte(write_rows: WriteRows) -> None:
    path = write_rows("id,body", "1," + "water " * 200_000, "2,two", name="in.csv")
    assert [len(text) for text in Reading(path).texts] == [1_200_000, 3]


class TestQuoting:
    """Public TSV sets do not quote; pandas, polars and Excel do. Neither is guessed."""

    UNQUOTED = 'id\ttext\n1\t"Rain, he said\n2\tand went\n3\tand came"\n4\tthe "end"\n'

    @pytest.mark.parametrize("name", ["in.tsv", "in.csv"])
    @pytest.mark.parametrize("skip", ["error", "skip"])
    def test_a_quote_over_lines_that_could_be_rows_is_asked_about(
        self, read: Read, name: str, skip: str
    ) -> None:
        content = self.UNQUOTED if name == "in.tsv" else self.UNQUOTED.replace(",", "")
        with pytest.raises(InputError) as caught:
            read(content.replace("\t", "," if name == "in.csv" else "\t"), name, on_bad_row=skip)
        assert str(caught.value).startswith(f"{name}, line 2: a quote goes on to line 4")
        assert "`quoting=none`" in str(caught.value.hint)

    def test_as_text_each_line_is_a_row(self, read: Read) -> None:
        reading = read(self.UNQUOTED, "in.tsv", rows=RowOptions(quoting="none"), keep="id")
        frame = pd.read_csv(io.StringIO(self.UNQUOTED), sep="\t", quoting=csv.QUOTE_NONE, dtype=str)
        assert reading.texts == frame["text"].to_list()
        assert [row["id"] for row in reading.carried] == frame["id"].to_list()

    def test_as_quotes_they_enclose_fields(self, read: Read) -> None:
        reading = read(self.UNQUOTED, "in.tsv", rows=RowOptions(quoting="csv"))
        assert reading.texts == pd.read_csv(io.StringIO(self.UNQUOTED), sep="\t")["text"].to_list()

    def test_a_quoted_word_at_the_start_of_a_field_is_a_bad_row(self, read: Read) -> None:
        content = 'id\ttext\n1\tplain\n2\t"Hill" is a word\n3\tplain too\n'
        with pytest.raises(InputError, match="line 3: broken CSV") as caught:
            read(content, "in.tsv")
        assert "`quoting=none`" in str(caught.value.hint)
        reading = read(content, "in.tsv", on_bad_row="skip")
        assert [record.line for record in reading.records] == [2, 4]

    @pytest.mark.parametrize(
        "field", ['"a\nb"', '"one, two\nthree"', '"a ""b""\n\nc"', '"ends\n"', '"\n1,2,3\n"']
    )
    def test_well_formed_quotes_are_read_as_ever(self, read: Read, field: str) -> None:
        content = f"id,text\n1,{field}\n2,b\n"
        assert read(content).texts == pd.read_csv(io.StringIO(content))["text"].to_list()

    def test_a_single_column_is_not_in_doubt(self, read: Read) -> None:
        assert read('text\n"a\nb"\nc\n').texts == ["a\nb", "c"]


@pytest.mark.parametrize(
    ("row", "lines"),
    [
        ('1,"she said \\"hi\\"\nthen, left"', 2),
        ('1,"he wrote \\"stop\\", and\n9,the letter went on"', 2),
        ('1,"he wrote \\"stop\\" and\nthen ""again"" , ""no""\n"', 3),
        ('1,"a \\"b\\"\nx, y\nz, ""w""\n5,6"', 4),
        ('1,"a" b', 1),
    ],
)
def test_behind_a_broken_row_nothing_of_it_is_a_row(read: Read, row: str, lines: int) -> None:
    content = f'id,text\n0,first\n{row}\n2,fine\n3,"also, fine"\n4,"la\nst"\n'
    reading = read(content, on_bad_row="skip")
    assert reading.texts == ["first", "fine", "also, fine", "la\nst"]
    assert [record.line for record in reading.records] == [2, *range(3 + lines, 6 + lines)]
    (left_out,) = reading.left_out
    assert left_out[:2] == (3, 2 + lines)


@pytest.mark.parametrize("before", ["\n", "\r\n\r\n", "sep=;\n", "sep=;\r\n", "\ufeffsep=;\n"])
def test_what_stands_before_a_header(read: Read, before: str) -> None:
    reading = read(f"{before}id;body\n1;first, note\n2;second\n", keep="id")
    assert reading.texts == ["first, note", "second"]
    first = 2 + before.count("\n")
    assert [record.line for record in reading.records] == [first, first + 1]


def test_the_mark_of_the_end_in_dos_is_no_row(read: Read) -> None:
    assert read("id,text\n1,one\n\x1a").texts == ["one"]


def test_without_a_header(read: Read) -> None:
    content = "3,the ferry left at nine\n4,nobody was on board\n"
    with pytest.raises(InputError, match="first row does not look like a header") as caught:
        read(content)
    assert "`no_header`" in str(caught.value.hint)
    reading = read(content, rows=RowOptions(no_header=True), keep="column0")
    assert reading.lines_and_texts == [(1, "the ferry left at nine"), (2, "nobody was on board")]
    assert reading.carried == [{"column0": "3"}, {"column0": "4"}]
    with duckdb.connect() as connection:
        path = Path(tempfile.mkdtemp()) / "in.csv"
        path.write_text(content, "utf-8")
        columns = connection.sql(f"from read_csv('{path}', header=false)").columns
    assert columns == ["column0", "column1"]


@pytest.mark.parametrize("delimiter", ["^", "~", "\x01", "·"])
def test_another_delimiter(read: Read, delimiter: str) -> None:
    content = f'id{delimiter}body\n1{delimiter}"a {delimiter} b"\n2{delimiter}c, d\n'
    reading = read(content, rows=RowOptions(delimiter=delimiter), keep="id")
    assert reading.texts == [f"a {delimiter} b", "c, d"]


@pytest.mark.parametrize(
    ("quoting", "name", "content", "lines"),
    [
        ("auto", "in.tsv", 'id\ttext\n1\ta "b" c\n2\t"d"\n3\t"e"\n', [3]),
        ("auto", "in.tsv", 'id\ttext\n1\t"a\tb"\n', [2]),
        ("auto", "in.tsv", 'id\ttext\n1\ta "b" c\n', []),
        ("csv", "in.tsv", 'id\ttext\n1\t"a"\n', []),
        ("none", "in.tsv", 'id\ttext\n1\t"a"\n', []),
        ("auto", "in.csv", 'id,text\n1,"a"\n', []),
    ],
)
def test_quotes_that_go_in_tsv_are_said_once(
    read: Read,
    caplog: pytest.LogCaptureFixture,
    quoting: Quoting,
    name: str,
    content: str,
    lines: list[int],
) -> None:
    """Unless it was said what they are: half of the world writes them as text there."""
    with caplog.at_level(logging.WARNING, "llama_cli"):
        read(content, name, rows=RowOptions(quoting=quoting), column="text")
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == len(lines)
    for message, line in zip(said, lines, strict=True):
        assert message.startswith(f"{name}, line {line}: quotes enclose a field")
