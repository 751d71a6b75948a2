"""Results to Arrow: types, nulls, copies and refusals."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import llama_cli.output.arrow
from llama_cli.errors import ArrowConversionError, SchemaMismatchError
from llama_cli.output import convert_to_arrow_batch, output_schema
from llama_cli.records import EmbeddingBatch, EmbeddingResult
from tests.output.samples import TEXTS, as_columns, make_results, rows_of


def change(results: list[EmbeddingResult], row: int, **values: Any) -> list[EmbeddingResult]:
    return [dataclasses.replace(r, **values) if n == row else r for n, r in enumerate(results)]


@pytest.mark.parametrize("dim", [1, 128, 384, 768, 1024])
def test_the_schema(dim: int) -> None:
    schema = output_schema(dim)
    assert schema.names == [
        "text",
        "text_hash",
        "embedding",
        "sequence_length",
        "processing_time_ms",
    ]
    assert schema.types == [
        pa.string(),
        pa.string(),
        pa.list_(pa.float32(), dim),
        pa.uint32(),
        pa.uint64(),
    ]
    assert [field.name for field in schema if field.nullable] == ["embedding"]


def test_the_schema_with_line_numbers() -> None:
    schema = output_schema(384, line_numbers=True)
    assert schema.names[:-1] == output_schema(384).names
    assert schema.field(5) == pa.field("line", pa.int64(), nullable=False)


def test_a_schema_needs_a_dimension() -> None:
    with pytest.raises(ValueError, match="embedding_dim must be at least 1, got 0"):
        output_schema(0)


@pytest.mark.parametrize("dim", [128, 384, 768, 1024])
@pytest.mark.parametrize("lines", [False, True])
def test_results_and_columns_give_the_same_batch(dim: int, lines: bool) -> None:
    results = make_results(23, dim, nulls=[0, 11, 22], lines=lines)
    expected = pa.RecordBatch.from_pylist(
        rows_of(results), schema=output_schema(dim, line_numbers=lines)
    )
    for given in (
        results,
        tuple(results),
        as_columns(results, dim),
        as_columns(results, dim, as_bytes=False),
    ):
        batch = convert_to_arrow_batch(given, dim, line_numbers=lines)
        batch.validate(full=True)
        assert batch.equals(expected)


def test_no_rows() -> None:
    for given in ([], as_columns([])):
        batch = convert_to_arrow_batch(given, 8)
        assert batch.num_rows == 0
        assert batch.schema == output_schema(8)


def test_all_vectors_missing() -> None:
    batch = convert_to_arrow_batch(make_results(3, nulls=range(3)), 8)
    assert batch.column("embedding").to_pylist() == [None, None, None]


def test_line_numbers_are_dropped_where_the_file_has_no_such_column() -> None:
    results = make_results(3, lines=True)
    assert convert_to_arrow_batch(results, 8).schema == output_schema(8)
    assert convert_to_arrow_batch(as_columns(results), 8).schema == output_schema(8)


def test_a_float32_matrix_is_wrapped_without_a_copy() -> None:
    columns = as_columns(make_results(5))
    batch = convert_to_arrow_batch(columns, 8)
    values = batch.column("embedding").values
    assert values.buffers()[1].address == columns.embeddings.ctypes.data


def test_a_single_text_is_wrapped_without_a_copy() -> None:
    text = b"long " * 1000
    columns = dataclasses.replace(as_columns(make_results(1)), texts=[text])
    data = convert_to_arrow_batch(columns, 8).column("text").buffers()[2]
    assert data.address == pa.py_buffer(text).address


@pytest.mark.parametrize(
    "vector",
    [
        [1, 2, 3],
        (1.0, 2.0, 3.0),
        np.array([1, 2, 3], np.float64),
        np.array([1, 2, 3], np.float16),
        np.array([1, 2, 3], ">f4"),
        np.array([1, 2, 3], np.int8),
        np.array([1, 0, 2, 0, 3], np.float32)[::2],
    ],
    ids=repr,
)
def test_vectors_may_be_any_real_numbers(vector: Any) -> None:
    results = change(make_results(2, 3), 1, embedding=vector)
    assert convert_to_arrow_batch(results, 3).column("embedding")[1].as_py() == [1.0, 2.0, 3.0]


def test_any_layout_of_the_matrix() -> None:
    matrix = np.arange(24, dtype=np.float32).reshape(3, 8)
    for given in (np.asfortranarray(matrix), matrix.astype(np.float64), matrix[::-1][::-1]):
        columns = dataclasses.replace(as_columns(make_results(3)), embeddings=given)
        values = convert_to_arrow_batch(columns, 8).column("embedding").to_pylist()
        assert values == matrix.tolist()


def test_numbers_of_other_integer_types() -> None:
    columns = dataclasses.replace(
        as_columns(make_results(3)),
        sequence_lengths=np.array([1, 2, 3], np.int64),
        processing_times_ms=[1, 2, 2**64 - 1],  # type: ignore[arg-type]
    )
    batch = convert_to_arrow_batch(columns, 8)
    assert batch.column("sequence_length").to_pylist() == [1, 2, 3]
    assert batch.column("processing_time_ms").to_pylist() == [1, 2, 2**64 - 1]


def test_not_a_number_and_infinity_are_kept() -> None:
    vector = np.array([np.nan, np.inf, -np.inf], np.float32)
    batch = convert_to_arrow_batch(change(make_results(1, 3), 0, embedding=vector), 3)
    np.testing.assert_array_equal(batch.column("embedding").values.to_numpy(), vector)


@pytest.mark.parametrize("width", [0, 7, 9, 16])
def test_a_vector_of_another_width(width: int) -> None:
    wrong = np.zeros(width, np.float32)
    for vector in (wrong, wrong.tolist()):
        results = change(make_results(4), 2, embedding=vector)
        with pytest.raises(SchemaMismatchError) as caught:
            convert_to_arrow_batch(results, 8)
        assert str(caught.value) == f"Schema mismatch: expected 8 dimensions, got {width}"
        assert (caught.value.expected, caught.value.actual) == (8, width)


def test_a_matrix_of_another_width() -> None:
    with pytest.raises(SchemaMismatchError) as caught:
        convert_to_arrow_batch(as_columns(make_results(4, 128), 128), 384)
    assert str(caught.value) == "Schema mismatch: expected 384 dimensions, got 128"


BAD_VALUES = [
    ("text", "lone \ud800", "row 1: text holds a lone surrogate at character 5"),
    ("text", b"bad \xff byte", "row 1: text is not UTF-8 at byte 4 (invalid start byte)"),
    ("text", None, "row 1: text is NoneType, not str or bytes"),
    ("text", 7, "row 1: text is int, not str or bytes"),
    ("text_hash", None, "row 1: text_hash is NoneType, not str"),
    ("text_hash", b"00", "row 1: text_hash is bytes, not str"),
    ("text_hash", "\udfff", "'utf-8' codec can't encode character '\\udfff' in position 0"),
    ("embedding", 1.0, "row 1: embedding has 0 axes instead of one"),
    ("embedding", "abc", "row 1: embedding has 0 axes instead of one"),
    ("embedding", np.zeros((1, 8)), "row 1: embedding has 2 axes instead of one"),
    ("embedding", [[1.0], 2.0], "row 1: embedding is not a vector: "),
    ("embedding", [None] * 8, "row 1: embedding holds object, not real numbers"),
    ("embedding", ["1"] * 8, "row 1: embedding holds <U1, not real numbers"),
    ("embedding", [1j] * 8, "row 1: embedding holds complex128, not real numbers"),
    ("embedding", [1e300] * 8, "row 1: embedding holds a number too large for float32"),
    ("sequence_length", -1, "row 1: sequence_length -1 is out of range"),
    ("sequence_length", 2**32, "row 1: sequence_length 4294967296 is out of range"),
    ("sequence_length", 3.5, "sequence_length must be whole numbers from 0 to 4294967295"),
    ("sequence_length", None, "sequence_length must be whole numbers from 0 to 4294967295"),
    ("processing_time_ms", -1, "row 1: processing_time_ms -1 is out of range"),
    ("processing_time_ms", 2**64, "row 1: processing_time_ms 18446744073709551616 is out of range"),
    ("line", None, "line must be whole numbers from -9223372036854775808 to 9223"),
]


@pytest.mark.parametrize(("name", "value", "detail"), BAD_VALUES)
def test_a_value_that_does_not_fit_its_column(name: str, value: Any, detail: str) -> None:
    results = change(make_results(3, lines=True), 1, **{name: value})
    with pytest.raises(ArrowConversionError, match="^Arrow error: " + re.escape(detail)) as caught:
        convert_to_arrow_batch(results, 8, line_numbers=True)
    assert caught.value.path is None


@pytest.mark.parametrize(
    ("row", "value", "cause"),
    [
        (0, {"text": "\ud800"}, UnicodeEncodeError),
        (0, {"text": b"\xff"}, UnicodeDecodeError),
        (0, {"text_hash": "\ud800"}, UnicodeEncodeError),
        (0, {"embedding": [[1.0], 2.0]}, ValueError),
        (0, {"embedding": [1e300] * 8}, FloatingPointError),
    ],
)
def test_the_cause_is_kept(row: int, value: dict[str, Any], cause: type[Exception]) -> None:
    with pytest.raises(ArrowConversionError) as caught:
        convert_to_arrow_batch(change(make_results(2), row, **value), 8)
    assert isinstance(caught.value.__cause__, cause)


@pytest.mark.parametrize(
    "text", [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"ok \xe2\x82"]
)
@pytest.mark.parametrize("count", [1, 2])
def test_bytes_that_are_not_utf8_never_reach_arrow(text: bytes, count: int) -> None:
    columns = dataclasses.replace(as_columns(make_results(count)), texts=[text] * count)
    with pytest.raises(ArrowConversionError, match="row 0: text is not UTF-8 at byte"):
        convert_to_arrow_batch(columns, 8)


@pytest.mark.parametrize("length", [2**16 - 1, 2**16, 2**17 + 1])
def test_a_long_text_is_checked_to_its_end(length: int) -> None:
    text = ("x" + "é" * length).encode()[:length]  # may end in half a character
    columns = dataclasses.replace(as_columns(make_results(1)), texts=[text + b"\xff"])
    whole = length - (length % 2 == 0)
    with pytest.raises(ArrowConversionError, match=f"row 0: text is not UTF-8 at byte {whole} "):
        convert_to_arrow_batch(columns, 8)
    if whole == length:
        good = dataclasses.replace(columns, texts=[text])
        assert convert_to_arrow_batch(good, 8).column("text").to_pylist() == [text.decode()]


def test_two_halves_of_a_character_are_not_one() -> None:
    euro = "€".encode()
    columns = dataclasses.replace(as_columns(make_results(2)), texts=[euro[:1], euro[1:]])
    with pytest.raises(ArrowConversionError, match="row 0: text is not UTF-8"):
        convert_to_arrow_batch(columns, 8)


COLUMNS = as_columns(make_results(3, lines=True))


@pytest.mark.parametrize(
    ("values", "detail"),
    [
        ({"text_hashes": ["0"]}, "3 texts, but 1 in text_hashes"),
        ({"embeddings": np.zeros((2, 8), np.float32)}, "3 texts, but 2 in embeddings"),
        ({"embeddings": np.zeros(8, np.float32)}, "embeddings have 1 axes instead of two"),
        ({"embeddings": np.zeros((3, 8), object)}, "the embeddings array holds object, not real"),
        ({"sequence_lengths": np.zeros(4, np.uint32)}, "3 texts, but 4 in sequence_length"),
        ({"processing_times_ms": np.zeros(2, np.uint64)}, "3 texts, but 2 in processing_time_ms"),
        ({"valid": np.ones(2, np.bool_)}, "3 texts, but 2 in valid"),
        ({"valid": np.ones(3, np.int8)}, "valid must be bool[n], got int8 of 1 axes"),
        ({"lines": np.ones(1, np.int64)}, "3 texts, but 1 in line"),
        ({"lines": None}, "line numbers are missing"),
    ],
)
def test_columns_that_do_not_belong_together(values: dict[str, Any], detail: str) -> None:
    columns = dataclasses.replace(COLUMNS, **values)
    with pytest.raises(ArrowConversionError, match="^Arrow error: " + re.escape(detail)):
        convert_to_arrow_batch(columns, 8, line_numbers=True)


def test_more_text_than_a_batch_can_hold() -> None:
    megabyte = b"x" * 2**20
    count = 2048
    columns = EmbeddingBatch(
        texts=[megabyte] * count,
        text_hashes=[""] * count,
        embeddings=np.zeros((count, 1), np.float32),
        sequence_lengths=np.zeros(count, np.uint32),
        processing_times_ms=np.zeros(count, np.uint64),
    )
    message = "Arrow error: 2147483648 bytes of text do not fit one batch (2 GiB)"
    with pytest.raises(ArrowConversionError, match=re.escape(message)):
        convert_to_arrow_batch(columns, 1)


def test_a_long_text_among_others(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = 2 * sum(len(text.encode()) for text in TEXTS)
    monkeypatch.setattr(llama_cli.output.arrow, "_MAX_TEXT_BYTES", limit)
    results = make_results(2)
    assert convert_to_arrow_batch(change(results, 1, text="x" * (limit - 100)), 8).num_rows == 2
    with pytest.raises(ArrowConversionError, match="do not fit one batch"):
        convert_to_arrow_batch(change(results, 1, text="x" * limit), 8)


def test_a_generator_of_results_is_taken_whole() -> None:
    results = make_results(5)
    assert convert_to_arrow_batch(iter(results), 8).equals(convert_to_arrow_batch(results, 8))


@pytest.mark.parametrize("wrong", [make_results(1)[0], ["text"], [{"text": "x"}], 5])
def test_what_is_no_list_of_results_is_named(wrong: object) -> None:
    with pytest.raises(ArrowConversionError, match="expected .*EmbeddingResult, got"):
        convert_to_arrow_batch(wrong, 8)  # type: ignore[arg-type]
