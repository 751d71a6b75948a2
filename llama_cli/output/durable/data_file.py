"""The rows on disk, while the output is unfinished."""

from __future__ import annotations

import errno
import io
import os
from contextlib import suppress
from pathlib import Path

import pyarrow as pa

from llama_cli.output.durable.journal_file import write_all
from llama_cli.output.durable.lock import has_name
from llama_cli.output.durable.segments import open_segment
from llama_cli.output.durable.sync import sync


class DataFile:
    """A file that only grows, or is cut. Its methods raise OSError where the system refuses."""

    def __init__(self, path: Path) -> None:
        """Name the file; it is opened when it is needed first."""
        self.path = path
        self._file: io.FileIO | None = None

    @property
    def is_open(self) -> bool:
        """Whether it was made, or opened, by this process."""
        return self._file is not None

    def create(self) -> None:
        """Make it, empty."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND
        self._file = io.FileIO(os.open(self.path, flags, 0o666), "r+")

    def fileno(self) -> int:
        """Its descriptor, open for reading and for writing at the end."""
        return self._opened().fileno()

    def open_sink(self) -> pa.OSFile:
        """Open it for a segment at its end."""
        self._check_name()
        return open_segment(self.path)

    def add(self, data: bytes) -> int:
        """Write at its end, and sync; returns its size then."""
        write_all(self._opened(), data)
        self.sync()
        return os.fstat(self.fileno()).st_size

    def sync(self) -> None:
        """Make what was written durable."""
        sync(self.fileno())

    def truncate(self, end: int) -> None:
        """Drop what is behind ``end``."""
        os.ftruncate(self.fileno(), end)

    def rename(self, target: Path) -> None:
        """Give it another name, in one step."""
        self._check_name()
        self.path.replace(target)

    def remove(self) -> None:
        """Remove it, unless the name is somebody else's by now."""
        if self._file is None:
            self.path.unlink(missing_ok=True)
            return
        if has_name(self._file, self.path):
            self.path.unlink()
        self._file.close()
        self._file = None

    def close(self) -> None:
        """Close it. Never raises."""
        with suppress(OSError):
            if self._file is not None:
                self._file.close()

    def _opened(self) -> io.FileIO:
        if self._file is None:
            flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW
            self._file = io.FileIO(os.open(self.path, flags), "r+")
        return self._file

    def _check_name(self) -> None:
        """Make sure that the name is still the open file's: Arrow opens it by its name."""
        if not has_name(self._opened(), self.path):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
