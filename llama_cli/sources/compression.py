"""Inputs that are compressed, recognised by their first bytes and unpacked on the way."""

from __future__ import annotations

import bz2
import lzma
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

from llama_cli.errors import InputError


class Compression(NamedTuple):
    """One way of packing a stream of bytes."""

    name: str
    suffix: str
    magic: bytes


COMPRESSIONS = (
    Compression("gzip", ".gz", b"\x1f\x8b"),
    Compression("bzip2", ".bz2", b"BZh"),
    Compression("xz", ".xz", b"\xfd7zXZ\x00"),
    Compression("zstd", ".zst", b"\x28\xb5\x2f\xfd"),
    Compression("lz4", ".lz4", b"\x04\x22\x4d\x18"),
)
# What may stand before the frames of zstd and lz4: skippable frames, 0x184D2A50 to 0x184D2A5F,
# which pzstd and others begin with (RFC 8878, section 3.1.2).
_SKIPPABLE = b"\x2a\x4d\x18"
_BZIP2_BLOCKS = (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90")  # after "BZh" and a digit; of the format

_ARROW_NAMES = {"gzip": "gzip", "zstd": "zstd", "lz4": "lz4"}
_PACKED_BYTES = 1 << 16
# Zero bytes between and behind the streams of xz come in fours, by its format.
_XZ_PADDING = 4


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """Some of the next bytes, at most so many; none at the end."""
        ...


def find_compression(head: bytes) -> Compression | None:
    """How a stream that begins like this is packed; None where it is not."""
    if head[1:4] == _SKIPPABLE and 0x50 <= head[0] <= 0x5F:  # noqa: PLR2004 - see above
        return next(kind for kind in COMPRESSIONS if kind.name == "zstd")
    for kind in COMPRESSIONS:
        if head.startswith(kind.magic):
            if kind.name == "bzip2" and not head[4:].startswith(_BZIP2_BLOCKS):
                return None  # a text that begins with these letters
            return kind
    return None


class _Members:
    """Several packed streams end to end, to the last byte: Python's own readers ignore the rest."""

    def __init__(self, packed: Readable, make: Callable[[], Any], padding: int) -> None:
        """Unpack with what ``make`` makes; so many zero bytes, or more, may follow a stream."""
        self._packed = packed
        self._make = make
        self._padding = padding
        self._member = make()
        self._rest = b""

    def read(self, size: int, /) -> bytes:
        while True:
            if self._member.eof and not self._next_member():
                return b""
            data = b""
            if self._member.needs_input:
                data, self._rest = self._rest or self._packed.read(_PACKED_BYTES), b""
                if not data:
                    raise EOFError("it ends too early")
            if unpacked := self._member.decompress(data, size):
                return bytes(unpacked)

    def _next_member(self) -> bool:
        """Begin the next stream; whether there is one."""
        rest = self._member.unused_data or self._packed.read(_PACKED_BYTES)
        zeros = 0
        while self._padding and not rest.strip(b"\0"):
            zeros += len(rest)
            if not (rest := self._packed.read(_PACKED_BYTES)):
                break
        if self._padding:
            stripped = rest.lstrip(b"\0")
            zeros += len(rest) - len(stripped)
            rest = stripped
            if zeros % self._padding:
                raise EOFError("there is something behind its end")
        if not rest:
            return False
        self._member, self._rest = self._make(), rest
        return True


class Unpacked:
    """The content of a packed stream; several one after the other are one."""

    def __init__(self, packed: Readable, kind: Compression, name: str) -> None:
        """Read from the start of a packed stream.

        Args:
            packed: the stream.
            kind: how it is packed.
            name: the input's name, for messages.
        """
        self._packed = packed
        self._kind = kind
        self._name = name
        self._content: Any
        if kind.name == "xz":
            self._content = _Members(packed, lzma.LZMADecompressor, _XZ_PADDING)
        elif kind.name == "bzip2":
            self._content = _Members(packed, bz2.BZ2Decompressor, 0)
        else:
            file = pa.PythonFile(packed, "r")
            self._content = pa.CompressedInputStream(file, _ARROW_NAMES[kind.name])

    def read(self, size: int, /) -> bytes:
        """Some of the next bytes; none at the end, where all of the packed stream is read too.

        Raises:
            InputError: it is damaged, or ends too early.
        """
        try:
            data: bytes = self._content.read(size)
        except (OSError, EOFError, lzma.LZMAError) as error:
            raise InputError(
                f"{self._name}: the {self._kind.name} data is damaged or cut short: {error}"
            ) from error
        return data
