"""A run of a few commits that is killed and resumed: its rows, and what it leaves."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from llama_cli.output import ParquetWriter
from llama_cli.output.durable.journal import Journal, RunHeader
from llama_cli.output.durable.partial import PartialOutput
from llama_cli.output.provenance import (
    METADATA_KEY,
    InputProvenance,
    ModelProvenance,
    Provenance,
)
from tests.output.samples import make_results

DIM = 8
EVERY = 10
ROWS = make_results(5 * EVERY, DIM, nulls=[0, 13, 14, 15, 49])
RUN_ID = "0123456789abcdef" * 2
STARTED = datetime(2026, 11, 5, 12, 30, 0, 123456, tzinfo=UTC)
SPEC: dict[str, Any] = {"model": "5eed" * 16, "command": ["embed", "in.txt"]}
PROVENANCE = Provenance(
    tool_version="1.2.3",
    llama_cpp_version="4.5.6",
    model=ModelProvenance("tiny", "5eed" * 16, "bert", "F16", DIM),
    pooling="mean",
    normalized=True,
    max_length=256,
    input=InputProvenance("in.txt", 1234, "ab" * 16),
    rows=len(ROWS),
    skipped=0,
    truncated=0,
    invalid_utf8=0,
    duplicates=0,
    without_vector=5,
    tokens=99,
    started_at=STARTED,
    finished_at=STARTED,
    run_id=RUN_ID,
)


def make_header(**changes: Any) -> RunHeader:
    """The header of the run, or of one that says something else of itself."""
    return RunHeader(RUN_ID, STARTED, resumable=True, spec=SPEC | changes)


def partial_of(out: Path) -> Path:
    return out.with_name(out.name + ".partial")


def journal_of(out: Path) -> Path:
    return out.with_name(out.name + ".journal")


def commits_of(out: Path) -> list[int]:
    """Rows at each commit of the journal there, as it stands."""
    return [commit.rows for commit in Journal.decode(journal_of(out).read_bytes()).commits]


def contents(folder: Path) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in folder.iterdir()}


def damaged_at(data: bytes, position: int, *, in_every_way: bool = False) -> Iterator[bytes]:
    """The data with one byte changed, removed or added there."""
    old = data[position]
    values = range(256) if in_every_way else {old ^ 1, old ^ 128, *b"\n\0 7f}"}
    before, after = data[:position], data[position + 1 :]
    for value in {*values} - {old}:
        yield before + bytes([value]) + after
    yield before + after
    for value in {old, *b"\n\0 7"}:
        yield before + bytes([value, old]) + after


def open_writer(out: Path, partial: PartialOutput | None = None) -> ParquetWriter:
    """A writer that splits its rows in the same way whenever it is made at a commit."""
    return ParquetWriter(out, DIM, 3, row_group_bytes=500, partial=partial)


def write_rest(
    writer: ParquetWriter,
    partial: PartialOutput,
    on_commit: Callable[[int], object] = bool,
    padding: int = 0,
) -> None:
    """Write what is missing of the rows, with a commit every few, and finish the file."""
    while (done := rows_of_commits(partial)) < len(ROWS):
        writer.write_batch(ROWS[done : done + EVERY])
        writer.commit({"position": done + EVERY, "padding": "x" * padding})
        on_commit(done + EVERY)
    writer.add_metadata(METADATA_KEY, PROVENANCE.to_json())
    writer.add_metadata("note", "Grüße")
    writer.close()


def rows_of_commits(partial: PartialOutput) -> int:
    return partial.commits[-1].rows if partial.commits else 0


def run(
    out: Path, *, restart: bool = False, on_commit: Callable[[int], object] = bool, padding: int = 0
) -> None:
    """What the command does with an output: begin or resume, and come to the end."""
    with PartialOutput(out, overwrite=True, restart=restart) as partial:
        if partial.finished_before:
            partial.clean_up()
            return
        begin_or_resume(partial)
        on_commit(rows_of_commits(partial))
        with open_writer(out, partial) as writer:
            write_rest(writer, partial, on_commit, padding)


def begin_or_resume(partial: PartialOutput) -> None:
    if partial.can_resume:
        partial.resume()
    else:
        partial.begin(make_header())


def run_until(out: Path, commits: int, end: Callable[[ParquetWriter], object]) -> None:
    """Begin, make some commits, leave some more rows in the file, and end."""
    with PartialOutput(out, overwrite=True) as partial:
        partial.begin(make_header())
        writer = open_writer(out, partial)
        for number in range(commits):
            writer.write_batch(ROWS[number * EVERY : (number + 1) * EVERY])
            writer.commit({"position": (number + 1) * EVERY})
        writer.write_batch(ROWS[commits * EVERY :][:7])
        writer.flush()
        end(writer)


def make_killed(folder: Path, commits: int) -> Path:
    """A folder with what a process leaves that was killed after so many commits, amid a segment."""
    folder.mkdir()
    out = folder / "out.parquet"
    command = [sys.executable, "-m", "tests.output.durable.runs", str(out), str(commits)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGKILL, "", "")
    return folder


def copy_of(folder: Path, to: Path) -> Path:
    """A folder's copy; returns the output in it."""
    shutil.copytree(folder, to)
    return to / "out.parquet"


if __name__ == "__main__":
    run_until(Path(sys.argv[1]), int(sys.argv[2]), lambda _: os.kill(os.getpid(), signal.SIGKILL))
