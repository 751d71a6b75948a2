"""Files of a web server, read in parts where it has them.

httpx2 takes long to load, and is imported when a server is asked.
"""

from __future__ import annotations

import contextlib
import functools
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from llama_cli.storage.address import shown
from llama_cli.storage.reader import RemoteObject
from llama_cli.storage.retry import ChangedError, RefusedError, TransientError, may_pass

if TYPE_CHECKING:
    import httpx2

_CONNECT_SECONDS = 15.0
# Answers that are the file, or say something of it; others below 400 are pages about it.
_FILES = (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
# That of gzip is recognized by its first bytes, like any gzip file.
_ENCODINGS = ("identity", "gzip", "x-gzip")
_LIFETIME = "the address may have expired, or want a login"
_USER_AGENT = {"User-Agent": "llama-cli-embed"}
_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+)")


def _refuse_failure(answer: httpx2.Response) -> None:
    status = answer.status_code
    reason = f"HTTP {status} {answer.reason_phrase}".rstrip()
    if may_pass(status):
        raise TransientError(reason, wait=asked_pause(answer))
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        raise RefusedError(f"no such file ({reason})", missing=True)
    denied = status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
    raise RefusedError(reason, hint=_LIFETIME if denied else None)


class Server(NamedTuple):
    """How a kind of server is asked.

    Attributes:
        name: for messages.
        headers: what is sent with each request.
        timeout: seconds without a byte after which it is asked again.
        refuse: raises what an answer that is not the file means.
    """

    name: str = "the server"
    headers: Mapping[str, str] = _USER_AGENT
    timeout: float = 60.0
    refuse: Callable[[httpx2.Response], None] = _refuse_failure


_ANY_SERVER = Server()


@dataclass(frozen=True, slots=True, kw_only=True)
class WebFile(RemoteObject):
    """A file of a web server, or of a repository.

    Its version is the ETag, else the time of its last change and its size; in a repository it is
    the digest.

    Attributes:
        url: where it is.
        sends_version: whether each answer has the version.
        server: how it is asked for.
    """

    url: str
    sends_version: bool = True
    server: Server = _ANY_SERVER

    def open_parts(self) -> RangeReader | StreamReader:
        return RangeReader(self) if self.seekable else StreamReader(self)


def find_web_file(url: str) -> WebFile:
    """The file at a URL.

    Raises:
        TransientError: the server does not answer.
        RefusedError: it will not give the file.
    """
    # Not HEAD, which presigned URLs are not signed for.
    with asking(url, _ANY_SERVER, "bytes=0-0") as answer:
        if answer.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            if answer.headers.get("Content-Range") != "bytes */0":
                return _find_without_ranges(url)
            return _found(url, answer, 0, seekable=True)
        size = _size_of(answer)
        # Two parts are only known to be of one file by its version.
        ranges = answer.status_code == HTTPStatus.PARTIAL_CONTENT and size is not None
        return _found(url, answer, size, seekable=ranges and bool(_version_of(answer, size)))


def _find_without_ranges(url: str) -> WebFile:
    """The file at a URL whose server refuses to send parts, without saying that it is empty."""
    with asking(url, _ANY_SERVER) as answer:
        if answer.status_code != HTTPStatus.OK:
            raise RefusedError(f"HTTP {answer.status_code}")
        return _found(url, answer, _size_of(answer), seekable=False)


def _found(url: str, answer: httpx2.Response, size: int | None, *, seekable: bool) -> WebFile:
    address = shown(url)
    return WebFile(
        name=address,
        address=address,
        file_name=unquote(posixpath.basename(address)),
        size=size,
        version=_version_of(answer, size),
        seekable=seekable,
        url=url,
    )


class RangeReader:
    """Reads a file a part at a time, each for itself."""

    def __init__(self, file: WebFile) -> None:
        self._file = file

    def fetch(self, start: int, size: int) -> bytes:
        """What has come of a part before the connection broke, if it did."""
        received = bytearray()
        wanted = f"bytes={start}-{start + size - 1}"
        try:
            with asking(self._file.url, self._file.server, wanted) as answer:
                self._check(answer, start)
                for piece in answer.iter_raw():
                    received += piece
                    if len(received) >= size:
                        break
        except TransientError:
            if not received:
                raise
        return bytes(received[:size])

    def close(self) -> None:
        """No connection is held between two parts."""

    def _check(self, answer: httpx2.Response, start: int) -> None:
        changed = self._file.sends_version and _differs(self._file, answer)
        if changed or answer.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise ChangedError
        found = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if answer.status_code != HTTPStatus.PARTIAL_CONTENT or not found:
            raise TransientError("the server does not send the part that was asked for")
        if found[1] != str(start) or int(found[2]) != self._file.size:
            raise ChangedError


