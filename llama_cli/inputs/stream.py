"""The bytes of an open input, decompressed and made UTF-8 on the way where they are not."""

from __future__ import annotations

import bz2
import codecs
import lzma
import os
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Self

import pyarrow as pa
import xxhash

from llama_cli.errors import InputError, InputReadError, UsageError
from llama_cli.inputs.resolve import Input

CHUNK = 1 << 20
# Enough to know any format by; the first bytes of a tar file's name come before its mark.
_HEAD = 512


class ByteStream:
    """The content of an open input, from its start to its end, or again from its start."""

    def __init__(self, file: BinaryIO, name: str, encoding: str | None = None) -> None:
        """Find out by the first bytes how it is compressed.

        Args:
            file: opened for reading bytes; from here on the stream's to close.
            name: the input's name, for messages.
            encoding: what `check_encoding` gave.

        Raises:
            InputReadError: the system refused.
        """
        self.name = name
        self.file = file
        self._encoding = encoding
        try:
            self._start()
        except BaseException:
            file.close()
            raise

    @classmethod
    def open(cls, file: Input, encoding: str | None = None) -> Self:
        """Open an input.

        Raises:
            InputError: it cannot be opened.
            InputReadError: the system refused.
        """
        return cls(file.open(), file.name, encoding)

    def close(self) -> None:
        self.file.close()
        if self._spool is not None:
            self._spool.close()

    def _start(self) -> None:
        self._raw = _RawBytes(self.file, self.name)
        self.compression: Compression | None = find_compression(self._raw.head())
        self._content: _RawBytes | _Decompressed | _Transcoded = self._raw
        if self.is_converted:
            self._raw.digest = xxhash.xxh3_128()
        if self.compression is not None:
            self._content = _Decompressed(self._raw, self.compression, self.name)
        if self._encoding is not None:
            self._content = _Transcoded(self._content, self._encoding)
        self._ahead = b""
        self._spool: _Spool | None = None
        self._spools = True

    def read(self, most: int = CHUNK) -> bytes:
        """Some of the next bytes of the content; none at its end.

        Raises:
            InputError: the compressed data is damaged.
            InputReadError: the system refused.
        """
        if self._ahead:
            data, self._ahead = self._ahead[:most], self._ahead[most:]
            return data
        return self._read_on(min(most, CHUNK))

    def peek(self, find_end: Callable[[bytes], int | None]) -> bytes:
        """The next bytes of the content, without reading on.

        Args:
            find_end: how many of these bytes are wanted, or None where more of them must be there
                to tell; asked again whenever there are more. What it says must not depend on how
                many there are, as a pipe gives them by chance. All are wanted if it never says.
        """
        while (end := find_end(self._ahead)) is None and (chunk := self._read_on(CHUNK)):
            self._ahead += chunk
        return self._ahead[:end]

    def spool(self) -> None:
        """Keep on the disk what a pipe gives, of which nothing has been read, for `rewind`.

        Raises:
            InputReadError: the system refused.
        """
        self._spool = _Spool(self.name)
        self._spool.write(self._ahead)

    def _read_on(self, most: int) -> bytes:
        if self._spool is not None:
            if data := self._spool.read(most):
                return data
            if not self._spools:
                self._spool.close()
                self._spool = None
        data = self._content.read(most)
        if self._spool is not None:
            self._spool.write(data)
        return data

    def rewind(self, *, again: bool = False) -> None:
        """Read from the start again.

        Args:
            again: whether that will be asked for once more; if not, no more of a pipe is kept.

        Raises:
            InputReadError: the system refused; it does for a pipe that is not kept.
        """
        if self._spool is not None:
            self._ahead = b""
            self._spool.read_from_start()
            self._spools = again
            return
        try:
            self.file.seek(0)
        except OSError as error:
            raise InputReadError(f"{self.name}: cannot read: {error.strerror}") from error
        self._start()

    @property
    def is_converted(self) -> bool:
        """Whether the content is something else than the input's own bytes."""
        return self.compression is not None or self._encoding is not None

    @property
    def bytes_read(self) -> int:
        """Bytes of the input itself, compressed as it is, that have been read."""
        return self._raw.position

    def own_digest(self) -> str | None:
        """xxh3_128 of the input's own bytes that were read, where the content is another."""
        return None if self._raw.digest is None else self._raw.digest.hexdigest()


