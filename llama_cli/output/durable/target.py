"""The output's own name: what may be there, and how a finished file gets it."""

from __future__ import annotations

import os
import signal
import stat
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import xxhash

from llama_cli.errors import LlamaCliError, OutputRefusedError, ParquetError, UsageError
from llama_cli.output.durable.files import sync_folder
from llama_cli.output.durable.segments import DataFile
from llama_cli.output.provenance import Provenance, read_provenance
from llama_cli.storage.address import is_remote, normalized, shown, unknown_scheme
from llama_cli.storage.cache import cache_folder
from llama_cli.storage.reader import RemoteFile, RemoteObject
from llama_cli.storage.retry import RefusedError, TransientError
from llama_cli.storage.upload import find_output, upload

# A file on this machine, or the URL of one on a server.
Output = Path | str

# Of the end of a file, which has the footer: enough to know the file by.
_COMPARED_BYTES = 1 << 16


class Target(ABC):
    """Where a finished file goes.

    Attributes:
        output: the file, as the user named it.
        folder: where the run's own files are.
        is_beside: whether that is the output's folder, so that a rename publishes the file.
    """

    is_beside = True

    def __init__(self, output: Output, folder: Path) -> None:
        self.output = output
        self.folder = folder

    def check(self, *, overwrite: bool) -> None:
        """Make sure that a file may take the name.

        Raises:
            OutputRefusedError: it may not.
            OSError: the system refused.
            ParquetError: the server does not answer.
        """
        if self.exists() and not overwrite:
            raise OutputRefusedError(
                f"{self.output} exists already",
                path=path_of(self.output),
                hint="replace it with `overwrite`",
            )

    @abstractmethod
    def exists(self) -> bool:
        """Whether a file has the name.

        Raises:
            OutputRefusedError: something has it that is no file, or no file can have it.
            OSError: the system refused.
            ParquetError: the server does not answer.
        """

    @abstractmethod
    def is_same(self, address: str) -> bool:
        """Whether the address of an input leads to the file under the name, which exists."""

    @abstractmethod
    def prepare(self) -> None:
        """Make the folder for the run's own files where it is missing.

        Raises:
            OutputRefusedError: no file can have the name.
            OSError: the system refused.
        """

    @abstractmethod
    def size(self) -> int:
        """Bytes of the file under the name."""

    @abstractmethod
    def read_provenance(self) -> Provenance | None:
        """Where the file under the name comes from; None where there is none, or it does not say.

        Raises:
            LlamaCliError: it cannot be read.
        """

    @abstractmethod
    def published(self, data: DataFile) -> AbstractContextManager[None]:
        """Give the complete file its name, for good; inside the block Ctrl-C has no effect.

        Raises:
            OSError: the system refused.
            ParquetError: an upload failed.
        """


class LocalTarget(Target):
    """A file on this machine. A link is followed and stays a link."""

    def __init__(self, output: Path) -> None:
        self.path = Path(os.path.realpath(output))
        super().__init__(output, self.path.parent)

    def exists(self) -> bool:
        output = Path(self.output)
        try:
            mode = output.stat().st_mode
        except FileNotFoundError:
            return False
        if stat.S_ISDIR(mode):
            raise _is_a_folder(output)
        if not stat.S_ISREG(mode):
            raise OutputRefusedError(f"{output} is not a regular file", path=output)
        return True

    def is_same(self, address: str) -> bool:
        return not is_remote(address) and self.path.samefile(address)

    def prepare(self) -> None:
        self.exists()
        self.folder.mkdir(parents=True, exist_ok=True)

    def size(self) -> int:
        return self.path.stat().st_size

    def read_provenance(self) -> Provenance | None:
        return read_provenance(self.path) if self.path.is_file() else None

    @contextmanager
    def published(self, data: DataFile) -> Iterator[None]:
        with _interrupts_ignored():  # there is nothing left to stop
            data.rename(self.path)
            sync_folder(self.folder)
            yield


