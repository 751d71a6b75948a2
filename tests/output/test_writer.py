"""The writer: batches in any split, row groups by bytes, progress, states."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import llama_cli.output.row_groups
from llama_cli.errors import ArrowConversionError, ParquetError, SchemaMismatchError
from llama_cli.output import ParquetWriter
from llama_cli.records import EmbeddingResult, WriteProgress
from tests.output.samples import as_columns, make_results, read, row_group_sizes, rows_of


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.parquet"


@pytest.mark.parametrize("batch_size", [1, 7, 32, 1000, 5000])
@pytest.mark.parametrize("per_call", [1, 10, 1234])
def test_every_batch_size_and_split_gives_the_same_rows(
    out: Path, batch_size: int, per_call: int
) -> None:
    results = make_results(1234, nulls=[0, 500, 1233], lines=True)
    with ParquetWriter(out, 8, batch_size, line_numbers=True) as writer:
        for start in range(0, len(results), per_call):
            part = results[start : start + per_call]
            writer.write_batch(as_columns(part) if start % 3 == 0 else part)
    assert read(out).to_pylist() == rows_of(results)


@pytest.mark.parametrize("dim", [128, 384, 768, 1024])
def test_every_dimension(out: Path, dim: int) -> None:
    results = make_results(50, dim, nulls=[7])
    with ParquetWriter(out, dim) as writer:
        writer.write_batch(results)
    assert read(out).to_pylist() == rows_of(results)


def test_no_rows(out: Path) -> None:
    with ParquetWriter(out, 8) as writer:
        writer.write_batch([])
        writer.write_batch(as_columns([]))
        writer.flush()
    assert read(out).num_rows == 0


def test_the_callers_arrays_may_change_after_the_call(out: Path) -> None:
    results = make_results(100)
    columns = as_columns(results)
    with ParquetWriter(out, 8) as writer:
        writer.write_batch(columns)
        for array in (
            columns.embeddings,
            columns.sequence_lengths,
            columns.processing_times_ms,
            columns.valid,
        ):
            array[:] = 0  # type: ignore[index]
    assert read(out).to_pylist() == rows_of(results)


def test_small_batches_still_make_large_row_groups(out: Path) -> None:
    results = make_results(200, 256)
    with ParquetWriter(out, 256, 32, row_group_bytes=8 * 2**20) as writer:
        for _ in range(100):
            writer.write_batch(results)
    sizes = row_group_sizes(out)
    assert sum(sizes) == 20_000
    assert len(sizes) == 3
    footer = pq.read_metadata(out)
    for number in range(2):
        raw = footer.row_group(number).total_byte_size
        assert 0.9 * 8 * 2**20 < raw < 1.1 * 8 * 2**20


def test_a_large_batch_size_does_not_make_a_row_group_too_large(out: Path) -> None:
    results = make_results(2000, 256)
    with ParquetWriter(out, 256, 1_000_000, row_group_bytes=2**20) as writer:
        writer.write_batch(results)
    sizes = row_group_sizes(out)
    assert len(sizes) >= 2
    assert max(sizes) * (256 * 4 + 52) <= 2**20


def test_long_texts_end_a_batch_early(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llama_cli.output.row_groups, "_MOST_TEXT_BYTES", 1000)
    texts = ["x" * size for size in (400, 600, 1, 999, 1000, 1001, 5000, 0, 10, 990, 1)]
    results = [dataclasses.replace(r, text=t) for r, t in zip(make_results(11), texts, strict=True)]
    with ParquetWriter(out, 8, row_group_bytes=1500) as writer:
        writer.write_batch(results)
    assert read(out).to_pylist() == rows_of(results)
    assert len(row_group_sizes(out)) > 3


def test_flush_writes_what_waits(out: Path) -> None:
    results = make_results(10)
    with ParquetWriter(out, 8) as writer:
        writer.flush()
        for part in (results[:3], results[3:4], results[4:]):
            writer.write_batch(part)
            writer.flush()
            writer.flush()
            assert writer.rows_written == writer.rows_accepted
    assert row_group_sizes(out) == [3, 1, 6]
    assert read(out).to_pylist() == rows_of(results)


def test_progress_is_told_at_every_call(out: Path) -> None:
    told: list[WriteProgress] = []
    with ParquetWriter(out, 8, 4, on_progress=told.append, row_group_bytes=600) as writer:
        for call, count in enumerate((1, 0, 2, 10, 1), start=1):
            writer.write_batch(make_results(count))
            assert len(told) == call
            assert told[-1] == (writer.rows_accepted, writer.rows_written, writer.bytes_written)
        assert [p.rows_accepted for p in told] == [1, 1, 3, 13, 14]
        assert told[0].rows_written == 0
        assert 0 < told[3].rows_written <= 13
        writer.flush()
        assert told[-1].rows_written == 14
    assert told[-1] == (14, 14, out.stat().st_size)
    assert len(told) == 7
    assert told == sorted(told)
    for before, after in itertools.pairwise(told):
        assert all(b <= a for b, a in zip(before, after, strict=True))


def test_bytes_written_is_the_size_of_the_partial_file(out: Path) -> None:
    partial = out.with_name("out.parquet.partial")
    with ParquetWriter(out, 8) as writer:
        assert writer.bytes_written == partial.stat().st_size == 0
        writer.write_batch(make_results(100))
        writer.flush()
        assert writer.bytes_written == partial.stat().st_size > 1000


def test_close_returns_the_footer_and_may_be_repeated(out: Path) -> None:
    writer = ParquetWriter(out, 8)
    writer.write_batch(make_results(10))
    writer.add_metadata("color", "blue")
    writer.add_metadata("color", "grün")
    footer = writer.close()
    assert (footer.num_rows, footer.num_row_groups) == (10, 1)
    assert footer.metadata[b"color"].decode() == "grün"
    assert footer.equals(pq.read_metadata(out))
    assert writer.close() is footer
    writer.abort()
    assert out.exists()


def test_metadata_is_in_the_footer_only(out: Path) -> None:
    with ParquetWriter(out, 8) as writer:
        writer.add_metadata("color", "blue")
        with pytest.raises(ValueError, match="ARROW:schema is reserved for Arrow"):
            writer.add_metadata("ARROW:schema", "x")
        with pytest.raises(UnicodeEncodeError):
            writer.add_metadata("color", "\ud800")
    assert set(pq.read_metadata(out).metadata) == {b"ARROW:schema", b"color"}
    stored = pq.ParquetFile(out).schema_arrow
    assert stored.field("embedding").metadata is None


USES: list[Callable[[ParquetWriter], Any]] = [
    lambda writer: writer.write_batch([]),
    lambda writer: writer.flush(),
    lambda writer: writer.add_metadata("a", "b"),
]


@pytest.mark.parametrize("use", [*USES])
@pytest.mark.parametrize("end", [ParquetWriter.close, ParquetWriter.abort])
def test_a_closed_writer_says_so(
    out: Path, use: Callable[[ParquetWriter], Any], end: Callable[[ParquetWriter], Any]
) -> None:
    writer = ParquetWriter(out, 8)
    end(writer)
    with pytest.raises(ParquetError, match=r"^the writer is closed$") as caught:
        use(writer)
    assert caught.value.path == out


@pytest.mark.parametrize("use", [*USES, ParquetWriter.close])
def test_after_an_error_the_writer_is_broken(
    out: Path, use: Callable[[ParquetWriter], Any]
) -> None:
    writer = ParquetWriter(out, 8)
    writer.write_batch(make_results(3))
    with pytest.raises(SchemaMismatchError) as first:
        writer.write_batch(make_results(3, 9))
    assert first.value.path == out
    message = (
        "the writer cannot continue after an error: Schema mismatch: expected 8 dimensions, got 9"
    )
    for _ in range(2):
        with pytest.raises(ParquetError, match=f"^{re.escape(message)}$") as again:
            use(writer)
        assert again.value.__cause__ is first.value
        assert again.value.path == out
    writer.abort()
    assert list(out.parent.glob("out*")) == []


def test_an_error_is_not_forgotten_by_the_end_of_the_block(out: Path) -> None:
    def swallow_an_error() -> None:
        with ParquetWriter(out, 8) as writer, contextlib.suppress(SchemaMismatchError):
            writer.write_batch(make_results(3, 9))

    with pytest.raises(ParquetError, match="the writer cannot continue after an error"):
        swallow_an_error()
    assert list(out.parent.glob("out*")) == []


def test_a_wrong_row_is_noticed_at_once_and_none_of_its_batch_is_taken(out: Path) -> None:
    writer = ParquetWriter(out, 8, batch_size=1)
    writer.write_batch(make_results(5))
    wrong = [*make_results(3), *make_results(1, 4)]
    with pytest.raises(
        SchemaMismatchError, match=r"^Schema mismatch: expected 8 dimensions, got 4$"
    ):
        writer.write_batch(wrong)
    assert writer.rows_accepted == 5
    writer.abort()


def test_a_text_that_is_not_utf8_is_named_by_its_row_in_the_file(out: Path) -> None:
    columns = dataclasses.replace(as_columns(make_results(3)), texts=[b"a", b"\xff", b"c"])
    writer = ParquetWriter(out, 8, batch_size=3)
    writer.write_batch(make_results(7))
    with pytest.raises(ArrowConversionError, match="row 8: text is not UTF-8 at byte 0") as caught:
        writer.write_batch(columns)
    writer.abort()
    assert caught.value.path == out
    assert list(out.parent.glob("out*")) == []


def test_missing_line_numbers(out: Path) -> None:
    with ParquetWriter(out, 8, line_numbers=True) as writer:
        with pytest.raises(ArrowConversionError, match="line numbers are missing"):
            writer.write_batch(as_columns(make_results(3)))
        writer.abort()


def test_leaving_the_block_after_abort_is_fine(out: Path) -> None:
    with ParquetWriter(out, 8) as writer:
        writer.write_batch(make_results(3))
        writer.abort()
        writer.abort()
    assert list(out.parent.iterdir()) == []


def test_an_error_of_the_callback_stops_the_run(out: Path) -> None:
    def fail(progress: WriteProgress) -> None:
        raise RuntimeError("no terminal")

    with (
        pytest.raises(RuntimeError, match="no terminal"),
        ParquetWriter(out, 8, on_progress=fail) as writer,
    ):
        writer.write_batch(make_results(3))
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"embedding_dim": 0}, "embedding_dim must be at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"row_group_bytes": 0}, "row_group_bytes must be 1 to 2\\*\\*30, got 0"),
        ({"row_group_bytes": 2**31}, "row_group_bytes must be 1 to 2\\*\\*30, got 2147483648"),
    ],
)
def test_numbers_out_of_range(out: Path, values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        ParquetWriter(out, **({"embedding_dim": 8} | values))
    assert list(out.parent.iterdir()) == []


def test_thousands_of_single_rows(out: Path) -> None:
    results = make_results(3000, 384)
    with ParquetWriter(out, 384) as writer:
        for result in results:
            writer.write_batch([result])
    assert row_group_sizes(out) == [3000]
    table = read(out)
    vectors = table.column("embedding").combine_chunks().flatten().to_numpy()
    np.testing.assert_array_equal(
        vectors.reshape(-1, 384), np.array([r.embedding for r in results])
    )


def test_a_result_with_its_text_as_bytes(out: Path) -> None:
    result = EmbeddingResult(
        "é".encode(),  # type: ignore[arg-type]
        "0",
        np.zeros(8, np.float32),
        1,
        1,
    )
    with ParquetWriter(out, 8) as writer:
        writer.write_batch([result])
    assert read(out).column("text").to_pylist() == ["é"]
