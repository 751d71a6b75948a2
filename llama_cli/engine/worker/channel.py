"""Messages between two processes: a small pickled head, then raw bytes that are not copied."""

from __future__ import annotations

import contextlib
import io
import pickle
import struct
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

_SIZE = struct.Struct("<I")


class Message(NamedTuple):
    """One message as it arrives."""

    kind: str
    content: Any
    """Whatever small thing was sent with it."""
    parts: list[bytes]
    """Raw bytes, as many pieces as were sent."""


class Channel:
    """Two pipe ends, which it takes over. One thread may receive; any may send."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        self._incoming = io.BufferedReader(io.FileIO(incoming, "rb"))
        self._outgoing = io.FileIO(outgoing, "wb")
        self._sending = threading.Lock()

    def send(
        self, kind: str, content: object = None, parts: Sequence[bytes | memoryview] = ()
    ) -> None:
        """Send a message; waits while the pipe is full.

        Raises:
            OSError: nobody reads any more, or the channel is closed.
        """
        head = pickle.dumps((kind, content, [memoryview(part).nbytes for part in parts]))
        with self._sending:
            self._write(_SIZE.pack(len(head)) + head)
            for part in parts:
                self._write(part)

    def receive(self) -> Message:
        """Wait for the next message.

        Raises:
            EOFError: the other end is gone, perhaps in the middle of a message.
        """
        (size,) = _SIZE.unpack(self._read(_SIZE.size))
        kind, content, sizes = pickle.loads(self._read(size))  # noqa: S301 - from our own process
        return Message(kind, content, [self._read(size) for size in sizes])

    def close(self) -> None:
        """Close both ends; the other process finds its own at an end."""
        for end in (self._outgoing, self._incoming):
            with contextlib.suppress(OSError):
                end.close()

    def _read(self, size: int) -> bytes:
        data = self._incoming.read(size)
        if len(data) < size:
            raise EOFError
        return data

    def _write(self, data: bytes | memoryview) -> None:
        rest = memoryview(data).cast("B")
        while rest.nbytes:
            if self._outgoing.closed:  # else it is a ValueError
                raise BrokenPipeError("the channel is closed")
            rest = rest[self._outgoing.write(rest) :]
