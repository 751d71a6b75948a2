"""Inputs that are compressed, recognized by their first bytes and unpacked on the way."""

from __future__ import annotations

import bz2
import lzma
import zlib
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

_PACKED_BYTES = 1 << 16


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


class _Gunzip:
    """zlib's decompressor with the names that those of bzip2 and xz have."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        self._may_have_more = False

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    @property
    def needs_input(self) -> bool:
        return not (self._may_have_more or self._inflate.unconsumed_tail)

    def decompress(self, data: bytes, size: int) -> bytes:
        unpacked = self._inflate.decompress(self._inflate.unconsumed_tail or data, size)
        self._may_have_more = len(unpacked) == size
        return unpacked


class _Members:
    """Several packed streams end to end, to the last byte: Python's own readers ignore the rest."""

    def __init__(self, packed: Readable, make: Callable[[], Any], padding: int) -> None:
        """Read from the start.

        Args:
            packed: the streams.
            make: makes what unpacks one of them.
            padding: behind each there may be any multiple of so many zero bytes; 0 for none.
        """
        self._packed = packed
        self._make = make
        self._padding = padding
        self._member = make()
        self._rest = b""

    def read(self, size: int, /) -> bytes:
        """Some of the next bytes, as soon as there are any; none at the end."""
        while not self._member.eof or self._begin_next():
            data = b""
            if self._member.needs_input:
                data, self._rest = self._rest or self._packed.read(_PACKED_BYTES), b""
                if not data:
                    raise EOFError("it ends too early")
            if unpacked := self._member.decompress(data, size):
                return bytes(unpacked)
        return b""

    def _begin_next(self) -> bool:
        """Begin the next stream; whether there is one."""
        zero = b"\0" if self._padding else b""
        zeros, data = 0, self._member.unused_data
        while not (rest := data.lstrip(zero)):
            zeros += len(data)
            if not (data := self._packed.read(_PACKED_BYTES)):
                break
        zeros += len(data) - len(rest)
        if zeros and zeros % self._padding:
            raise EOFError("there is something behind its end")
        self._member, self._rest = self._make() if rest else self._member, rest
        return bool(rest)


# What unpacks a stream, and the padding behind it: that of xz comes in fours by its format, and
# behind gzip zeros may stand, as on tapes. Arrow unpacks the others.
_DECOMPRESSORS: dict[str, tuple[Callable[[], Any], int]] = {
    "gzip": (_Gunzip, 1),
    "bzip2": (bz2.BZ2Decompressor, 0),
    "xz": (lzma.LZMADecompressor, 4),
}


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
        if kind.name in _DECOMPRESSORS:
            self._content = _Members(packed, *_DECOMPRESSORS[kind.name])
        else:
            self._content = pa.CompressedInputStream(pa.PythonFile(packed, "r"), kind.name)

    def read(self, size: int, /) -> bytes:
        """Some of the next bytes; none at the end, where all of the packed stream is read too.

        Raises:
            InputError: it is damaged, or ends too early.
        """
        try:
            data: bytes = self._content.read(size)
        except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
            raise InputError(
                f"{self._name}: the {self._kind.name} data is damaged or cut short: {error}"
            ) from error
        return data
