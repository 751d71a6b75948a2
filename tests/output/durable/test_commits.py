"""A run that ends early is resumed from its last commit, and nobody can tell afterwards."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from llama_cli.errors import OutputRefusedError
from llama_cli.output.durable.journal import Journal
from llama_cli.output.durable.partial import PartialOutput
from llama_cli.output.provenance import read_provenance
from tests.output.durable.runs import (
    DIM,
    EVERY,
    PROVENANCE,
    ROWS,
    RUN_ID,
    commits_of,
    contents,
    journal_of,
    make_header,
    open_writer,
    partial_of,
    run,
    run_until,
    write_rest,
)
from tests.output.samples import make_results, read, row_group_sizes, rows_of


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("uninterrupted") / "out.parquet"
    run(out)
    return out


def test_a_killed_process_leaves_its_commits(killed: Path) -> None:
    out = killed / "out.parquet"
    assert sorted(contents(killed)) == ["out.parquet.journal", "out.parquet.partial"]
    journal = Journal.decode(journal_of(out).read_bytes())
    assert journal.header == make_header()
    assert [commit.rows for commit in journal.commits] == [10, 20, 30]
    assert [commit.checkpoint for commit in journal.commits] == [
        {"position": n} for n in (10, 20, 30)
    ]
    # It was amid a segment.
    assert partial_of(out).stat().st_size > journal.commits[-1].end + 100


def test_a_resumed_run_gives_the_file_of_an_uninterrupted_one(
    out: Path, uninterrupted: Path
) -> None:
    run(out)
    assert list(contents(out.parent)) == ["out.parquet"]
    table, expected = read(out), read(uninterrupted)
    assert table.to_pylist() == rows_of(ROWS)
    assert table.schema.equals(expected.schema, check_metadata=True)
    assert table["embedding"].null_count == 5
    footer, other = pq.read_metadata(out), pq.read_metadata(uninterrupted)
    assert footer.metadata == other.metadata
    assert footer.metadata[b"note"] == "Grüße".encode()
    assert footer.schema.equals(other.schema)
    assert read_provenance(out) == PROVENANCE
    assert out.read_bytes() == uninterrupted.read_bytes()


def test_a_row_group_never_spans_a_commit(uninterrupted: Path) -> None:
    sizes = row_group_sizes(uninterrupted)
    assert len(sizes) > len(ROWS) // EVERY
    ends = [sum(sizes[: number + 1]) for number in range(len(sizes))]
    assert {*range(EVERY, len(ROWS) + 1, EVERY)} <= {*ends}


def test_a_resumed_writer_counts_what_was_there(out: Path) -> None:
    partial = PartialOutput(out, overwrite=False)
    assert partial.header == make_header()
    assert partial.resume().run_id == RUN_ID
    end = partial.end
    assert partial_of(out).stat().st_size == end
    with open_writer(out, partial) as writer:
        assert (writer.rows_accepted, writer.rows_written, writer.bytes_written) == (30, 30, end)
        assert writer.uncommitted_bytes == 0
        writer.write_batch(ROWS[30:37])
        assert writer.rows_accepted == 37
        writer.flush()
        assert writer.rows_written == 37
        assert writer.bytes_written == partial_of(out).stat().st_size > end
        assert writer.uncommitted_bytes > 7 * DIM * 4
        assert partial.rows == 30
        writer.commit({"any": ["state", None]})
        assert (partial.rows, writer.uncommitted_bytes) == (37, 0)
        assert partial.commits[-1].checkpoint == {"any": ["state", None]}
        assert partial.end == partial_of(out).stat().st_size
        writer.write_batch(ROWS[37:])
        footer = writer.close()
    assert footer.num_rows == writer.rows_written == 50
    assert writer.bytes_written == out.stat().st_size
    assert read(out).to_pylist() == rows_of(ROWS)


@pytest.mark.parametrize("commits", range(6))
def test_a_run_that_stops_keeps_its_commits_and_nothing_more(
    tmp_path: Path, uninterrupted: Path, commits: int
) -> None:
    out = tmp_path / "out.parquet"
    ends: list[int] = []
    run_until(out, commits, lambda writer: (ends.append(writer.bytes_written), writer.abort()))
    if not commits:
        assert contents(tmp_path) == {}
    else:
        assert commits_of(out) == [*range(EVERY, commits * EVERY + 1, EVERY)]
        end = Journal.decode(journal_of(out).read_bytes()).commits[-1].end
        assert partial_of(out).stat().st_size == end
        assert commits == 5 or end < ends[0]
    run(out)
    assert contents(tmp_path) == {"out.parquet": uninterrupted.read_bytes()}


def test_a_process_for_every_commit(tmp_path: Path, uninterrupted: Path) -> None:
    out = tmp_path / "out.parquet"
    last = 0

    def stop_at_another(rows: int) -> None:
        nonlocal last
        if rows > last:
            last = rows
            raise KeyboardInterrupt

    for turn in range(1, 6):
        with pytest.raises(KeyboardInterrupt):
            run(out, on_commit=stop_at_another)
        assert commits_of(out)[-1] == turn * EVERY
    run(out, on_commit=stop_at_another)
    assert contents(tmp_path) == {"out.parquet": uninterrupted.read_bytes()}


def test_a_writer_without_new_rows_commits_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    partial = PartialOutput(out, overwrite=True)
    partial.begin(make_header())
    with open_writer(out, partial) as writer:
        for rows in ([], ROWS[:20], []):
            writer.write_batch(rows)
            writer.commit({})
            writer.commit({})
        assert commits_of(out) == [20]
        write_rest(writer, partial)
    assert read(out).to_pylist() == rows_of(ROWS)


def test_a_run_without_rows(tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    partial = PartialOutput(out, overwrite=True)
    partial.begin(make_header())
    with open_writer(out, partial) as writer:
        writer.commit({})
    assert read(out).num_rows == 0
    assert list(contents(tmp_path)) == ["out.parquet"]


def test_a_writer_may_commit_without_a_resumable_run(tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    rows = make_results(30)
    with open_writer(out) as writer:
        for start in range(0, 30, 7):
            writer.write_batch(rows[start : start + 7])
            writer.commit()
    assert read(out).to_pylist() == rows_of(rows)
    assert list(contents(tmp_path)) == ["out.parquet"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_of_a_run_that_is_not_resumable_nothing_is_kept(
    tmp_path: Path, error: type[BaseException]
) -> None:
    def fail() -> None:
        with open_writer(tmp_path / "out.parquet") as writer:
            writer.write_batch(ROWS)
            writer.commit()
            raise error

    with pytest.raises(error):
        fail()
    assert contents(tmp_path) == {}


def test_an_older_file_stays_as_it_was_until_the_end(out: Path, uninterrupted: Path) -> None:
    out.write_bytes(b"older")
    seen: list[bytes] = []
    run(out, on_commit=lambda _: seen.append(out.read_bytes()))
    assert seen == [b"older"] * 3
    assert contents(out.parent) == {"out.parquet": uninterrupted.read_bytes()}


def test_where_no_file_may_be_replaced_the_commits_stay(out: Path) -> None:
    out.write_bytes(b"older")
    before = contents(out.parent)
    with pytest.raises(OutputRefusedError, match="exists already"):
        PartialOutput(out, overwrite=False)
    assert contents(out.parent) == before


def test_the_mode_of_a_resumed_file_follows_the_umask_of_its_first_process(out: Path) -> None:
    mode = partial_of(out).stat().st_mode & 0o777
    old = os.umask(0o077)
    try:
        run(out)
    finally:
        os.umask(old)
    assert out.stat().st_mode & 0o777 == mode
