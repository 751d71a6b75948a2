"""What lies beside an output: another run's work, debris of a finished one, somebody's files."""

from __future__ import annotations

import dataclasses
import socket
from pathlib import Path
from typing import Any

import pytest

from llama_cli.errors import OutputLockedError, OutputRefusedError, ParquetIOError
from llama_cli.output import ParquetWriter
from llama_cli.output.durable.journal import Journal, RunHeader, Session
from llama_cli.output.durable.partial import PartialOutput
from tests.output.runs import (
    DIM,
    IDENTITY,
    ROWS,
    STARTED,
    contents,
    journal_of,
    make_header,
    open_writer,
    partial_of,
    run,
    write_rest,
)
from tests.output.samples import read, rows_of

OTHER = {
    "format version": 2,
    "model": "0123456789ab" + "cd" * 26,
    "pooling": "cls",
    "normalization": "off",
    "maximum length": 255,
    "set of columns": ["text", "text_hash", "embedding", "line"],
}
SHORT = {"model": ("5eed5eed5eed…", "0123456789ab…")}


def start(out: Path, header: RunHeader, **options: bool) -> PartialOutput:
    partial = PartialOutput(out, overwrite=True)
    try:
        partial.start(header, **options)
    except BaseException:
        partial.release()
        raise
    return partial


