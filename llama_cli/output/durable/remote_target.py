"""Outputs on servers: made on this machine, and uploaded in one piece."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from llama_cli.errors import LlamaCliError, OutputRefusedError, ParquetError
from llama_cli.output.durable.data_file import DataFile
from llama_cli.output.durable.sync import sync
from llama_cli.output.durable.target import beside
from llama_cli.output.provenance import Provenance, read_provenance
from llama_cli.storage.address import shown
from llama_cli.storage.reader import RemoteFile, RemoteObject
from llama_cli.storage.retry import RefusedError, TransientError
from llama_cli.storage.upload import find_output, upload

# Of the end of a file, which has the footer: enough to know the file by.
_COMPARED_BYTES = 1 << 16


class RemoteTarget:
    """A place on a server."""

    def __init__(self, url: str, *, overwrite: bool) -> None:
        """Make the folder for the unfinished file.

        Args:
            url: as the user named it.
            overwrite: whether an existing file may be replaced.

        Raises:
            OutputRefusedError: there is no place for that folder.
            OSError: the system refused.
        """
        self._url = url
        self._overwrite = overwrite
        self._folder = beside(url, "").parent
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def check(self) -> None:
        """Make sure that a file may take the name."""
        if find_remote(self._url) is not None and not self._overwrite:
            raise OutputRefusedError(
                f"{self._url} exists already", hint="replace it with `overwrite`"
            )

    def read_finished(self, data: DataFile) -> Provenance | None:  # noqa: ARG002 - may be there yet
        """Where the file under the name comes from; its rows are removed after the upload."""
        if find_remote(self._url) is None:
            return None
        try:
            return read_provenance(self._url)
        except ParquetError:
            raise
        except LlamaCliError as error:
            raise ParquetError(str(error), hint=error.hint) from error

    def send(self, data: DataFile, size: int) -> None:
        """Upload it, and look whether it is there."""
        with _translated(self._url):
            upload(data.path, self._url)
        if not self._has_arrived(data, size):
            raise ParquetError(f"{self._url}: what is there after the upload is another file")

    def take(self, data: DataFile) -> None:
        """Remove what was uploaded."""
        data.remove()

    def leave(self) -> None:
        """Remove their folder."""
        with suppress(OSError):
            self._folder.rmdir()

    def sync_folder(self) -> None:
        """Make the names of the run's own files durable."""
        with suppress(OSError):
            folder = os.open(self._folder, os.O_RDONLY)
            try:
                sync(folder)
            finally:
                os.close(folder)

    def size(self) -> int:
        """Bytes of the file under the name."""
        found = find_remote(self._url)
        return (found.size if found else None) or 0

    def _has_arrived(self, data: DataFile, size: int) -> bool:
        found = find_remote(self._url)
        if found is None or found.size != size:
            return False
        start = max(0, size - _COMPARED_BYTES)
        try:
            with RemoteFile(found) as there:
                there.seek(start)
                return there.readall() == os.pread(data.fileno(), size - start, start)
        except LlamaCliError as error:
            raise ParquetError(f"{error}, though it was uploaded") from error


def find_remote(url: str) -> RemoteObject | None:
    """What is at a URL that is, or was, to be written to; None where nothing is.

    Raises:
        OutputRefusedError: that may not be known.
        ParquetError: the server does not answer.
    """
    with _translated(url):
        return find_output(url)


@contextmanager
def _translated(url: str) -> Iterator[None]:
    try:
        yield
    except RefusedError as error:
        raise OutputRefusedError(f"{shown(url)}: {error}", hint=error.hint) from error
    except TransientError as error:
        raise ParquetError(f"{url}: cannot be written to: {error}") from error
