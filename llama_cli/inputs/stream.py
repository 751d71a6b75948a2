"""An input as a stream of bytes, unpacked where it is compressed."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

import xxhash

from llama_cli.errors import InputReadError
from llama_cli.inputs.compression import Compression, Readable, Unpacked, find_compression

CHUNK = 1 << 20
# Enough to know any format by; the first bytes of a tar file's name come before its mark.
_HEAD = 512


class ByteStream:
    """The content of an open input, from its start to its end, or again from its start."""

    def __init__(self, file: BinaryIO, *, name: str, size: int | None) -> None:
        """Look at the first bytes.

        Args:
            file: opened for reading bytes.
            name: the input's name, for messages.
            size: its size in bytes, or None for a pipe.

        Raises:
            InputReadError: the system refused.
        """
        self.name = name
        self.size = size
        self._file = file
        self._start()

    def _start(self) -> None:
        self._packed = _Packed(self._file, self.name)
        self.compression: Compression | None = find_compression(self._packed.head())
        self._content: Readable = self._packed
        if self.compression is not None:
            self._packed.digest = xxhash.xxh3_128()
            self._content = Unpacked(self._packed, self.compression, self.name)
        self._ahead = b""

    def read(self, most: int = CHUNK) -> bytes:
        """Some of the next bytes of the content; none at its end.

        Raises:
            InputError: what it was packed with is damaged.
            InputReadError: the system refused.
        """
        if self._ahead:
            data, self._ahead = self._ahead[:most], self._ahead[most:]
            return data
        return self._content.read(min(most, CHUNK))

    def peek(self, is_enough: Callable[[bytes], bool]) -> bytes:
        """The next bytes of the content, without reading on.

        Args:
            is_enough: of these bytes; asked again whenever there are more, until all are there.
        """
        while not is_enough(self._ahead) and (chunk := self._content.read(CHUNK)):
            self._ahead += chunk
        return self._ahead

    def rewind(self) -> None:
        """Read from the start again.

        Raises:
            InputReadError: the system refused.
        """
        try:
            self._file.seek(0)
        except OSError as error:
            raise InputReadError(f"{self.name}: cannot read: {error.strerror}") from error
        self._start()

    @property
    def bytes_read(self) -> int:
        """Bytes of the input itself, packed as it is, that have been read."""
        return self._packed.position

    def packed_digest(self) -> str | None:
        """xxh3_128 of the input itself as far as it was read; None where it is not packed."""
        return None if self._packed.digest is None else self._packed.digest.hexdigest()


class _Packed:
    """The input's own bytes, counted. Arrow and lzma take it for a file."""

    closed = False

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.position = 0
        self.digest: xxhash.xxh3_128 | None = None
        self._file = file
        self._name = name
        self._head = b""

    def head(self) -> bytes:
        """The first bytes. A pipe may give one at a time."""
        # Fewer are enough where a slow writer has not written more: no format is that short.
        while len(self._head) < _HEAD and (chunk := self._read(_HEAD)):
            self._head += chunk
            if b"\n" in chunk or find_compression(self._head):
                break
        return self._head

    def read(self, size: int = CHUNK, /) -> bytes:
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
        else:
            data = self._read(size)
        self.position += len(data)
        if self.digest is not None:
            self.digest.update(data)
        return data

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        """Whoever has opened the file closes it."""

    def _read(self, size: int) -> bytes:
        try:
            data = self._file.read(CHUNK if size < 0 else size)
        except OSError as error:
            raise InputReadError(f"{self._name}: cannot read: {error.strerror}") from error
        if data is None:  # not the end: a descriptor that does not wait
            raise InputReadError(f"{self._name}: cannot read: it is set not to wait for data")
        return data
