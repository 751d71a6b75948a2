"""The file beside the output that a run writes to, and the step that makes it the output."""

from __future__ import annotations

import fcntl
import io
import os
import stat
import weakref
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import pyarrow as pa

from llama_cli.errors import OutputLockedError, OutputRefusedError
from llama_cli.output.interrupts import interrupts_ignored
from llama_cli.output.translate import io_error, translated_errors

_ATTEMPTS = 100
# What a Parquet file begins and, when it is finished, ends with.
_MAGIC = b"PAR1"


_active: weakref.WeakSet[PartialFile] = weakref.WeakSet()


def discard_active() -> bool:
    """Remove the partial files of this process, which is about to end.

    Returns:
        False where one of them has become its output: that run is finished.
    """
    files = list(_active)
    if any(file.committed for file in files):
        return False
    for file in files:
        file.discard()
    return True


class PartialFile:
    """An empty, locked ``NAME.partial`` beside the output, new for this run.

    The output itself is touched by one rename, in ``commit``. The lock ends with the process,
    so what a killed run left behind can be told from what a living one is writing.
    """

    def __init__(self, output: Path, *, overwrite: bool) -> None:
        """Create and lock the file, and the folders above it where they are missing.

        Args:
            output: where the finished file goes; a link is followed and stays a link.
            overwrite: whether an existing file may be replaced.

        Raises:
            OutputRefusedError: something that must not be replaced is there.
            OutputLockedError: another writer has the lock.
            ParquetIOError: the operating system refused.
        """
        self._output = output
        self._overwrite = overwrite
        self.committed = False
        with translated_errors(output):
            self._check_output()
            self._target = Path(os.path.realpath(output))
            self.path = self._target.with_name(f"{self._target.name}.partial")
            self._target.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._create_locked()
        _active.add(self)

    def open_sink(self) -> pa.OSFile:
        """Open the file for Arrow, at its start."""
        # "wb" would truncate whatever has that name; the file is new, so appending is the same.
        return pa.OSFile(os.fsencode(self.path), "ab")

    def commit(self) -> None:
        """Make the file durable and give it the output's name, in one step.

        Raises:
            OutputRefusedError: something that must not be replaced has appeared there.
            ParquetIOError: the operating system refused.
        """
        with translated_errors(self._output):
            os.fsync(self._file.fileno())
        try:
            self._check_output()
            with interrupts_ignored():  # there is nothing left to stop
                self.path.replace(self._target)
                self.committed = True
                self._sync_folder()
                self._file.close()
        except (OSError, OutputRefusedError) as error:
            self._keep(error)

    def discard(self) -> None:
        """Remove the file, unless it became the output or was kept. Never raises."""
        if self._file.closed:
            return
        # Removed while locked: once unlocked, the name may belong to another run.
        with suppress(OSError):
            if self._has_name(self._file):
                self.path.unlink()
        with suppress(OSError):
            self._file.close()

    def _check_output(self) -> None:
        try:
            mode = self._output.stat().st_mode
        except FileNotFoundError:
            return
        if stat.S_ISDIR(mode):
            raise OutputRefusedError(
                f"{self._output} is a folder", path=self._output, hint="name a file in it"
            )
        if not stat.S_ISREG(mode):
            raise OutputRefusedError(f"{self._output} is not a regular file", path=self._output)
        if not self._overwrite:
            raise OutputRefusedError(f"{self._output} exists already", path=self._output)

    def _create_locked(self) -> io.FileIO:
        """Create the file; what a dead run left is removed first.

        A leftover is not used again, since it has the owner and the mode of that other run.
        """
        for _ in range(_ATTEMPTS):
            try:
                fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
            except FileExistsError:
                self._remove_leftover()
                continue
            file = io.FileIO(fd, "r+")
            if self._lock(file):
                return file
            file.close()
        raise self._locked()

    def _remove_leftover(self) -> None:
        with suppress(FileNotFoundError):  # its owner may finish while we look
            if not stat.S_ISREG(self.path.lstat().st_mode):
                raise OutputRefusedError(
                    f"{self.path} is in the way and is not a regular file",
                    path=self._output,
                    hint="remove it",
                )
            fd = os.open(self.path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
            with io.FileIO(fd, "r+") as file:
                if self._lock(file):
                    self._check_leftover(file)
                    self.path.unlink()

    def _check_leftover(self, file: io.FileIO) -> None:
        """Refuse to remove what is not the torn work of a run: the name may be a user's."""
        size = os.fstat(file.fileno()).st_size
        head = os.pread(file.fileno(), len(_MAGIC), 0)
        tail = os.pread(file.fileno(), len(_MAGIC), max(0, size - len(_MAGIC)))
        finished = size > len(_MAGIC) and tail == _MAGIC
        if not _MAGIC.startswith(head) or finished:
            what = "a finished file" if finished else "not a leftover of this program"
            raise OutputRefusedError(
                f"{self.path} is in the way and is {what}",
                path=self._output,
                hint="move it elsewhere",
            )

    def _lock(self, file: io.FileIO) -> bool:
        """Lock the file; False where its holder renamed or removed it before we got the lock."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise self._locked() from error
        return self._has_name(file)

    def _locked(self) -> OutputLockedError:
        return OutputLockedError(
            f"another run is writing {self._output}",
            path=self._output,
            hint="wait for it to end, or choose another output",
        )

    def _has_name(self, file: io.FileIO) -> bool:
        """Whether this open file is still the one under the name."""
        with suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(file.fileno()), self.path.lstat())
        return False

    def _keep(self, error: OSError | OutputRefusedError) -> NoReturn:
        """Fail without removing the file: it is complete, and may have taken hours."""
        hint = f"the finished file is kept as {self.path}" if self.path.exists() else None
        self._file.close()
        if isinstance(error, OSError):
            failure = io_error(error, self._output)
            failure.hint = hint or failure.hint
            raise failure from error
        raise OutputRefusedError(str(error), path=self._output, hint=hint) from error

    def _sync_folder(self) -> None:
        """Make the new name durable. The file is in place; failing now would help nobody."""
        with suppress(OSError):
            folder = os.open(self._target.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
