"""JSON that is no object a line: lists, lists in an object, objects over several lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from llama_cli.errors import BadRowError, InputError
from llama_cli.inputs.resolve import find_inputs
from llama_cli.inputs.sequence import InputSequence, Position, ReadOptions
from tests.inputs.reading import OWN, Reading, carried_of

RECORDS: list[dict[str, Any]] = [
    {"text": "größe, [1]", "n": 1, "tags": ["a", "b"], "o": {"x": 1.5, "y": None}},
    {"text": 'two\nlines and a \\ " }', "n": 2**53 + 1, "tags": [], "o": {"x": None, "y": "z"}},
    {"text": "😀 " * 2000, "n": None, "tags": ["é"], "o": {"x": -0.0, "y": ""}},
]
WAYS: dict[str, Callable[[list[dict[str, Any]]], str]] = {
    "compact list": json.dumps,
    "indented list": lambda rows: json.dumps(rows, indent=2, ensure_ascii=False),
    "an object a line in a list": lambda rows: "[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n",
    "pandas": lambda rows: pd.DataFrame(rows, dtype=object).to_json(orient="records"),
    "in an object": lambda rows: json.dumps({"version": "2", "data": rows, "rest": [1, {"a": 2}]}),
    "in an object, indented": lambda rows: json.dumps({"data": rows, "n": 3}, indent=1),
    "objects over lines": lambda rows: "\n".join(json.dumps(row, indent=4) for row in rows),
    "with a mark": lambda rows: "\ufeff " + json.dumps(rows),
}


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def document(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "in.json"
    path.write_text(request.param(RECORDS), "utf-8")
    return path


def test_all_rows_with_their_values(document: Path) -> None:
    reading = Reading(document, keep="*")
    assert reading.lines_and_texts == [(n, row["text"]) for n, row in enumerate(RECORDS, 1)]
    assert reading.carried == [
        {key: value for key, value in row.items() if key != "text"} for row in RECORDS
    ]


def test_reading_resumes_behind_each(document: Path) -> None:
    options = ReadOptions(keep=("*",))
    for stop in range(1, len(RECORDS) + 1):
        with InputSequence(find_inputs([str(document)]), options) as source:
            source.detect_formats(OWN)
            read = iter(source)
            last = [next(read) for _ in range(stop)][-1]
            position = Position(0, last.line, last.offset)
            state = source.state(position)
        with InputSequence(find_inputs([str(document)]), options) as source:
            source.detect_formats(OWN)
            source.resume_after(state, stop)
            rest = [(record.line, record.text.decode(), carried_of(record)) for record in source]
        assert [line for line, *_ in rest] == [*range(stop + 1, len(RECORDS) + 1)]
        assert [text for _, text, _ in rest] == [row["text"] for row in RECORDS[stop:]]


@pytest.mark.parametrize("rows", [3, 40_000])
def test_as_duckdb_reads_it(tmp_path: Path, rows: int) -> None:
    path = tmp_path / "in.json"
    duckdb.sql(
        f"copy (select 'text ' || range as text, range * 0.5 as half, range as n"
        f" from range({rows}))"
        f" to '{path}' (format json, array true)"
    )
    reading = Reading(path, keep="half,n")
    read = duckdb.sql(f"select text, half, n from read_json('{path}')").fetchall()
    assert [
        (t, r["half"], r["n"]) for t, r in zip(reading.texts, reading.carried, strict=True)
    ] == [(text, float(half), n) for text, half, n in read]


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_a_byte_that_is_not_utf8_is_invalid_utf8(tmp_path: Path, size: int) -> None:
    path = tmp_path / "in.json"
    path.write_bytes(b'[{"text": "' + b"a" * size + b'\xff"}, {"text": "b"}]')
    reading = Reading(path)
    assert reading.texts == ["a" * size + "\ufffd", "b"]
    assert [record.invalid_utf8 for record in reading.records] == [True, False]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"text": "a"}, {"text": "b"', "broken JSON behind byte 16: Expecting ',' delimiter"),
        ('[{"text": "a"} {"text": "b"}]', "broken JSON behind byte 15: Expecting ','"),
        ('[{"text": "a"}', "broken JSON behind byte 14: Expecting ','"),
        ('[{"text": "a"}] x', "broken JSON behind byte 16: there is more behind its end"),
        ('[{"text": "a"}, tru]', "broken JSON behind byte 16: Expecting value"),
        ('{\n"text": "a"\n}\n{\n"text": \n', "broken JSON"),
        ('{\n"a": [{"t": "x"}],\n"b": [{"t": "y"}]\n}', "has several lists of objects: a, b"),
    ],
)
def test_a_broken_one_ends_the_run(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "in.json"
    path.write_text(content, "utf-8")
    with pytest.raises(InputError) as caught:
        Reading(path, on_bad_row="skip")
    assert message in str(caught.value)


def test_what_is_no_object_is_a_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "in.json"
    path.write_text('[{"text": "a"}, 5, {"text": null}, {"text": " "}, {"text": "b"}]', "utf-8")
    with pytest.raises(BadRowError, match="in.json, row 2: not a JSON object"):
        Reading(path)
    reading = Reading(path, on_bad_row="skip")
    assert reading.lines_and_texts == [(1, "a"), (5, "b")]
    assert reading.left_out == [
        *[(2, 2, "not a JSON object"), (3, 3, "text is null"), (4, 4, "blank")],
    ]


def test_a_broken_first_line_among_objects_is_one_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "in.json"
    path.write_text('{"text": "a",\n{"text": "b"}\n', "utf-8")
    assert Reading(path, on_bad_row="skip").lines_and_texts == [(2, "b")]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jl", "a.jsonlines", "a.json", "a.jsonl.1", "a"])
def test_names_of_json_lines(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text('{"text": "one"}\n{"text": "two"}\n', "utf-8")
    assert Reading(path).texts == ["one", "two"]


@pytest.mark.parametrize("line", ["[1] A footnote", "{curly} text", "[", "plain"])
def test_text_that_is_not_json_stays_text(tmp_path: Path, line: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(f"{line}\n", "utf-8")
    assert Reading(path).texts == [line]