class RemoteTarget(Target):
    """A file on a server: written on this machine, and uploaded in one piece."""

    is_beside = False

    def __init__(self, url: str) -> None:
        """Name the file.

        Raises:
            OutputRefusedError: there is no folder for the run's own files.
        """
        super().__init__(url, beside(url, "").parent)
        self._url = url

    def exists(self) -> bool:
        return self._find() is not None

    def is_same(self, address: str) -> bool:
        return is_remote(address) and normalized(address) == self._url

    def prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def size(self) -> int:
        found = self._find()
        return (found.size if found else None) or 0

    def read_provenance(self) -> Provenance | None:
        return read_provenance(self._url) if self.exists() else None

    @contextmanager
    def published(self, data: DataFile) -> Iterator[None]:
        with self._translated():
            upload(data.path, self._url)
        if not self._has_arrived(data):
            raise ParquetError(f"{self._url}: what is there after the upload is another file")
        with _interrupts_ignored():
            yield

    def _has_arrived(self, data: DataFile) -> bool:
        found, size = self._find(), data.size()
        if found is None or found.size != size:
            return False
        start = max(0, size - _COMPARED_BYTES)
        try:
            with RemoteFile(found) as there:
                there.seek(start)
                return there.readall() == os.pread(data.fileno(), size - start, start)
        except LlamaCliError as error:
            raise ParquetError(f"{error}, though it was uploaded") from error

    def _find(self) -> RemoteObject | None:
        with self._translated():
            return find_output(self._url)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except RefusedError as error:
            raise OutputRefusedError(f"{shown(self._url)}: {error}", hint=error.hint) from error
        except TransientError as error:
            raise ParquetError(f"{self._url}: cannot be written to: {error}") from error


def make_target(output: Output) -> Target:
    """Where an output goes.

    Raises:
        OutputRefusedError: there is no folder for the run's own files.
    """
    return RemoteTarget(output) if isinstance(output, str) else LocalTarget(output)


def parse_output(word: str) -> Output:
    """The output that a word of the command line names.

    Raises:
        OutputRefusedError: the name is that of a folder.
        UsageError: it is a URL of a kind that is not known.
    """
    if reason := unknown_scheme(word):
        raise UsageError(reason)
    if word.endswith("/"):
        raise _is_a_folder(shown(word) if is_remote(word) else word)
    return normalized(word) if is_remote(word) else Path(word)


def check_output(output: Output, inputs: Iterable[str], *, overwrite: bool) -> None:
    """Refuse early, before anything is made, an output that cannot be written.

    Args:
        output: the output.
        inputs: addresses of the files that must not be replaced.
        overwrite: whether an existing file may be replaced.

    Raises:
        OutputRefusedError: it is a folder, a device, an input, or exists already.
        ParquetError: its server does not answer.
    """
    target, exists = make_target(output), False
    try:
        with suppress(NotADirectoryError):  # which is the folder's fault
            exists = target.exists()
        if exists:
            if any(map(target.is_same, inputs)):
                raise OutputRefusedError(
                    f"{output}: the output is the input itself", path=path_of(output)
                )
            # A run that was killed when all but done is recognized by its journal.
            target.check(overwrite=overwrite or beside(output, ".journal").exists())
        _check_folder(target.folder, output)
    except OSError as error:
        raise OutputRefusedError(f"{output}: {error.strerror}", path=path_of(output)) from error


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
        digest = xxhash.xxh3_64_hexdigest(output.encode(errors="surrogateescape"))
        return folder / "unfinished" / digest / f"{output.rpartition('/')[2]}{suffix}"
    target = Path(os.path.realpath(output))
    return target.with_name(target.name + suffix)


def path_of(output: Output) -> Path | None:
    """The path of an output on this machine, for errors."""
    return output if isinstance(output, Path) else None


def _is_a_folder(name: Output) -> OutputRefusedError:
    return OutputRefusedError(f"{name} is a folder", path=Path(name), hint="name a file in it")


def _check_folder(folder: Path, output: Output) -> None:
    """The nearest existing folder must take a new entry; missing ones below it are made."""
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not nearest.is_dir():
        raise OutputRefusedError(
            f"{nearest}: is not a folder, so {Path(output).name} cannot go there",
            path=path_of(output),
        )
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise OutputRefusedError(f"{nearest}: cannot write in this folder", path=path_of(output))


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Ignore Ctrl-C inside. Only the main thread gets it, so other threads need nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