def check_encoding(name: str | None) -> str | None:
    """The encoding of this name, None for UTF-8 and for no name.

    Raises:
        UsageError: Python knows none of text.
    """
    if name is None:
        return None
    try:
        "a".encode(name)  # it looks for encodings of text alone
        found = codecs.lookup(name).name
    except (LookupError, UnicodeError) as error:
        raise UsageError(
            f"`encoding={name}`: no such encoding",
            hint="those that Python knows: utf-16, cp1252, shift_jis, gb18030, ...",
            option="encoding",
        ) from error
    return None if found in {"utf-8", "utf-8-sig"} else found


def _invalid(error: UnicodeError) -> tuple[str, int]:
    """A character that becomes a byte which is not UTF-8, so that readers count the text."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udcff", error.end


codecs.register_error("llama_cli.invalid", _invalid)


class _Transcoded:
    """Content in another encoding, as UTF-8."""

    def __init__(self, content: _RawBytes | _Decompressed, encoding: str) -> None:
        self._content = content
        self._decoder = codecs.getincrementaldecoder(encoding)("llama_cli.invalid")
        self._rest = b""  # a character may take more bytes than before

    def read(self, size: int, /) -> bytes:
        """Some of the next bytes; none at the end."""
        ends = False
        while not self._rest and not ends:
            chunk = self._content.read(size)
            ends = not chunk
            text = self._decoder.decode(chunk, final=ends)
            self._rest = text.encode("utf-8", "surrogateescape")
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


class _Spool:
    """What a pipe gave, in a file without a name, which is gone however the process ends."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._size = self._read_up_to = 0
        # What is in /tmp may be in memory.
        given = any(os.environ.get(variable) for variable in ("TMPDIR", "TEMP", "TMP"))
        usual = Path("/var/tmp")  # noqa: S108 - for a file that nobody else can open
        self._folder = str(usual) if usual.is_dir() and not given else tempfile.gettempdir()
        try:
            self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115
        except OSError as error:
            raise self._refused(error) from error

    def write(self, data: bytes) -> None:
        """Add what was read of the pipe, where all before it has been read of this."""
        try:
            self._file.seek(self._size)
            while data:
                data = data[self._file.write(data) :]
            self._size = self._read_up_to = self._file.tell()
        except OSError as error:
            raise self._refused(error) from error

    def read_from_start(self) -> None:
        self._read_up_to = 0

    def read(self, size: int) -> bytes:
        """Some of the next bytes; none where all have been read."""
        try:
            self._file.seek(self._read_up_to)
            data = self._file.read(size)
        except OSError as error:
            raise self._refused(error) from error
        self._read_up_to += len(data)
        return data

    def close(self) -> None:
        self._file.close()

    def _refused(self, error: OSError) -> InputReadError:
        return InputReadError(
            f"{self._name}: cannot keep what it gives in {self._folder}: {error.strerror}",
            hint="name another folder in TMPDIR, or write it to a file first",
        )


class _RawBytes:
    """The input's own bytes, counted. To Arrow and lzma it is a file."""

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
        """Leave the file open: it is the stream's to close."""

    def _read(self, size: int) -> bytes:
        try:
            data = self._file.read(CHUNK if size < 0 else size)
        except OSError as error:
            raise InputReadError(f"{self._name}: cannot read: {error.strerror}") from error
        if data is None:  # not the end: a descriptor that does not wait
            raise InputReadError(f"{self._name}: cannot read: it is set not to wait for data")
        return data


class Compression(NamedTuple):
    """One way of compressing a stream of bytes."""

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

_COMPRESSED_CHUNK = 1 << 16


