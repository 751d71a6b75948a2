"""The raw lines of an input, with their positions and the digest of what was read."""

from __future__ import annotations

import io
from collections.abc import Iterator

from llama_cli.errors import InputError
from llama_cli.inputs.digest import InputDigest
from llama_cli.inputs.stream import ByteStream

MAX_LINE_BYTES = 64 << 20

_BOM = b"\xef\xbb\xbf"


class LineReader:
    r"""Lines of a stream, which end at ``\n`` only; a byte order mark at the very start is dropped.

    Positions are bytes of the unpacked content.
    """

    def __init__(self, stream: ByteStream) -> None:
        """Read from the start of the stream."""
        self.stream = stream
        self.name = stream.name
        self.lines = 0
        self._digest = InputDigest()
        self._last = b""  # byte of what `has_prefix` has read

    @property
    def position(self) -> int:
        """How far the content was read."""
        return self._digest.position

    @property
    def digest(self) -> str:
        """xxh3_128 of the content read so far, lower-case hex."""
        return self._digest.hexdigest()

    def note(self, position: int) -> None:
        """Take note that a text ends here, at the end of the line that was read last."""
        self._digest.note(position)

    def digest_at(self, position: int) -> str:
        """xxh3_128 of the content before the end of a text, the last one passed or a later one."""
        return self._digest.at(position)

    def passed(self, position: int) -> None:
        """Take note that no digest of an earlier position will be asked for."""
        self._digest.forget_before(position)

    def has_prefix(self, size: int, digest: str) -> bool:
        """Read the first ``size`` bytes, and nothing more; whether they have that digest."""
        self.stream.rewind()
        self._digest = InputDigest()
        self._last = b""
        self.lines = 0
        while (missing := size - self.position) and (chunk := self.stream.read(missing)):
            self._digest.update(chunk)
            self.passed(self.position)
            self.lines += chunk.count(b"\n")
            self._last = chunk[-1:]
        if self._last not in (b"", b"\n"):
            self.lines += 1
        return not missing and self.digest == digest

    def resume_after(self, position: int, digest: str) -> None:
        """Continue behind a line that was read by an earlier process.

        Args:
            position: just after that line, in bytes.
            digest: of everything before the position.

        Raises:
            InputError: the input does not begin like that any more, or cannot be read.
        """
        if not self.has_prefix(position, digest):
            raise InputError(
                f"{self.name}: its first {position} bytes are not what the unfinished run has read",
                hint="restore them, or discard that run with `restart`",
            )
        if position and self._last != b"\n":
            self._end_last_line()

    def _end_last_line(self) -> None:
        """Step over the end of a line that had none when it was the last of the input."""
        more = self.stream.peek(lambda ahead: len(ahead) > 1)[:2]
        # A carriage return that was the last byte was dropped as part of the line's end.
        ends = (b"\n",) if self._last == b"\r" else (b"\n", b"\r\n")
        if more and not more.startswith(ends):
            raise InputError(
                f"{self.name}: line {self.lines} is longer than when the unfinished run read it",
                hint="restore it, or discard that run with `restart`",
            )
        self._digest.update(self.stream.read(more.find(b"\n") + 1) if more else b"")

    def __iter__(self) -> Iterator[tuple[bytes, int]]:
        r"""Lines without their ``\n``, each with the position after it; `lines` counts them.

        Raises:
            InputError: a line is over 64 MiB.
            InputReadError: the system refused.
        """
        # BytesIO hands out its bytes without a copy, so a huge line is in memory once.
        pending = io.BytesIO()
        end = self.position
        for chunk in self._chunks():
            first, *rest = chunk.split(b"\n")
            pending.write(first)
            if pending.tell() > MAX_LINE_BYTES:
                raise InputError(
                    f"{self.name}: line {self.lines + 1} is over {MAX_LINE_BYTES >> 20} MiB",
                    hint="split it into shorter lines",
                )
            for part in rest:
                line = pending.getvalue()
                end += len(line) + 1
                pending = io.BytesIO(part)
                pending.seek(0, io.SEEK_END)
                self.lines += 1
                yield self._without_bom(line), end
                del line
        if last := pending.getvalue():
            self.lines += 1
            yield self._without_bom(last), end + len(last)

    def _chunks(self) -> Iterator[bytes]:
        while chunk := self.stream.read():
            self._digest.update(chunk)
            yield chunk

    def _without_bom(self, line: bytes) -> bytes:
        return line.removeprefix(_BOM) if self.lines == 1 else line
