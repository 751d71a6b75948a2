"""JSON Lines: what counts as a text, and what is wrong with a line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llama_cli.errors import BadRowError, InputError
from tests.inputs.conftest import WriteRows
from tests.inputs.reading import Reading

Read = Callable[..., Reading]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read_lines(*lines: object, name: str = "in.jsonl", **options: object) -> Reading:
        path = tmp_path / name
        words = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        path.write_bytes("\n".join(words).encode())
        return Reading(path, **options)

    return read_lines


GOOD = '{"text": "good"}'
BAD_LINES = {
    '{"text": "one"': "broken JSON: Expecting ',' delimiter at column 15",
    "{'text': 'one'}": "broken JSON: Expecting property name enclosed in double quotes at column 2",
    '{"text": "one"} {"text": "two"}': "broken JSON: Extra data at column 17",
    '{"text": "one"},': "broken JSON: Extra data at column 16",
    "text": "broken JSON: Expecting value at column 1",
    '["one"]': "not a JSON object",
    '"one"': "not a JSON object",
    "null": "not a JSON object",
    "[" * 100_000: "JSON nested too deeply",
    '{"txt": "one"}': "there is no text",
    "{}": "there is no text",
    '{"text": null}': "text is null",
}


@pytest.mark.parametrize(("line", "reason"), BAD_LINES.items(), ids=BAD_LINES.values())
def test_a_bad_line_is_named(read: Read, line: str, reason: str) -> None:
    with pytest.raises(BadRowError) as caught:
        read(GOOD, line, GOOD)
    assert str(caught.value) == f"in.jsonl, line 2: {reason}"
    assert caught.value.hint == "leave such rows out with `on_bad_row=skip`"
    reading = read(GOOD, line, "", GOOD, on_bad_row="skip")
    assert reading.lines_and_texts == [(1, "good"), (4, "good")]
    assert reading.left_out == [(2, 2, reason), (3, 3, "blank")]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (5, "a number"),
        (1.5, "a number"),
        (False, "true or false"),
        (["one"], "a list"),
        ({"en": "one"}, "an object"),
    ],
)
def test_a_text_of_another_type_behind_the_first_megabyte_is_named(
    read: Read, value: object, reason: str
) -> None:
    good = {"text": "water " * 20_000}
    lines = [good] * 20 + [{"text": value}, good]
    with pytest.raises(BadRowError, match=rf"in.jsonl, line 21: text is {reason}, not text"):
        read(*lines)
    reading = read(*lines, on_bad_row="skip")
    assert [record.line for record in reading.records] == [*range(1, 21), 22]
    assert reading.left_out == [(21, 21, f"text is {reason}, not text")]


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\u3000", "\u2028"])
def test_texts_of_white_space_are_blank(read: Read, text: str) -> None:
    reading = read({"text": text}, {"text": "one"})
    assert reading.lines_and_texts == [(2, "one")]
    assert reading.left_out == [(1, 1, "blank")]


def test_lines_of_white_space_are_blank(read: Read) -> None:
    reading = read("", GOOD, " \t\r", "\u3000", GOOD, "")
    assert [record.line for record in reading.records] == [2, 5]
    assert reading.left_out == [(1, 1, "blank"), (3, 4, "blank")]


@pytest.mark.parametrize(
    ("escaped", "text", "invalid_utf8"),
    [
        (r"\u00e9 \ud83d\ude00 \/ \t\n", "é 😀 / \t\n", False),
        (r"nul \u0000 inside", "nul \0 inside", False),
        (r"\ud83d alone", "\ufffd alone", True),
        (r"alone \ude00", "alone \ufffd", True),
        (r"\ude00\ud83d", "\ufffd\ufffd", True),
        (r"\ud83d\ud83d\ude00", "\ufffd😀", True),
    ],
)
def test_escapes(read: Read, escaped: str, text: str, invalid_utf8: bool) -> None:
    (record,) = read(f'{{"text": "{escaped}"}}').records
    assert (record.text.decode(), record.invalid_utf8) == (text, invalid_utf8)


@settings(deadline=None)
@given(text=st.text(st.one_of(st.characters(), st.characters(categories=["Cs"]))))
def test_any_string_of_json_gives_valid_utf8(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.mktemp("json") / "in.jsonl"
    path.write_text(json.dumps({"text": "a" + text, "other": text}), "ascii")
    reading = Reading(path, keep="other")
    expected = "a" + text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert reading.texts == [expected]
    assert reading.carried == [{"other": expected[1:]}]
    assert reading.records[0].invalid_utf8 == (expected.count("\ufffd") > text.count("\ufffd"))


def test_bytes_that_are_not_utf8_are_invalid_utf8(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b'{"text": "b\xffd"}\n{"text": "fine", "k": "\xfe"}\n{"text": "fine"}\n')
    reading = Reading(path)
    assert reading.texts == ["b\ufffdd", "fine", "fine"]
    assert [record.invalid_utf8 for record in reading.records] == [True, True, False]


def test_a_byte_order_mark_and_windows_line_ends(read: Read) -> None:
    reading = read("\ufeff" + GOOD + "\r", GOOD + "\r", "")
    assert reading.texts == ["good", "good"]


def test_of_a_key_that_comes_twice_the_last_counts(read: Read) -> None:
    assert read('{"text": "one", "text": "two"}').texts == ["two"]


def test_the_only_key_with_texts_is_taken(read: Read) -> None:
    lines = [{"id": 1, "body": "one", "tags": ["x"]}, {"id": 2, "body": "two", "ok": True}]
    assert read(*lines).texts == ["one", "two"]


def test_a_key_called_text_is_taken_before_others(read: Read) -> None:
    assert read({"title": "a", "text": "b", "body": "c"}).texts == ["b"]


@pytest.mark.parametrize(
    ("line", "options", "message", "hint"),
    [
        ({"id": 1, "a": "x", "b": "y"}, {}, "which column holds the texts?", "there are: a, b"),
        ({"id": 1, "n": 2}, {}, "no column holds text", "there are: id, n"),
        ({"title": "x"}, {"column": "titel"}, "has no column titel", "did you mean title?"),
        ({"text": "x", "n": 1}, {"column": "n"}, "the column n does not hold text", "text"),
    ],
)
def test_what_cannot_be_known_is_an_error_that_lists_the_keys(
    read: Read, line: object, options: dict[str, str], message: str, hint: str
) -> None:
    with pytest.raises(InputError, match=r"^in\.jsonl: ") as caught:
        read(line, **options)
    assert message in str(caught.value)
    assert hint in str(caught.value.hint)


@pytest.mark.parametrize("content", ["", "\n", " \n\n", "\ufeff"])
def test_without_objects(read: Read, content: str) -> None:
    assert read(content, column="text").records == []


def test_by_format_whatever_it_is_called(read: Read) -> None:
    assert read(GOOD, name="in.txt", format="jsonl").texts == ["good"]
    assert read(GOOD, name="in.jsonl", format="text").texts == [GOOD]


def test_a_text_of_another_type_near_the_start(write_rows: WriteRows) -> None:
    """No other column will do instead."""
    path = write_rows({"text": "one", "title": "x"}, {"text": 5, "title": "y"})
    reading = Reading(path, on_bad_row="skip")
    assert reading.texts == ["one"]
    assert reading.left_out == [(2, 2, "text is a number, not text")]
    with pytest.raises(InputError, match=r"in.jsonl, line 2: text is a number, not text"):
        Reading(path)


def test_a_column_that_is_named(write_rows: WriteRows) -> None:
    path = write_rows({"text": 5}, {"text": "one"})
    assert Reading(path, column="text", on_bad_row="skip").texts == ["one"]


def test_a_first_line_over_a_megabyte(write_rows: WriteRows) -> None:
    path = write_rows({"id": 1, "body": "water " * 200_000}, {"id": 2, "body": "two"})
    reading = Reading(path, keep="id")
    assert reading.carried == [{"id": 1}, {"id": 2}]


def test_a_megabyte_of_blank_lines(write_rows: WriteRows) -> None:
    path = write_rows(*["  "] * 400_000, {"text": "one", "id": 1})
    assert Reading(path, keep="id").carried == [{"id": 1}]


def test_a_suggestion(write_rows: WriteRows) -> None:
    path = write_rows({"text": "one", "title": "x"})
    with pytest.raises(InputError) as caught:
        Reading(path, keep="titel")
    assert caught.value.hint == "did you mean title?"
