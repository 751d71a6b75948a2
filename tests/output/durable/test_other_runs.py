"""What lies beside an output: another run's work, debris of a finished one, somebody's files."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
import xxhash

from llama_cli.errors import (
    LlamaCliError,
    OutputLockedError,
    OutputRefusedError,
    ParquetIOError,
)
from llama_cli.output import ParquetWriter
from llama_cli.output.durable.journal import Entry, Journal, RunHeader, RunProcess
from llama_cli.output.durable.partial import PartialOutput
from llama_cli.output.durable.status import read_unfinished
from tests.output.durable.runs import (
    DIM,
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


def test_a_run_that_begins_does_not_discard_one_that_can_be_resumed(out: Path) -> None:
    before = contents(out.parent)
    for header in (RunHeader("ff" * 16, STARTED), make_header()):
        with (
            PartialOutput(out, overwrite=True) as partial,
            pytest.raises(OutputRefusedError, match="an unfinished run is there") as caught,
        ):
            partial.begin(header)
        assert "`restart`" in str(caught.value.hint)
        assert caught.value.exit_code == 2
        assert caught.value.path == out
        assert contents(out.parent) == before
    with pytest.raises(OutputRefusedError, match="an unfinished run is there"):
        ParquetWriter(out, DIM)
    assert contents(out.parent) == before


def test_a_resumed_run_is_the_run_that_it_was(out: Path) -> None:
    with PartialOutput(out, overwrite=True) as partial:
        assert partial.resume() == make_header()
        assert [commit.rows for commit in partial.commits] == [10, 20, 30]
    journal = Journal.decode(journal_of(out).read_bytes())
    assert journal.header == make_header()


@pytest.mark.parametrize("resumable", [True, False])
def test_a_restart_discards_what_is_there(out: Path, resumable: bool) -> None:
    header = RunHeader("ff" * 16, STARTED, resumable)
    with PartialOutput(out, overwrite=True, restart=True) as partial:
        assert not partial.can_resume
        partial.begin(header)
        journal = Journal.decode(journal_of(out).read_bytes())
        assert (journal.header, journal.commits) == (header, [])
        assert partial.commits == []
        assert partial_of(out).stat().st_size == 0
        with open_writer(out, partial) as writer:
            writer.write_batch(ROWS[:9])
    assert read(out).to_pylist() == rows_of(ROWS[:9])
    assert list(contents(out.parent)) == ["out.parquet"]


def test_a_restart_that_fails_before_it_begins_discards_nothing(out: Path) -> None:
    before = contents(out.parent)
    with (
        pytest.raises(LlamaCliError) as caught,
        PartialOutput(out, overwrite=True, restart=True),
    ):
        raise LlamaCliError("no such model")
    assert caught.value.committed_rows == 0  # those there are not its own
    assert contents(out.parent) == before


def leave(out: Path, *entries: Entry, rows: bytes | None = None) -> None:
    """Files of a dead run without commits."""
    journal = Journal()
    out.parent.mkdir(exist_ok=True)
    journal_of(out).write_bytes(b"".join(map(journal.encode, entries)))
    if rows is not None:
        partial_of(out).write_bytes(rows)


@pytest.mark.parametrize("rows", [None, b"", b"PAR1 and more"])
@pytest.mark.parametrize("resumable", [False, True])
@pytest.mark.parametrize("alone", [False, True])
def test_a_stale_journal_without_commits_is_replaced(
    tmp_path: Path, rows: bytes | None, resumable: bool, alone: bool
) -> None:
    out = tmp_path / "folder" / "out.parquet"
    leave(out, RunHeader("ff" * 16, STARTED, resumable), RunProcess(1, "host"), rows=rows)
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


def leave_version_1(out: Path, *, resumable: bool, commits: int) -> None:
    """What a run of the version before this one has left, which was killed."""
    identity = {"format version": 1} if resumable else None
    entries: list[dict[str, Any]] = [
        {
            "journal": 1,
            "run": "ff" * 16,
            "started_at": STARTED.isoformat(),
            "identity": identity,
            "about": {"command": ["llama-cli", "embed", "in.txt"]},
        },
        {"session": {"pid": 1, "host": "host"}},
    ]
    for end in range(1, commits + 1):
        commit = {"rows": end, "end": end, "at": STARTED.isoformat(), "state": {"tokens": 1}}
        entries.append({"commit": commit})
    checksum, lines = "", []
    for entry in entries:
        text = json.dumps(entry)
        checksum = xxhash.xxh3_64_hexdigest((checksum + text).encode())
        lines.append(f"{checksum} {text}\n")
    out.parent.mkdir()
    journal_of(out).write_text("".join(lines), "utf-8")
    partial_of(out).write_bytes(b"rows of version 1")


def test_work_of_the_version_before_is_refused_and_discarded_by_a_restart(tmp_path: Path) -> None:
    out = tmp_path / "folder" / "out.parquet"
    leave_version_1(out, resumable=True, commits=2)
    before = contents(out.parent)
    for make in (lambda: PartialOutput(out, overwrite=True), lambda: ParquetWriter(out, DIM)):
        with pytest.raises(OutputRefusedError) as caught:
            make()
        assert str(caught.value) == (
            f"{out}: an unfinished run of an earlier version of this program is there"
        )
        assert caught.value.hint == "finish it with that version, or discard it with `restart`"
        assert (caught.value.exit_code, caught.value.path) == (2, out)
        assert contents(out.parent) == before
    with pytest.raises(OutputRefusedError, match="of an earlier version"):
        read_unfinished(out)
    PartialOutput(out, overwrite=True, restart=True).release()
    assert contents(out.parent) == before
    run(out, restart=True)
    assert read(out).to_pylist() == rows_of(ROWS)
    assert list(contents(out.parent)) == ["out.parquet"]


@pytest.mark.parametrize(("resumable", "commits"), [(True, 0), (False, 0), (False, 2)])
def test_what_nobody_could_resume_of_the_version_before_is_replaced(
    tmp_path: Path, resumable: bool, commits: int
) -> None:
    out = tmp_path / "folder" / "out.parquet"
    leave_version_1(out, resumable=resumable, commits=commits)
    run(out)
    assert read(out).to_pylist() == rows_of(ROWS)
    assert list(contents(out.parent)) == ["out.parquet"]


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


def test_two_processes_never_resume_the_same_run(out: Path) -> None:
    with PartialOutput(out, overwrite=True) as partial:
        partial.resume()
        before = contents(out.parent)
        with pytest.raises(OutputLockedError, match="another run"):
            PartialOutput(out, overwrite=True)
        assert contents(out.parent) == before
        with open_writer(out, partial) as writer:
            write_rest(writer, partial)
    assert read(out).to_pylist() == rows_of(ROWS)


def test_somebodys_file_under_the_name_of_the_rows_does_not_become_the_output(out: Path) -> None:
    with PartialOutput(out, overwrite=True) as partial:
        partial.resume()
        writer = open_writer(out, partial)
        writer.write_batch(ROWS[30:])
        writer.commit({})
        partial_of(out).unlink()
        partial_of(out).write_bytes(b"somebody's")
        with pytest.raises(ParquetIOError, match="No such file"):
            writer.close()
    assert not out.exists()
    assert partial_of(out).read_bytes() == b"somebody's"
