"""The operating system says no: disk full, limits, folders that may not be written."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from llama_cli.errors import ParquetIOError
from llama_cli.output import ParquetWriter
from tests.mounts import ON_SMALL_DISK, may_mount, on_mount

# Runs its second argument with a writer for the first, and tells how that ended.
TELL = """
import gc, json, os, resource, sys
from pathlib import Path
from llama_cli.errors import ParquetIOError
from llama_cli.output import ParquetWriter
from tests.output.samples import make_results

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

def become_nobody():
    if os.getuid() == 0:
        os.setuid(65534)

out = Path(sys.argv[1])
rows = make_results(1000, 384)
told = None
try:
    exec(sys.argv[2])
except ParquetIOError as error:
    told = {
        "message": str(error),
        "hint": error.hint,
        "path": str(error.path),
        "cause": type(error.__cause__).__name__,
        "errno": error.__cause__.errno,
    }
writer = None
gc.collect()
left = sorted(os.listdir(out.parent)) if os.access(out.parent, os.R_OK) else None
print(json.dumps({"told": told, "left": left}))
"""

WRITE_MUCH = """
with ParquetWriter(out, 384, row_group_bytes=2**20) as writer:
    for _ in range(20):
        writer.write_batch(rows)
"""
WRITE_AT_CLOSE = """
writer = ParquetWriter(out, 384)
writer.write_batch(rows * 2)
writer.close()
"""
FOOTER_ONLY = """
writer = ParquetWriter(out, 384)
writer.write_batch(rows)
writer.flush()
limit(writer.bytes_written + 100)
writer.close()
"""
START_ONLY = """
limit(0)
ParquetWriter(out, 384)
"""

ON_READ_ONLY_DISK = 'mount -t tmpfs -o ro tmpfs "$1" && shift && exec "$@"'


def tell(out: Path, code: str, *before: str) -> dict[str, Any]:
    command = [*before, sys.executable, "-W", "error", "-c", TELL, str(out), code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize(
    "code", ["limit(300_000)\n" + WRITE_MUCH, "limit(300_000)\n" + WRITE_AT_CLOSE, FOOTER_ONLY]
)
def test_a_file_at_its_size_limit(tmp_path: Path, code: str) -> None:
    out = tmp_path / "folder" / "out.parquet"
    assert tell(out, code) == {
        "told": {
            "message": "IO error: File too large",
            "hint": "the file reached the limit of its file system or of `ulimit -f`",
            "path": str(out),
            "cause": "OSError",
            "errno": 27,
        },
        "left": [],
    }


def test_not_even_a_first_byte_can_be_written(tmp_path: Path) -> None:
    out = tmp_path / "folder" / "out.parquet"
    found = tell(out, START_ONLY)
    assert found["told"]["message"] == "IO error: File too large"
    assert found["left"] == []


def test_an_older_file_survives_the_limit(tmp_path: Path) -> None:
    out = tmp_path / "folder" / "out.parquet"
    with ParquetWriter(out, 8):
        pass
    before = out.read_bytes()
    assert tell(out, "limit(300_000)\n" + WRITE_MUCH)["left"] == ["out.parquet"]
    assert out.read_bytes() == before


@pytest.mark.parametrize("code", [WRITE_MUCH, WRITE_AT_CLOSE])
def test_a_full_disk(tmp_path: Path, code: str) -> None:
    out = tmp_path / "out.parquet"
    if not may_mount():
        # The size limit ends a write in the middle as a full disk does.
        assert tell(out, "limit(300_000)\n" + code)["told"]["cause"] == "OSError"
        return
    assert tell(out, code, *on_mount(ON_SMALL_DISK, tmp_path)) == {
        "told": {
            "message": "IO error: No space left on device",
            "hint": "free some space on that disk, or write to another one",
            "path": str(out),
            "cause": "OSError",
            "errno": 28,
        },
        "left": [],
    }


def test_a_read_only_disk(tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    if not may_mount():
        # Nobody can make files there either.
        with pytest.raises(ParquetIOError, match="IO error: No such file or directory"):
            ParquetWriter("/proc/out.parquet", 8)
        return
    found = tell(out, WRITE_MUCH, *on_mount(ON_READ_ONLY_DISK, tmp_path))
    assert found["told"]["message"] == "IO error: Read-only file system"
    assert found["told"]["hint"] == "that file system is read-only; write to another one"


def test_a_folder_that_may_not_be_written() -> None:
    # Not pytest's own folder: another user could not even look into that.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o555)
        out = folder / "out.parquet"
        for place in (out, folder / "sub" / "out.parquet"):
            found = tell(place, "become_nobody()\n" + WRITE_MUCH)
            assert found["told"] == {
                "message": "IO error: Permission denied",
                "hint": "choose a folder you may write to",
                "path": str(place),
                "cause": "PermissionError",
                "errno": 13,
            }
        assert list(folder.iterdir()) == []
        folder.chmod(0o755)


def test_a_folder_that_may_not_be_entered() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o000)
        found = tell(folder / "out.parquet", "become_nobody()\n" + WRITE_MUCH)
        folder.chmod(0o755)
        assert found["told"]["message"] == "IO error: Permission denied"


def test_a_file_in_the_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file" / "out.parquet", tmp_path / "file" / "a" / "out.parquet"):
        with pytest.raises(ParquetIOError) as caught:
            ParquetWriter(out, 8)
        assert str(caught.value) == "IO error: Not a directory"
        assert caught.value.hint == "a part of that path is a file, not a folder"
        assert caught.value.path == out
        assert isinstance(caught.value.__cause__, NotADirectoryError)


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(ParquetIOError, match=r"^IO error: File name too long$") as caught:
        ParquetWriter(tmp_path / ("x" * 250), 8)
    assert caught.value.hint == "choose a shorter name"
    assert list(tmp_path.iterdir()) == []