class StreamReader:
    """Reads a file that can only be had from its start on, in one answer."""

    def __init__(self, file: WebFile) -> None:
        self._file = file
        self._opened = contextlib.ExitStack()
        self._pieces: Iterator[bytes] = iter(())
        self._position: int | None = None
        self._rest = b""

    def fetch(self, start: int, size: int) -> bytes:
        """The next bytes, or those after another position, for which all is sent again."""
        if self._position is None or start < self._position:
            self._begin()
        try:
            while self._position is not None and self._position < start:
                skipped = self._next(start - self._position)
                if not skipped:
                    raise ChangedError
            return self._next(size)
        except TransientError as error:
            # Without a version nobody knows whether what comes the next time is the same file.
            self.close()
            if not self._file.version and start:
                raise RefusedError(
                    f"{error}, and the server cannot resume where it stopped"
                ) from error
            raise

    def close(self) -> None:
        self._opened.close()
        self._position, self._rest = None, b""

    def _begin(self) -> None:
        self.close()
        answer = self._opened.enter_context(asking(self._file.url, self._file.server))
        if _differs(self._file, answer) or _size_of(answer) not in (None, self._file.size):
            raise ChangedError
        self._pieces = answer.iter_raw()
        self._position = 0

    def _next(self, size: int) -> bytes:
        if not self._rest:
            with _translated(self._file.server):
                self._rest = next(self._pieces, b"")
        data, self._rest = self._rest[:size], self._rest[size:]
        self._position = (self._position or 0) + len(data)
        return data


@contextlib.contextmanager
def asking(url: str, server: Server, part: str | None = None) -> Iterator[httpx2.Response]:
    """An answer that is no failure, of which only the head has been received.

    Args:
        url: of a file.
        server: how it is asked for.
        part: what of it is wanted, as the header Range has it; None for all.

    Raises:
        TransientError: the server does not answer, here or while the block receives the rest.
        RefusedError: it will not give the file.
    """
    import httpx2

    # Nothing in between may compress: positions are those of the file itself.
    headers = {**server.headers, "Accept-Encoding": "identity"}
    if part is not None:
        headers["Range"] = part
    timeout = httpx2.Timeout(server.timeout, connect=min(server.timeout, _CONNECT_SECONDS))
    with (
        _translated(server),
        _client().stream("GET", url, headers=headers, timeout=timeout) as answer,
    ):
        if answer.status_code not in _FILES:
            server.refuse(answer)
            raise RefusedError(f"HTTP {answer.status_code} {answer.reason_phrase}".rstrip())
        encoding = answer.headers.get("Content-Encoding", "identity").lower()
        if encoding not in _ENCODINGS:
            raise RefusedError(f"the server compresses it with {encoding}, and was asked not to")
        yield answer


@functools.cache
def _client() -> httpx2.Client:
    import httpx2

    return httpx2.Client(follow_redirects=True)


@contextlib.contextmanager
def _translated(server: Server) -> Iterator[None]:
    import httpx2

    try:
        yield
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
        raise explain(error, server.name) from error


def explain(error: Exception, server: str) -> TransientError | RefusedError:
    """What an error of httpx2 means. What it says itself may have the URL in it."""
    import httpx2

    if isinstance(error, httpx2.UnsupportedProtocol):
        return RefusedError("it leads to another kind of address")
    if not isinstance(error, httpx2.TransportError):
        return RefusedError(f"is no address to read from ({type(error).__name__})")
    if isinstance(error, httpx2.TimeoutException):
        return TransientError(f"no answer from {server} in time")
    if isinstance(error, httpx2.ConnectError | httpx2.ProxyError):
        return TransientError(f"cannot reach {server}: {error}")
    early = isinstance(error, httpx2.RemoteProtocolError)
    return TransientError("the connection ended early" if early else "the connection broke")


def asked_pause(answer: httpx2.Response) -> float:
    """Seconds that a server which is too busy asks to wait."""
    seconds = answer.headers.get("Retry-After", "")
    return float(seconds) if seconds.isdecimal() else 0.0


def _size_of(answer: httpx2.Response) -> int | None:
    """Bytes of the whole file."""
    if answer.status_code == HTTPStatus.PARTIAL_CONTENT:
        found = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        return int(found[2]) if found else None
    length = answer.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _version_of(answer: httpx2.Response, size: int | None) -> str:
    # A weak ETag promises less, but servers mark them so at will.
    if etag := answer.headers.get("ETag", "").removeprefix("W/").strip('"'):
        return str(etag)
    changed = answer.headers.get("Last-Modified", "")
    return f"{changed}, {size} bytes" if changed and size is not None else ""


def _differs(file: WebFile, answer: httpx2.Response) -> bool:
    return _version_of(answer, _size_of(answer)) != file.version