def find_compression(head: bytes) -> Compression | None:
    """How a stream that begins like this is compressed; None where it is not."""
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

    def decompress(self, compressed: bytes, size: int) -> bytes:
        data = self._inflate.decompress(self._inflate.unconsumed_tail or compressed, size)
        self._may_have_more = len(data) == size
        return data


class _TrailingDataError(Exception):
    """Something else follows the compressed data."""


class _Members:
    """Several compressed streams end to end, to the last byte.

    Python's own readers ignore what comes behind a stream that they cannot read.
    """

    def __init__(
        self,
        compressed: _RawBytes,
        magic: bytes,
        make_decompressor: Callable[[], Any],
        padding: int,
    ) -> None:
        """Read from the start.

        Args:
            compressed: the streams.
            magic: the first byte of each.
            make_decompressor: called for each of them.
            padding: behind each there may be any multiple of so many zero bytes; 0 for none.
        """
        self._compressed = compressed
        self._magic = magic
        self._make_decompressor = make_decompressor
        self._padding = padding
        self._member = make_decompressor()
        self._rest = b""

    def read(self, size: int, /) -> bytes:
        """Some of the next bytes, as soon as there are any; none at the end."""
        while not self._member.eof or self._begin_next():
            data = b""
            if self._member.needs_input:
                data, self._rest = self._rest or self._compressed.read(_COMPRESSED_CHUNK), b""
                if not data:
                    raise EOFError("it ends too early")
            if content := self._member.decompress(data, size):
                return bytes(content)
        return b""

    def _begin_next(self) -> bool:
        """Begin the next stream; whether there is one."""
        zero = b"\0" if self._padding else b""
        zeros, data = 0, self._member.unused_data
        while not (rest := data.lstrip(zero)):
            zeros += len(data)
            if not (data := self._compressed.read(_COMPRESSED_CHUNK)):
                break
        if rest and not rest.startswith(self._magic):
            raise _TrailingDataError
        zeros += len(data) - len(rest)
        if zeros and zeros % self._padding:
            raise EOFError("there is something behind its end")
        self._member, self._rest = self._make_decompressor() if rest else self._member, rest
        return bool(rest)


# The decompressor of a stream, and the padding that may follow it: that of xz comes in fours by its
# format, and gzip may be followed by zeros, as on tapes. Arrow decompresses the others.
_DECOMPRESSORS: dict[str, tuple[Callable[[], Any], int]] = {
    "gzip": (_Gunzip, 1),
    "bzip2": (bz2.BZ2Decompressor, 0),
    "xz": (lzma.LZMADecompressor, 4),
}


class _Decompressed:
    """The content of a compressed stream; that of several end to end is one."""

    def __init__(self, compressed: _RawBytes, kind: Compression, name: str) -> None:
        self._kind = kind
        self._name = name
        self._content: Any
        if kind.name in _DECOMPRESSORS:
            first = kind.magic[:1]
            self._content = _Members(compressed, first, *_DECOMPRESSORS[kind.name])
        else:
            self._content = pa.CompressedInputStream(pa.PythonFile(compressed, "r"), kind.name)

    def read(self, size: int, /) -> bytes:
        """Some of the next bytes; none at the end, where all of the compressed ones are read too.

        Raises:
            InputError: it is damaged, or ends too early.
        """
        try:
            data: bytes = self._content.read(size)
        except _TrailingDataError as error:
            raise InputError(
                f"{self._name}: what comes behind its {self._kind.name} data is no such data",
                hint="if it does not belong there, leave it out: zcat FILE | llama-cli embed -"
                if self._kind.name == "gzip"
                else None,
            ) from error
        except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
            if "too much memory" in str(error):  # zstd's own bound is 128 MiB, too
                raise InputError(
                    f"{self._name}: was compressed with a window of over 128 MiB",
                    hint="decompress it on the way: zstd -dc --long=31 FILE | llama-cli embed -",
                ) from error
            raise InputError(
                f"{self._name}: the {self._kind.name} data is damaged or cut short: {error}"
            ) from error
        return data
