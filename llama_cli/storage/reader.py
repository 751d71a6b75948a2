"""Reading a remote file as if it were open here."""

from __future__ import annotations

import abc
import dataclasses
import io
from dataclasses import dataclass
from typing import BinaryIO, Protocol, Self, cast

from llama_cli.storage.retry import (
    ChangedError,
    RefusedError,
    TransientError,
    as_read_error,
    with_retries,
)

# Bytes to ask for at a time where a file is read from start to end, so that the way to the server
# and back costs little beside the transfer. Fewer at first: a MiB and a little are enough to tell
# what a file is.
_FIRST_AHEAD = (1 << 20) + (1 << 16)
_MOST_AHEAD = 8 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteObject(abc.ABC):
    """One file on a server, in the version that was found.

    Attributes:
        name: what messages, the column ``source`` and the output's footer call it.
        address: its URL as it may be shown, by which a later run knows it again.
        file_name: its name without a folder, which may tell its format.
        size: bytes; None where that is not known.
        version: what changes when its content does; empty where only reading it tells.
        seekable: whether any part of it can be read without those before.
        is_regular: whether it can be read again, as all files on servers can.
    """

    name: str
    address: str
    file_name: str
    size: int | None
    version: str
    seekable: bool = True
    is_regular = True

    @abc.abstractmethod
    def open_parts(self) -> PartReader:
        """Prepare to read it once, part by part."""

    def open(self) -> BinaryIO:
        """Open it for reading bytes. The server is asked when the first are read."""
        return cast(BinaryIO, RemoteFile(self))

    def named(self, name: str) -> Self:
        """The same file under another name."""
        return dataclasses.replace(self, name=name)

    def __str__(self) -> str:
        return self.address


class PartReader(Protocol):
    """Reads one remote file, part by part."""

    def fetch(self, start: int, size: int) -> bytes:
        """At most ``size`` bytes from ``start`` on; none at the end only.

        Raises:
            TransientError: it did not come.
            RefusedError: the server will not give it.
            ChangedError: what would come is of another version.
        """
        ...

    def close(self) -> None: ...


class RemoteFile(io.RawIOBase):
    """A remote file, open for reading. Parts that do not come are asked for again."""

    # Not a name on this disk, which files of Python have here.
    name = None

    def __init__(self, remote: RemoteObject) -> None:
        super().__init__()
        self._remote = remote
        self._reader = remote.open_parts()
        self._position = 0
        self._ahead = b""
        self._ahead_at = 0
        self._read_to = 0  # where the last read has ended
        self._next_ahead = _FIRST_AHEAD

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        # Where the server has no ranges, it sends all from the start once more.
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if whence == io.SEEK_CUR:
            offset += self._position
        elif whence == io.SEEK_END:
            if self._remote.size is None:
                raise io.UnsupportedOperation("its size is not known")
            offset += self._remote.size
        self._position = max(0, offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        """Some of the next bytes; all of them without a size.

        Raises:
            InputReadError: they cannot be had.
        """
        if size is None or size < 0:
            return self.readall()
        data = self._take(size)
        # Arrow wants all that it asks for, and so does the detection of formats.
        while len(data) < size and (more := self._take(size - len(data))):
            data += more
        return data

    def readall(self) -> bytes:
        parts = []
        while part := self._take(_MOST_AHEAD):
            parts.append(part)
        return b"".join(parts)

    def close(self) -> None:
        if not self.closed:
            self._ahead = b""
            self._reader.close()
        super().close()

    def _take(self, size: int) -> bytes:
        skip = self._position - self._ahead_at
        if not 0 <= skip < len(self._ahead):
            self._fill(size)
            skip = 0
        data = self._ahead[skip : skip + size]
        self._position += len(data)
        self._read_to = self._position
        if skip + size >= len(self._ahead):
            self._ahead = b""
        return data

    def _fill(self, size: int) -> None:
        """Read ahead from the position on, at least some of what is wanted now."""
        wanted = size
        if self._position == self._read_to:
            wanted = max(size, self._next_ahead)
            self._next_ahead = min(2 * self._next_ahead, _MOST_AHEAD)
        else:
            self._next_ahead = _FIRST_AHEAD
        if self._remote.size is not None:
            wanted = min(wanted, self._remote.size - self._position)
        self._ahead, self._ahead_at = b"", self._position
        if wanted > 0:
            self._ahead = self._fetch(wanted)

    def _fetch(self, size: int) -> bytes:
        try:
            return with_retries(lambda: self._fetch_once(size), self._remote.address)
        except (TransientError, RefusedError, ChangedError) as error:
            raise as_read_error(self._remote.address, error) from error

    def _fetch_once(self, size: int) -> bytes:
        data = self._reader.fetch(self._position, size)
        if not data and self._remote.size is not None:
            raise TransientError("it ended too early")
        return data
