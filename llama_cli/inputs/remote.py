"""Inputs on servers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import BinaryIO, Self, cast

from llama_cli.storage.reader import RemoteFile, RemoteObject
from llama_cli.storage.resolve import find_file, find_files


@dataclass(frozen=True, slots=True)
class RemoteInput:
    """A file on a server.

    Attributes:
        remote: the file, in the version that was found.
        name: its URL, without what may be secret.
    """

    remote: RemoteObject
    name: str

    @property
    def file_name(self) -> str:
        return self.remote.file_name

    @property
    def address(self) -> str:
        return self.remote.address

    @property
    def is_regular(self) -> bool:
        return True  # it can be asked for again

    @property
    def seekable(self) -> bool:
        """Whether the server sends ranges of it."""
        return self.remote.has_ranges

    @property
    def version(self) -> str:
        return self.remote.version

    def size(self) -> int | None:
        return self.remote.size

    def open(self) -> BinaryIO:
        """Open it for reading bytes. The server is asked when the first are read."""
        return cast(BinaryIO, RemoteFile(self.remote))

    def named(self, name: str) -> Self:
        """The same input under another name."""
        return replace(self, name=name)

    def __str__(self) -> str:
        return self.address


def find_remote(url: str, exclude: Iterable[str]) -> list[RemoteInput]:
    """The files that a URL means.

    Args:
        url: of a file, a folder or a pattern.
        exclude: URLs that folders and patterns leave out.

    Raises:
        InputError: there is none, or it cannot be read.
        InputReadError: the server does not answer.
    """
    return [RemoteInput(file, file.address) for file in find_files(url, exclude)]


def find_remote_file(url: str) -> RemoteInput:
    """The one file that a URL names. Raises as `find_remote` does, of folders and patterns too."""
    file = find_file(url)
    return RemoteInput(file, file.address)
