"""Nothing under the final name until all is written, whatever happens before."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llama_cli.errors import (
    OutputLockedError,
    OutputRefusedError,
    ParquetError,
    ParquetIOError,
    SchemaMismatchError,
)
from llama_cli.output import ParquetWriter
from llama_cli.output.durable.files import HeldElsewhereError
from tests.output.samples import make_results, read, rows_of

# Writes some rows, says so, and resumes when it is told to.
WRITE_AND_WAIT = """
import sys
from llama_cli.output import ParquetWriter
from llama_cli.output.durable.files import HeldElsewhereError
from tests.output.samples import make_results
with ParquetWriter(sys.argv[1], 8) as writer:
    writer.write_batch(make_results(100))
    writer.flush()
    print("ready", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder / "out.parquet"


def write(path: Path, count: int = 5, **options: bool) -> None:
    with ParquetWriter(path, 8, **options) as writer:
        writer.write_batch(make_results(count))


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@contextlib.contextmanager
def other_writer(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the output open, with 100 rows written."""
    command = [sys.executable, "-c", WRITE_AND_WAIT, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit, GeneratorExit])
@pytest.mark.parametrize("flushed", [False, True])
def test_an_exception_leaves_nothing(out: Path, error: type[BaseException], flushed: bool) -> None:
    def fail() -> None:
        with ParquetWriter(out, 8) as writer:
            writer.write_batch(make_results(100))
            if flushed:
                writer.flush()
            raise error

    with pytest.raises(error):
        fail()
    gc.collect()
    assert names(out.parent) == []


def test_an_exception_leaves_an_older_file_untouched(out: Path) -> None:
    write(out)
    before, status = out.read_bytes(), out.stat()
    writer = ParquetWriter(out, 8)
    writer.write_batch(make_results(100))
    writer.flush()
    assert out.read_bytes() == before
    with pytest.raises(SchemaMismatchError):
        writer.write_batch(make_results(1, 9))
    with pytest.raises(ParquetError, match="cannot continue"):
        writer.close()
    assert out.read_bytes() == before
    assert (out.stat().st_ino, out.stat().st_mtime_ns) == (status.st_ino, status.st_mtime_ns)
    assert names(out.parent) == ["out.parquet"]


def test_an_older_file_is_replaced_when_all_is_done(out: Path) -> None:
    write(out, 5)
    with ParquetWriter(out, 8) as writer:
        writer.write_batch(make_results(50))
        assert read(out).num_rows == 5
    assert read(out).num_rows == 50
    assert names(out.parent) == ["out.parquet"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("older", [False, True])
def test_a_killed_process(out: Path, number: signal.Signals, older: bool) -> None:
    if older:
        write(out)
    before = out.read_bytes() if older else None
    with other_writer(out) as process:
        process.send_signal(number)
        assert process.wait(10) == -number
    assert "out.parquet.partial" in names(out.parent)
    assert (out.read_bytes() if out.exists() else None) == before
    write(out, 7)
    assert read(out).to_pylist() == rows_of(make_results(7))
    assert names(out.parent) == ["out.parquet"]


def test_ctrl_c(out: Path) -> None:
    with other_writer(out) as process:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
    assert errors.splitlines()[-1] == "KeyboardInterrupt"
    assert "Exception ignored" not in errors
    assert names(out.parent) == []


def test_another_process_is_writing_the_same_output(out: Path) -> None:
    with other_writer(out) as process:
        with pytest.raises(OutputLockedError) as caught:
            write(out)
        process.communicate("\n", timeout=10)
        assert process.returncode == 0
    assert str(caught.value) == (
        f"another run (process {process.pid}) is writing {out}: it holds the lock {out}.journal"
    )
    assert caught.value.path == out
    assert caught.value.hint == "wait for it to end, or choose another output"
    assert isinstance(caught.value.__cause__, HeldElsewhereError)
    assert isinstance(caught.value.__cause__.__cause__, BlockingIOError)
    assert read(out).num_rows == 100
    assert names(out.parent) == ["out.parquet"]


def test_the_same_output_by_another_name(out: Path) -> None:
    link = out.parent.parent / "link.parquet"
    link.symlink_to(out)
    with ParquetWriter(out, 8):
        with pytest.raises(OutputLockedError, match="link.parquet"):
            ParquetWriter(link, 8)
        with pytest.raises(OutputLockedError):
            ParquetWriter(out.parent / ".." / "folder" / "out.parquet", 8)
    assert read(out).num_rows == 0


def test_outputs_side_by_side(out: Path) -> None:
    other = out.with_name("other.parquet")
    with ParquetWriter(out, 8) as first, ParquetWriter(other, 8) as second:
        first.write_batch(make_results(1))
        second.write_batch(make_results(2))
    assert (read(out).num_rows, read(other).num_rows) == (1, 2)


def test_many_writers_race_for_one_output(out: Path) -> None:
    write(out, 1)
    outcomes: list[str] = []

    def run(number: int) -> None:
        for turn in range(40):
            try:
                writer = ParquetWriter(out, 8)
            except OutputLockedError:
                outcomes.append("locked")
                continue
            writer.write_batch(make_results(number + 1))
            if turn % 3:
                writer.close()
                outcomes.append("closed")
            else:
                writer.abort()
                outcomes.append("aborted")

    threads = [threading.Thread(target=run, args=[number]) for number in range(6)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        # By name, pyarrow opens a file twice; the second may be another one.
        table = pq.read_table(pa.BufferReader(out.read_bytes()))
        assert table.to_pylist() == rows_of(make_results(table.num_rows))
    for thread in threads:
        thread.join()
    assert len(outcomes) == 6 * 40
    assert {"closed", "aborted"} <= set(outcomes) <= {"locked", "closed", "aborted"}
    assert names(out.parent) == ["out.parquet"]


def test_an_aborted_writer_cannot_harm_the_next_one(out: Path) -> None:
    first = ParquetWriter(out, 8)
    first.write_batch(make_results(50))
    first.flush()
    first.abort()
    with ParquetWriter(out, 8) as second:
        second.write_batch(make_results(7))
        second.flush()
        del first
        gc.collect()
    assert read(out).to_pylist() == rows_of(make_results(7))


def test_a_forgotten_writer_cannot_harm_the_next_one(out: Path) -> None:
    forgotten = ParquetWriter(out, 8)
    forgotten.write_batch(make_results(50))
    forgotten.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        del forgotten
        gc.collect()
    assert not out.exists()
    write(out, 7)
    assert read(out).to_pylist() == rows_of(make_results(7))
    assert names(out.parent) == ["out.parquet"]


def test_missing_folders_are_made(out: Path) -> None:
    deep = out.parent / "a" / "b" / "out.parquet"
    write(deep)
    assert read(deep).num_rows == 5


@pytest.mark.parametrize(
    ("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664), (0, 0o666)]
)
def test_the_mode_follows_the_umask(out: Path, umask: int, mode: int) -> None:
    out.touch(0o640)
    with other_writer(out) as process:
        process.kill()
    for leftover in (".partial", ".journal"):
        out.with_name(out.name + leftover).chmod(0o604)
    old = os.umask(umask)
    try:
        write(out)
    finally:
        os.umask(old)
    assert stat.S_IMODE(out.stat().st_mode) == mode
    assert names(out.parent) == ["out.parquet"]


@pytest.mark.parametrize("exists", [False, True])
@pytest.mark.parametrize("relative", [False, True])
def test_a_link_stays_a_link_and_its_target_is_replaced(
    out: Path, exists: bool, relative: bool
) -> None:
    target = out.parent / "elsewhere" / "target.parquet"
    if exists:
        write(target, 1)
    out.symlink_to("elsewhere/target.parquet" if relative else target)
    with ParquetWriter(out, 8) as writer:
        writer.write_batch(make_results(9))
        assert "target.parquet.partial" in names(target.parent)
    assert out.is_symlink()
    assert read(target).num_rows == read(out).num_rows == 9
    assert names(target.parent) == ["target.parquet"]
    assert names(out.parent) == ["elsewhere", "out.parquet"]


def test_a_link_that_leads_nowhere_is_an_error(out: Path) -> None:
    out.symlink_to(out)
    with pytest.raises(ParquetIOError, match="symbolic link"):
        write(out)
    assert names(out.parent) == ["out.parquet"]


def test_a_folder_is_refused(out: Path) -> None:
    out.mkdir()
    with pytest.raises(OutputRefusedError) as caught:
        write(out)
    assert str(caught.value) == f"{out} is a folder"
    assert names(out.parent) == ["out.parquet"]


def make_odd(path: Path, kind: str) -> None:
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server, contextlib.chdir(path.parent):
            server.bind(path.name)
    elif kind == "link":
        path.symlink_to("missing")
    else:
        path.mkdir()


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_what_is_not_a_regular_file_is_refused(out: Path, kind: str) -> None:
    make_odd(out, kind)
    before = out.lstat()
    with pytest.raises(OutputRefusedError) as caught:
        write(out)
    assert str(caught.value) == f"{out} is not a regular file"
    assert out.lstat().st_ino == before.st_ino
    assert names(out.parent) == ["out.parquet"]


@pytest.mark.parametrize("path", ["/dev/null", "/dev/full", "/dev/stdout"])
def test_a_device_is_refused(path: str, capfd: pytest.CaptureFixture[str]) -> None:
    # Standard output is a file under pytest's capture; here it has to be a pipe.
    code = (
        "import sys\n"
        "from llama_cli.errors import OutputRefusedError\n"
        "from llama_cli.output import ParquetWriter\n"
        "try:\n    ParquetWriter(sys.argv[1], 8)\n"
        "except OutputRefusedError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{path} is not a regular file\n"


@pytest.mark.parametrize("name", ["out.parquet.partial", "out.parquet.journal"])
@pytest.mark.parametrize("kind", ["pipe", "socket", "link", "folder"])
def test_something_odd_in_the_place_of_the_partial_file(out: Path, kind: str, name: str) -> None:
    write(out)
    before = out.read_bytes()
    odd = out.with_name(name)
    make_odd(odd, kind)
    with pytest.raises(OutputRefusedError) as caught:
        write(out)
    assert str(caught.value) == f"{odd} is in the way and is not a regular file"
    assert caught.value.hint == "move it elsewhere"
    assert out.read_bytes() == before
    assert names(out.parent) == ["out.parquet", name]


def test_an_existing_file_may_be_protected(out: Path) -> None:
    write(out, 5, overwrite=False)
    with pytest.raises(OutputRefusedError) as caught:
        write(out, 6, overwrite=False)
    assert str(caught.value) == f"{out} exists already"
    assert read(out).num_rows == 5
    assert names(out.parent) == ["out.parquet"]


def test_a_protected_file_that_appears_during_the_run(out: Path) -> None:
    writer = ParquetWriter(out, 8, overwrite=False)
    writer.write_batch(make_results(9))
    out.write_bytes(b"somebody else's")
    with pytest.raises(OutputRefusedError) as caught:
        writer.close()
    partial = out.with_name("out.parquet.partial")
    assert str(caught.value) == f"{out} exists already"
    assert caught.value.hint == f"the finished file is kept as {partial}"
    assert out.read_bytes() == b"somebody else's"
    # Complete and valid: hours of work are not thrown away for a name.
    assert read(partial).num_rows == 9


def test_a_folder_that_appears_during_the_run(out: Path) -> None:
    writer = ParquetWriter(out, 8)
    writer.write_batch(make_results(9))
    out.mkdir()
    with pytest.raises(OutputRefusedError, match="is a folder$"):
        writer.close()
    assert read(out.with_name("out.parquet.partial")).num_rows == 9
    with pytest.raises(ParquetError, match="cannot continue after an error"):
        writer.close()


def test_the_partial_file_is_removed_by_somebody_during_the_run(out: Path) -> None:
    writer = ParquetWriter(out, 8)
    writer.write_batch(make_results(9))
    out.with_name("out.parquet.partial").unlink()
    with pytest.raises(ParquetIOError, match=r"^IO error: No such file or directory$") as caught:
        writer.close()
    assert caught.value.hint is None
    assert isinstance(caught.value.__cause__, FileNotFoundError)
    assert names(out.parent) == []


def test_abort_leaves_a_partial_file_of_somebody_else(out: Path) -> None:
    partial = out.with_name("out.parquet.partial")
    writer = ParquetWriter(out, 8)
    partial.unlink()
    partial.write_bytes(b"somebody else's")
    writer.abort()
    assert partial.read_bytes() == b"somebody else's"


def test_the_finished_file_is_complete_before_it_gets_its_name(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, int]] = []
    replace = Path.replace

    def look(source: Path, target: Path) -> Path:
        seen.append((source.name, pq.read_metadata(source).num_rows))
        return replace(source, target)

    monkeypatch.setattr(Path, "replace", look)
    write(out, 5)
    assert seen == [("out.parquet.partial", 5)]


@pytest.mark.parametrize("kind", ["text", "finished"])
def test_what_is_no_leftover_is_not_removed(out: Path, kind: str) -> None:
    """The name may be a user's file, or a run's finished work whose last rename failed."""
    partial = out.with_name("out.parquet.partial")
    if kind == "finished":
        write(partial)
    else:
        partial.write_bytes(b"a user's notes")
    content = partial.read_bytes()
    with pytest.raises(OutputRefusedError, match="is in the way") as caught:
        ParquetWriter(out, 8)
    assert caught.value.exit_code == 2
    assert partial.read_bytes() == content
    assert not out.exists()


def test_ctrl_c_during_the_last_rename_is_too_late(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.replace

    def interrupted(self: Path, target: Path) -> Path:
        os.kill(os.getpid(), signal.SIGINT)
        return real(self, target)

    monkeypatch.setattr(Path, "replace", interrupted)
    write(out, 7)
    assert read(out).num_rows == 7
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