def words(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


@pytest.mark.parametrize("name", IDENTITY)
def test_another_run_is_refused_by_what_differs(out: Path, name: str) -> None:
    before = contents(out.parent)
    with pytest.raises(OutputRefusedError) as caught:
        start(out, make_header(**{name: OTHER[name]}))
    then, now = SHORT.get(name, (words(IDENTITY[name]), words(OTHER[name])))
    assert f"{out}: an unfinished run is there" in str(caught.value)
    assert f"another {name}: {then} then, {now} now" in str(caught.value)
    assert "`restart`" in str(caught.value.hint)
    assert caught.value.exit_code == 2
    assert caught.value.path == out
    assert contents(out.parent) == before


def test_a_run_identified_by_more_or_by_less_is_another_one(out: Path) -> None:
    before = contents(out.parent)
    less = {name: value for name, value in IDENTITY.items() if name != "pooling"}
    for identity in (IDENTITY | {"new option": "on"}, less):
        with pytest.raises(OutputRefusedError):
            start(out, dataclasses.replace(make_header(), identity=identity))
        assert contents(out.parent) == before


def test_a_run_that_cannot_be_continued_does_not_discard_one_that_can(out: Path) -> None:
    before = contents(out.parent)
    with pytest.raises(OutputRefusedError, match="an unfinished run is there") as caught:
        start(out, RunHeader("ff" * 16, STARTED))
    assert "`restart`" in str(caught.value.hint)
    with pytest.raises(OutputRefusedError, match="an unfinished run is there"):
        ParquetWriter(out, DIM)
    assert contents(out.parent) == before


def test_what_is_only_for_people_may_differ(out: Path) -> None:
    other = RunHeader("ff" * 16, STARTED.replace(year=2027), IDENTITY, {"command": ["other"]})
    partial = start(out, other)
    assert [commit.rows for commit in partial.commits] == [10, 20, 30]
    # It is the run that it was.
    journal = Journal.decode(journal_of(out).read_bytes())
    assert journal.header == make_header()
    partial.release()


@pytest.mark.parametrize("identity", [IDENTITY, IDENTITY | OTHER, None])
def test_a_restart_discards_what_is_there(out: Path, identity: dict[str, Any] | None) -> None:
    header = RunHeader("ff" * 16, STARTED, identity)
    partial = start(out, header, restart=True)
    journal = Journal.decode(journal_of(out).read_bytes())
    assert (journal.header, journal.commits) == (header, [])
    assert partial.commits == []
    assert partial_of(out).stat().st_size == 0
    with open_writer(out, partial) as writer:
        writer.write_batch(ROWS[:9])
    assert read(out).to_pylist() == rows_of(ROWS[:9])
    assert list(contents(out.parent)) == ["out.parquet"]


def leave(out: Path, *entries: RunHeader | Session, rows: bytes | None = None) -> None:
    """Files of a dead run without commits."""
    journal = Journal()
    out.parent.mkdir(exist_ok=True)
    journal_of(out).write_bytes(b"".join(map(journal.encode, entries)))
    if rows is not None:
        partial_of(out).write_bytes(rows)


@pytest.mark.parametrize("rows", [None, b"", b"PAR1 and more"])
@pytest.mark.parametrize("identity", [None, IDENTITY | OTHER])
@pytest.mark.parametrize("alone", [False, True])
def test_a_leftover_without_commits_is_replaced(
    tmp_path: Path, rows: bytes | None, identity: dict[str, Any] | None, alone: bool
) -> None:
    out = tmp_path / "folder" / "out.parquet"
    leave(out, RunHeader("ff" * 16, STARTED, identity), Session(1, "host"), rows=rows)
    if alone:
        with open_writer(out) as writer:
            writer.write_batch(ROWS)
    else:
        run(out)
    assert read(out).to_pylist() == rows_of(ROWS)
    assert list(contents(out.parent)) == ["out.parquet"]


@pytest.mark.parametrize("text", [b"a user's notes\n", b"PAR1", b"\0\0x", b"{}"])
def test_a_journal_that_is_somebody_elses_file_is_left_alone(tmp_path: Path, text: bytes) -> None:
    out = tmp_path / "out.parquet"
    journal_of(out).write_bytes(text)
    for rows in (None, b"somebody's as well"):
        if rows:
            partial_of(out).write_bytes(rows)
        before = contents(tmp_path)
        for make in (lambda: PartialOutput(out, overwrite=True), lambda: ParquetWriter(out, DIM)):
            with pytest.raises(OutputRefusedError) as caught:
                make()
            assert f"{journal_of(out)} is in the way" in str(caught.value)
            assert caught.value.hint == "move it elsewhere"
        assert contents(tmp_path) == before


@pytest.mark.parametrize("name", ["out.parquet.journal", "out.parquet.partial"])
@pytest.mark.parametrize("kind", ["folder", "link", "dead link", "socket"])
def test_something_odd_under_one_of_the_names(out: Path, name: str, kind: str) -> None:
    odd = out.with_name(name)
    odd.rename(target := out.parent.parent / "elsewhere")
    before = target.read_bytes()
    if kind == "folder":
        odd.mkdir()
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(odd))
    else:
        odd.symlink_to(target if kind == "link" else "missing")
    status = odd.lstat()
    with pytest.raises(OutputRefusedError, match="is in the way and is not a regular file"):
        PartialOutput(out, overwrite=True)
    assert (odd.lstat().st_ino, odd.lstat().st_mode) == (status.st_ino, status.st_mode)
    assert target.read_bytes() == before
    odd.rmdir() if kind == "folder" else odd.unlink()
    target.rename(odd)
    run(out)
    assert read(out).to_pylist() == rows_of(ROWS)


def test_two_processes_never_continue_the_same_run(out: Path) -> None:
    partial = start(out, make_header())
    before = contents(out.parent)
    with pytest.raises(OutputLockedError, match="another run"):
        PartialOutput(out, overwrite=True)
    assert contents(out.parent) == before
    with open_writer(out, partial) as writer:
        write_rest(writer, partial)
    assert read(out).to_pylist() == rows_of(ROWS)


def test_somebodys_file_in_the_place_of_the_rows_does_not_become_the_output(out: Path) -> None:
    partial = start(out, make_header())
    writer = open_writer(out, partial)
    writer.write_batch(ROWS[30:])
    writer.commit({})
    partial_of(out).unlink()
    partial_of(out).write_bytes(b"somebody's")
    with pytest.raises(ParquetIOError, match="No such file"):
        writer.close()
    assert not out.exists()
    assert partial_of(out).read_bytes() == b"somebody's"
