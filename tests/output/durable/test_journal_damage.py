"""A damaged journal: the run resumes from a commit that can be trusted, or is left alone."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from llama_cli.errors import OutputRefusedError, ParquetFormatError
from llama_cli.output.durable.journal import Journal
from llama_cli.output.durable.partial import PartialOutput
from tests.output.durable.runs import (
    EVERY,
    ROWS,
    commits_of,
    contents,
    copy_of,
    damaged_at,
    journal_of,
    open_writer,
    partial_of,
    run,
    run_until,
)
from tests.torture import TORTURE


@pytest.fixture(autouse=True)
def _unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda file: None)


def resume(out: Path) -> int | None:
    """Run to the end; from which row, or None where that was refused and nothing was changed."""
    started: list[int] = []
    before = contents(out.parent)
    try:
        run(out, on_commit=started.append)
    except OutputRefusedError:
        assert contents(out.parent) == before
        return None
    return started[0]


def damages(journal: bytes) -> Iterator[tuple[int, bytes]]:
    """How many lines stay whole, and the journal."""
    ends = [end + 1 for end, byte in enumerate(journal) if byte == ord("\n")]
    for position in range(len(journal)):
        found = list(damaged_at(journal, position))
        for data in found if TORTURE else found[position % len(found) :][:1]:
            yield sum(data.startswith(journal[:end]) for end in ends), data


def test_whatever_byte_is_damaged_the_rows_come_out_right(
    killed: Path, finished: bytes, tmp_path: Path
) -> None:
    out = tmp_path / "out.parquet"
    before = contents(killed)
    for whole, data in damages(before[journal_of(out).name]):
        partial_of(out).write_bytes(before[partial_of(out).name])
        journal_of(out).write_bytes(data)
        rows = resume(out)
        # A header and a process come before the first commit.
        assert rows == (whole - 2) * EVERY if whole > 2 else rows in {None, 0}, data
        assert whole or rows is None
        if rows is not None:
            assert contents(tmp_path) == {"out.parquet": finished}
            out.unlink()


def test_a_journal_cut_short_anywhere(killed: Path, finished: bytes, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    before = contents(killed)
    journal = before[journal_of(out).name]
    ends = [end for end, byte in enumerate(journal) if byte == ord("\n")]
    near_ends = {end + step for end in ends for step in (-1, 0, 1)}
    for size in sorted({*range(1, len(journal), 1 if TORTURE else 13), *near_ends}):
        partial_of(out).write_bytes(before[partial_of(out).name])
        journal_of(out).write_bytes(journal[:size])
        rows = resume(out)
        lines = journal[:size].count(b"\n")
        assert rows == (max(0, lines - 2) * EVERY if lines else None)
        if rows is not None:
            assert contents(tmp_path) == {"out.parquet": finished}
            out.unlink()


@pytest.mark.parametrize("line", range(5))
def test_whoever_only_looks_at_a_damaged_journal_removes_nothing(
    killed: Path, tmp_path: Path, line: int
) -> None:
    """As a run does that finds out later that its model is missing."""
    out = copy_of(killed, tmp_path / "folder")
    lines = journal_of(out).read_bytes().splitlines(keepends=True)
    lines[line] = lines[line][:50] + b"?" + lines[line][51:]
    journal_of(out).write_bytes(b"".join(lines))
    before = contents(out.parent)
    with contextlib.suppress(OutputRefusedError):
        PartialOutput(out, overwrite=True).release()
    assert contents(out.parent) == before


@pytest.mark.parametrize("journal", [b"", bytes(512), None])
def test_rows_without_a_journal_are_left_alone(killed: Path, journal: bytes | None) -> None:
    out = copy_of(killed, killed.parent / f"copy {journal!r:.9}")
    rows = partial_of(out).read_bytes()
    journal_of(out).unlink()
    if journal is not None:
        journal_of(out).write_bytes(journal)
    with pytest.raises(OutputRefusedError) as caught:
        PartialOutput(out, overwrite=True)
    assert str(caught.value) == (
        f"{partial_of(out)} is in the way and has no journal that says what it is"
    )
    assert caught.value.hint == "move it elsewhere"
    assert caught.value.exit_code == 2
    assert partial_of(out).read_bytes() == rows


def test_a_first_line_cut_short_before_there_are_rows(killed: Path, tmp_path: Path) -> None:
    """What a power failure leaves of a run that had just begun stops nobody."""
    out = tmp_path / "out.parquet"
    journal = contents(killed)[journal_of(out).name]
    for size in range(journal.index(b"\n") + 1):
        journal_of(out).write_bytes(journal[:size])
        PartialOutput(out, overwrite=True).release()
        assert contents(tmp_path) == {}


def test_data_shorter_than_the_journal_says(killed: Path, finished: bytes, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    before = contents(killed)
    rows, journal = (before[path.name] for path in (partial_of(out), journal_of(out)))
    ends = [commit.end for commit in Journal.decode(journal).commits]
    for size in {*range(0, len(rows), 7 if TORTURE else 101), *ends, *(end - 1 for end in ends)}:
        partial_of(out).write_bytes(rows[:size])
        journal_of(out).write_bytes(journal)
        started = resume(out)
        whole = sum(end <= size for end in ends)
        assert started == whole * EVERY if whole else started in {0, None}
        if started is not None:
            assert contents(tmp_path) == {"out.parquet": finished}
            out.unlink()


def test_data_shorter_than_the_journal_says_and_killed_again(
    killed: Path, finished: bytes, tmp_path: Path
) -> None:
    """A commit that was given up must not come back when the file has grown past its end."""
    out = copy_of(killed, tmp_path / "folder")
    size = partial_of(out).stat().st_size
    os.truncate(partial_of(out), size * 3 // 4)

    def stop(rows: int) -> None:
        if rows == 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(out, on_commit=stop)
    assert commits_of(out)[-1] == 40
    run(out)
    assert contents(out.parent) == {"out.parquet": finished}


def test_rows_that_are_gone(killed: Path, finished: bytes, tmp_path: Path) -> None:
    out = copy_of(killed, tmp_path / "folder")
    partial_of(out).unlink()
    assert resume(out) == 0
    assert contents(out.parent) == {"out.parquet": finished}


def test_a_damaged_segment_does_not_become_an_output(killed: Path, tmp_path: Path) -> None:
    """Its footer is what the last one is made of, so it is looked at closely."""
    out = copy_of(killed, tmp_path / "folder")
    rows = bytearray(partial_of(out).read_bytes())
    end = rows.index(b"PAR1", 4)
    rows[end - 4 : end] = (1 << 20).to_bytes(4, "little")
    partial_of(out).write_bytes(rows)
    with pytest.raises(ParquetFormatError, match="damaged"):
        run(out)
    assert not out.exists()
    assert commits_of(out) == [10, 20, 30, 40, 50]


def test_what_is_cut_off_comes_back_no_more(tmp_path: Path, finished: bytes) -> None:
    """Two processes in turn leave rows after their last commit."""
    out = tmp_path / "out.parquet"
    run_until(out, 2, lambda writer: writer.abort())
    size = partial_of(out).stat().st_size
    for _ in range(3):
        with partial_of(out).open("ab") as file:
            file.write(b"garbage" * 1000)
        with PartialOutput(out, overwrite=True) as partial:
            partial.resume()
            writer = open_writer(out, partial)
            assert partial_of(out).stat().st_size == size
            writer.write_batch(ROWS[20:27])
            writer.flush()
            writer.abort()
    run(out)
    assert contents(tmp_path) == {"out.parquet": finished}
