"""What the run's own files need of the system: one holder at a time, whole writes, and syncs."""

from __future__ import annotations

import fcntl
import io
import os
import stat
import time
from contextlib import suppress
from pathlib import Path

_ATTEMPTS = 100
# `llama-cli status` has the lock for a moment when it looks whether a run is at work.
_WAITS = (0.01, 0.02)


class HeldElsewhereError(Exception):
    """Another process has the lock."""


class NotRegularFileError(Exception):
    """Something else than a file has the name."""


def open_locked(path: Path) -> io.FileIO:
    """Open a file, make it where it is missing, and lock it.

    The lock ends with the process, however that ends.

    Raises:
        HeldElsewhereError: another open file has the lock.
        NotRegularFileError: the name is a folder's, a link's or a device's.
        OSError: the system refused.
    """
    for _ in range(_ATTEMPTS):
        with suppress(FileNotFoundError):
            if not stat.S_ISREG(path.lstat().st_mode):
                raise NotRegularFileError(path)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_APPEND
        file = io.FileIO(os.open(path, flags, 0o666), "r+")
        try:
            _lock(file)
        except BaseException:
            file.close()
            raise
        if has_name(file, path):
            return file
        file.close()  # its holder removed it before we got the lock
    raise HeldElsewhereError(path)


def _lock(file: io.FileIO) -> None:
    for wait in (*_WAITS, None):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if wait is None:
                raise HeldElsewhereError(file.name) from error
            time.sleep(wait)
        else:
            return


def is_locked(path: Path) -> bool:
    """Whether some process holds the lock of a file; False where that cannot be found out."""
    with suppress(OSError), path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def has_name(file: io.FileIO, path: Path) -> bool:
    """Whether this open file is still the one under the name."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file.fileno()), path.lstat())
    return False


def write_all(file: io.FileIO, data: bytes) -> None:
    """Write all of it, however many calls that takes."""
    rest = memoryview(data)
    while rest.nbytes:
        rest = rest[file.write(rest) :]


def sync(descriptor: int) -> None:
    """Wait until a file, or a folder's names, are on the disk: they survive a power failure then.

    On macOS fsync leaves the data in the drive's own cache; F_FULLFSYNC does not, where the file
    system has it.

    Raises:
        OSError: the system refused.
    """
    if hasattr(fcntl, "F_FULLFSYNC"):
        with suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
    os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Make new names in a folder durable. Some file systems cannot; failing would help nobody."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            sync(descriptor)
        finally:
            os.close(descriptor)
