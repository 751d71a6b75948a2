"""The output's own name: what may be there, and how a finished file gets it."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import xxhash

from llama_cli.errors import OutputRefusedError
from llama_cli.output.durable.data_file import DataFile
from llama_cli.output.durable.sync import sync
from llama_cli.output.provenance import Provenance, read_provenance
from llama_cli.storage.cache import cache_folder

# A file on this machine, or the URL of one on a server.
Output = Path | str


class Target(Protocol):
    """Where a finished file goes."""

    def check(self) -> None:
        """Make sure that a file may take the name.

        Raises:
            OutputRefusedError: it may not.
            OSError: the system refused.
            ParquetError: the server does not answer.
        """
        ...

    def read_finished(self, data: DataFile) -> Provenance | None:
        """Where the file under the name comes from, if it may be of the run whose rows are there.

        None of a file of other origin.

        Raises:
            ParquetError: it cannot be read.
        """
        ...

    def send(self, data: DataFile, size: int) -> None:
        """Do what takes long before the file can have its name.

        Raises:
            ParquetError: that failed.
        """
        ...

    def take(self, data: DataFile) -> None:
        """Give the file its name, in one step, for good.

        Raises:
            OSError: the system refused.
        """
        ...

    def sync_folder(self) -> None:
        """Make the names of the run's own files durable."""
        ...

    def size(self) -> int:
        """Bytes of the file under the name."""
        ...

    def leave(self) -> None:
        """Remove what was made for the run's own files, which are gone. Never raises."""
        ...


class LocalTarget:
    """A place on this machine. A link is followed and stays a link."""

    def __init__(self, output: Path, *, overwrite: bool) -> None:
        """Make the folders above it where they are missing.

        Args:
            output: as the user named it.
            overwrite: whether an existing file may be replaced.

        Raises:
            OutputRefusedError: something is there that is not a file.
            OSError: the system refused.
        """
        self.output = output
        self._overwrite = overwrite
        self._is_there()
        self.path = Path(os.path.realpath(output))
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def check(self) -> None:
        """Make sure that a file may take the name.

        Raises:
            OutputRefusedError: it may not.
            OSError: the system refused.
        """
        if self._is_there() and not self._overwrite:
            raise OutputRefusedError(
                f"{self.output} exists already",
                path=self.output,
                hint="replace it with `overwrite`",
            )

    def read_finished(self, data: DataFile) -> Provenance | None:
        """Where the file under the name comes from; it has no rows beside it once it has that."""
        if data.path.exists() or not self.path.is_file():
            return None
        return read_provenance(self.path)

    def send(self, data: DataFile, size: int) -> None:
        """It is here already."""

    def take(self, data: DataFile) -> None:
        """Rename it."""
        data.rename(self.path)
        self.sync_folder()

    def size(self) -> int:
        """Bytes of the file under the name."""
        return self.path.stat().st_size

    def leave(self) -> None:
        """They were beside the output."""

    def sync_folder(self) -> None:
        """Make new names durable. Some file systems cannot; failing would help nobody."""
        with suppress(OSError):
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                sync(folder)
            finally:
                os.close(folder)

    def _is_there(self) -> bool:
        try:
            mode = self.output.stat().st_mode
        except FileNotFoundError:
            return False
        if stat.S_ISDIR(mode):
            raise OutputRefusedError(
                f"{self.output} is a folder", path=self.output, hint="name a file in it"
            )
        if not stat.S_ISREG(mode):
            raise OutputRefusedError(f"{self.output} is not a regular file", path=self.output)
        return True


def make_target(output: Output, *, overwrite: bool) -> Target:
    """The place that was named. Raises what the places do."""
    if isinstance(output, str):
        # Here and not above: a run that needs no network does not load what knows it.
        from llama_cli.output.durable.remote_target import RemoteTarget

        return RemoteTarget(output, overwrite=overwrite)
    return LocalTarget(output, overwrite=overwrite)


def beside(output: Output, suffix: str) -> Path:
    """The file of an unfinished output with that suffix; a link is followed.

    Those of an output on a server are in the user's cache, in a folder named by the URL.

    Raises:
        OutputRefusedError: the user has no such folder.
    """
    if isinstance(output, str):
        folder = cache_folder()
        if folder is None:
            raise OutputRefusedError(
                f"{output}: there is no folder for the work until it is finished",
                hint="name one with XDG_CACHE_HOME",
            )
        place = xxhash.xxh3_64_hexdigest(output.encode(errors="surrogateescape"))
        return folder / "unfinished" / place / f"{output.rpartition('/')[2]}{suffix}"
    target = Path(os.path.realpath(output))
    return target.with_name(target.name + suffix)
