"""Text that is read line by line: what text formats have in common, and plain text itself."""

from __future__ import annotations

import abc
import codecs
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from llama_cli.errors import InputError
from llama_cli.inputs.fingerprint import Fingerprint, InputDigest, fingerprint_open
from llama_cli.inputs.readers.base import Candidate, Format
from llama_cli.inputs.skips import InputSkips
from llama_cli.inputs.stream import ByteStream
from llama_cli.records import TextRecord

MAX_LINE_BYTES = 64 << 20

_BOM = b"\xef\xbb\xbf"
# In no text, but for what strays into one: all control characters but white space, escape
# sequences, and those with which some programs separate fields.
_CONTROLS = bytes([0, *range(5, 9), *range(14, 27), 127])
# Random bytes have 7 % of them, and some part of a file in any binary format has as many.
_CONTROL_SHARE = 50
_FEW_CONTROLS = 8
_JUDGED_BYTES = 1 << 20
_UTF8_PART = 1 << 20  # bytes decoded at a time, so that a huge line stays one copy


@dataclass(frozen=True)
class TextFormat(Format):
    """A format that is read line by line, from start to end."""

    streamed = True
    unit = "line"
    by_lines: ClassVar[bool] = True
    """Whether texts end at the ends of lines."""

    @abc.abstractmethod
    def read(self, lines: LineReader, skips: InputSkips, most: int | None) -> Iterator[TextRecord]:
        """The texts in the lines from here on; `LineReader.note_end` is told where each ends.

        Args:
            lines: the lines, of which the first may have been read in an earlier process.
            skips: takes note of rows that are left out.
            most: texts that are wanted, beyond which none need be read; None for all.

        Raises:
            InputError: the content is not in this format.
        """

    def open(
        self, stream: ByteStream, version: str, skips: InputSkips, most: int | None
    ) -> TextReader:
        read = partial(self.read, skips=skips, most=most)
        return TextReader(stream, version, read, by_lines=self.by_lines)


@dataclass(frozen=True)
class PlainText(TextFormat):
    """One text a line."""

    name = "text"
    suffixes = (".txt", ".text", ".md")
    documented_rows = "a line that is not blank"

    columns: None = None
    is_surely_text: bool = False
    """Whether that was said of it, so that it is not doubted."""

    @classmethod
    def detect(cls, candidate: Candidate) -> PlainText:
        """Refuse choices of columns, as there are none."""
        choice = candidate.choice
        for option, named in (("column", choice.text), ("keep", choice.carried)):
            if named:
                raise InputError(
                    f"{candidate.stream.name}: is plain text and has no columns, so `{option}` has "
                    "nothing to name",
                    hint="say with `format` what it is",
                    option=option,
                )
        return cls()

    def read(
        self,
        lines: LineReader,
        skips: InputSkips,
        most: int | None,  # noqa: ARG002 - none ahead
    ) -> Iterator[TextRecord]:
        r"""The lines that are not blank; only one ``\r`` before a line's end is dropped."""
        controls = 0
        judged = 0 if self.is_surely_text or lines.offset else _JUDGED_BYTES
        for line, end in lines:
            if end <= judged and (found := count_controls(line)):
                controls += found
                if is_binary(controls, end):
                    raise InputError(
                        f"{lines.name}: line {lines.line} is binary data, not text in UTF-8",
                        hint="if it is text all the same, say `format=text`",
                    )
            text, invalid_utf8 = replace_invalid_utf8(line.removesuffix(b"\r"))
            if is_blank(text):
                skips.add_blank(lines.line)
            else:
                lines.note_end(end)
                yield TextRecord(text, lines.line, end, invalid_utf8)
            del line, text  # a huge line is let go before the next one is read


class LineReader:
    r"""Lines of a stream, which end at ``\n`` only; a byte order mark at the very start is dropped.

    Offsets are bytes of the decompressed content.
    """

    def __init__(self, stream: ByteStream, *, by_lines: bool = True) -> None:
        self.stream = stream
        self.name = stream.name
        self.line = 0
        self._by_lines = by_lines
        self._digest = InputDigest(at_lines=by_lines)
        self._last_byte = b""  # of what `has_prefix` has read

    @property
    def offset(self) -> int:
        """How far the content was read."""
        return self._digest.offset

    @property
    def digest(self) -> str:
        """xxh3_128 of the content read so far, lower-case hex."""
        return self._digest.hexdigest()

    def note_end(self, offset: int) -> None:
        """Take note that a text ends here, at the end of the line that was read last."""
        self._digest.note_end(offset)

    def digest_at(self, offset: int) -> str:
        """xxh3_128 of the content before the end of a text that is not forgotten yet."""
        return self._digest.at(offset)

    def forget_before(self, offset: int) -> None:
        """Free what is needed only for the digests of earlier offsets."""
        self._digest.forget_before(offset)

    def has_prefix(self, size: int, digest: str) -> bool:
        """Read the first ``size`` bytes, and nothing more; whether they have that digest."""
        self.stream.rewind()
        self._digest = InputDigest(at_lines=self._by_lines)
        self._last_byte = b""
        self.line = 0
        while (missing := size - self.offset) and (chunk := self.stream.read(missing)):
            self._digest.update(chunk)
            self.forget_before(self.offset)
            self.line += chunk.count(b"\n")
            self._last_byte = chunk[-1:]
        if self._last_byte not in (b"", b"\n"):
            self.line += 1
        return not missing and self.digest == digest

    def resume_after(self, line: int, offset: int, digest: str) -> None:
        """Continue behind a text that was read by an earlier process.

        Args:
            line: number of its line or row.
            offset: where that text ends.
            digest: of everything before.

        Raises:
            InputError: the input does not begin like that any more, or cannot be read.
        """
        if not self.has_prefix(offset, digest):
            raise InputError(
                f"{self.name}: its first {offset} bytes are not what the unfinished run has read",
                hint="restore them, or discard that run with `restart`",
            )
        if not self._by_lines:
            self.line = line
        elif offset and self._last_byte != b"\n":
            self._end_last_line()

    def _end_last_line(self) -> None:
        """Step over the end of a line that had none when it was the last of the input."""
        more = self.stream.peek(lambda ahead: 2 if len(ahead) > 1 else None)
        # A carriage return that was the last byte was dropped as part of the line's end.
        ends = (b"\n",) if self._last_byte == b"\r" else (b"\n", b"\r\n")
        if more and not more.startswith(ends):
            raise InputError(
                f"{self.name}: line {self.line} is longer than when the unfinished run read it",
                hint="restore it, or discard that run with `restart`",
            )
        self._digest.update(self.stream.read(more.find(b"\n") + 1) if more else b"")

    def __iter__(self) -> Iterator[tuple[bytes, int]]:
        r"""Lines without their ``\n``, each with the offset behind it; `line` counts them.

        Raises:
            InputError: a line is over 64 MiB.
            InputReadError: the system refused.
        """
        # BytesIO hands out its bytes without a copy, so a huge line is in memory once.
        pending = io.BytesIO()
        end = self.offset
        for chunk in self.chunks():
            first, *rest = chunk.split(b"\n")
            pending.write(first)
            if pending.tell() > MAX_LINE_BYTES:
                raise InputError(
                    f"{self.name}: line {self.line + 1} is over {MAX_LINE_BYTES >> 20} MiB",
                    hint="split it into shorter lines",
                )
            for part in rest:
                line = pending.getvalue()
                end += len(line) + 1
                pending = io.BytesIO(part)
                pending.seek(0, io.SEEK_END)
                self.line += 1
                yield self._without_bom(line), end
                del line
        if last := pending.getvalue():
            self.line += 1
            yield self._without_bom(last), end + len(last)

    def chunks(self) -> Iterator[bytes]:
        """The content from here on, in parts as large as they come."""
        while chunk := self.stream.read():
            self._digest.update(chunk)
            yield chunk

    def _without_bom(self, line: bytes) -> bytes:
        return line.removeprefix(_BOM) if self.line == 1 else line


class TextReader(LineReader):
    """The texts of an input in a text format."""

    def __init__(
        self,
        stream: ByteStream,
        version: str,
        read: Callable[[LineReader], Iterator[TextRecord]],
        *,
        by_lines: bool,
    ) -> None:
        super().__init__(stream, by_lines=by_lines)
        self._version = version
        self._read = read

    def records(self) -> Iterator[TextRecord]:
        return self._read(self)

    def bytes_read(self, record: TextRecord) -> int:
        """The text's own end, or how far the input had been decompressed for it."""
        return self.stream.bytes_read if self.stream.is_converted else record.offset

    def fingerprint(self) -> Fingerprint:
        """Size and xxh3_128 of the input as it is, compressed or not, as far as it was read."""
        digest = self.stream.own_digest()
        if digest is None:
            return Fingerprint(self.offset, self.digest)
        return Fingerprint(self.stream.bytes_read, digest)

    def fingerprint_at(self, offset: int) -> Fingerprint:
        """Size and xxh3_128 of the input up to there.

        Of all of it where it is compressed, and of what was read of it where it then comes through
        a pipe or from a server.
        """
        if not self.stream.is_converted:
            return Fingerprint(offset, self.digest_at(offset))
        if self._version:  # of a server, from which the rest would have to be downloaded
            return Fingerprint(self.stream.bytes_read, "", self._version)
        file = self.stream.file
        if not isinstance(file, io.FileIO) or not file.seekable():
            return self.fingerprint()
        return fingerprint_open(file, self.name)


def count_controls(data: bytes) -> int:
    """How many bytes are control characters that are in no text."""
    return len(data) - len(data.translate(None, _CONTROLS))


def is_binary(controls: int, size: int) -> bool:
    """Whether so many of them in so many bytes are more than stray into a text."""
    return controls >= _FEW_CONTROLS and controls * _CONTROL_SHARE > size


def replace_invalid_utf8(line: bytes) -> tuple[bytes, bool]:
    """The line as valid UTF-8, and whether that took replacing bytes by U+FFFD."""
    if line.isascii():
        return line, False
    try:
        for _ in _decoded(line, "strict"):
            pass
    except UnicodeDecodeError:
        return b"".join(part.encode() for part in _decoded(line, "replace")), True
    return line, False


def is_blank(text: bytes) -> bool:
    """Whether valid UTF-8 is empty or only white space, that of other scripts included."""
    if len(text) <= _UTF8_PART:
        return not text or text.decode().isspace()
    return all(not part or part.isspace() for part in _decoded(text, "strict"))


def _decoded(line: bytes, errors: str) -> Iterator[str]:
    if len(line) <= _UTF8_PART:
        yield line.decode("utf-8", errors)
        return
    decoder = codecs.getincrementaldecoder("utf-8")(errors)
    for start in range(0, len(line), _UTF8_PART):
        yield decoder.decode(line[start : start + _UTF8_PART])
    yield decoder.decode(b"", final=True)
