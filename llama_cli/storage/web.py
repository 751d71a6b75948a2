"""Files of a web server, read in parts where it has them."""

from __future__ import annotations

import contextlib
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import httpx2

from llama_cli.storage.address import shown
from llama_cli.storage.retry import ChangedError, RefusedError, TransientError

_PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
# Answers that are the file, or say something of it; others below 400 are pages about it.
_FILES = (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
# That of gzip is recognized by its first bytes, like any gzip file.
_ENCODINGS = ("identity", "gzip", "x-gzip")
_LIFETIME = "the address may have expired, or want a login"
_HINTS = {HTTPStatus.UNAUTHORIZED: _LIFETIME, HTTPStatus.FORBIDDEN: _LIFETIME}
_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+)")
# Nothing in between may be packed or unpacked: positions are those of the file itself.
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "llama-cli-embed"}

_clients: list[httpx2.Client] = []


@dataclass(frozen=True, slots=True)
class WebFile:
    """A file of a web server.

    Attributes:
        url: where it is.
        address: the URL as it may be shown.
        size: bytes, if that is known.
        version: its ETag, else the time of its last change and its size; empty without both.
        has_ranges: whether parts of it can be had.
        headers: what is sent with each request.
        sends_version: whether each answer has the version.
    """

    url: str
    address: str
    size: int | None
    version: str
    has_ranges: bool
    headers: Mapping[str, str] = field(default_factory=dict)
    sends_version: bool = True

    @property
    def file_name(self) -> str:
        """Its name without a folder."""
        return unquote(posixpath.basename(self.address))

    def open(self) -> RangedParts | WholeParts:
        """Make ready for reading it once."""
        return RangedParts(self) if self.has_ranges else WholeParts(self)


def find_web_file(url: str) -> WebFile:
    """The file at a URL.

    Raises:
        TransientError: the server does not answer.
        RefusedError: it will not give the file.
    """
    # Not HEAD, which presigned URLs are not signed for.
    with _asking(url, {"Range": "bytes=0-0"}) as answer:
        if answer.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            if answer.headers.get("Content-Range") != "bytes */0":
                return _find_without_ranges(url)
            return WebFile(url, shown(url), 0, _version_of(answer, 0), has_ranges=True)
        size = _size_of(answer)
        version = _version_of(answer, size)
        # Two parts are only known to be of one file by its version.
        ranges = answer.status_code == HTTPStatus.PARTIAL_CONTENT and size is not None
        return WebFile(url, shown(url), size, version, has_ranges=ranges and bool(version))


def _find_without_ranges(url: str) -> WebFile:
    """The file at a URL whose server refuses to send parts, without saying that it is empty."""
    with _asking(url, {}) as answer:
        if answer.status_code != HTTPStatus.OK:
            raise RefusedError(f"HTTP {answer.status_code}")
        size = _size_of(answer)
        return WebFile(url, shown(url), size, _version_of(answer, size), has_ranges=False)


class RangedParts:
    """A file that is read a part at a time, each for itself."""

    def __init__(self, file: WebFile) -> None:
        """Nothing is asked yet."""
        self._file = file

    def fetch(self, start: int, size: int) -> bytes:
        """What has come of a part before the connection broke, if it did."""
        received = bytearray()
        ask = {**self._file.headers, "Range": f"bytes={start}-{start + size - 1}"}
        try:
            with _asking(self._file.url, ask) as answer:
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
        """Nothing is open."""

    def _check(self, answer: httpx2.Response, start: int) -> None:
        changed = self._file.sends_version and _differs(self._file, answer)
        if changed or answer.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise ChangedError
        found = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if answer.status_code != HTTPStatus.PARTIAL_CONTENT or not found:
            raise TransientError("the server does not send the part that was asked for")
        if found[1] != str(start) or int(found[2]) != self._file.size:
            raise ChangedError


class WholeParts:
    """A file that can only be had from its start on, in one answer."""

    def __init__(self, file: WebFile) -> None:
        """Nothing is asked yet."""
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
        """Let go of the connection."""
        self._opened.close()
        self._position, self._rest = None, b""

    def _begin(self) -> None:
        self.close()
        answer = self._opened.enter_context(_asking(self._file.url, self._file.headers))
        if _differs(self._file, answer) or _size_of(answer) not in (None, self._file.size):
            raise ChangedError
        self._pieces = answer.iter_raw()
        self._position = 0

    def _next(self, size: int) -> bytes:
        if not self._rest:
            with _translated():
                self._rest = next(self._pieces, b"")
        data, self._rest = self._rest[:size], self._rest[size:]
        self._position = (self._position or 0) + len(data)
        return data


@contextlib.contextmanager
def _asking(url: str, headers: Mapping[str, str]) -> Iterator[httpx2.Response]:
    """An answer that is no failure, of which nothing but the head has been received."""
    with (
        _translated(),
        _client().stream("GET", url, headers={**_HEADERS, **headers}) as answer,
    ):
        _refuse_failure(answer)
        yield answer


def _client() -> httpx2.Client:
    if not _clients:
        timeout = httpx2.Timeout(60.0, connect=15.0)
        _clients.append(httpx2.Client(follow_redirects=True, timeout=timeout))
    return _clients[0]


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Errors of the network as ours. What the library says of them may have the URL in it."""
    try:
        yield
    except httpx2.TimeoutException as error:
        raise TransientError("the server does not answer") from error
    except httpx2.TransportError as error:
        if isinstance(error, httpx2.UnsupportedProtocol):
            raise RefusedError("it leads to another kind of address") from error
        raise TransientError(_describe(error)) from error
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
        raise RefusedError(f"is no address to read from ({type(error).__name__})") from error


def _describe(error: httpx2.TransportError) -> str:
    if isinstance(error, httpx2.ConnectError):
        return f"cannot connect ({error})"
    return "the connection broke"


def _refuse_failure(answer: httpx2.Response) -> None:
    status = answer.status_code
    if status in _FILES:
        packed = answer.headers.get("Content-Encoding", "identity").lower()
        if packed not in _ENCODINGS:
            raise RefusedError(f"the server packs it with {packed}, and was asked not to")
        return
    reason = f"HTTP {status} {answer.reason_phrase}".rstrip()
    if status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        asked = answer.headers.get("Retry-After", "")
        raise TransientError(reason, wait=float(asked) if asked.isdecimal() else 0.0)
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        raise RefusedError(f"no such file ({reason})", missing=True)
    raise RefusedError(reason, hint=_HINTS.get(HTTPStatus(status)) if status in _HINTS else None)


def _size_of(answer: httpx2.Response) -> int | None:
    """Bytes of the whole file."""
    if answer.status_code == HTTPStatus.PARTIAL_CONTENT:
        found = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        return int(found[2]) if found else None
    length: Any = answer.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _version_of(answer: httpx2.Response, size: int | None) -> str:
    # A weak one says that the content means the same, and servers put the mark there at will.
    if etag := answer.headers.get("ETag", "").removeprefix("W/").strip('"'):
        return str(etag)
    changed = answer.headers.get("Last-Modified", "")
    return f"{changed}, {size} bytes" if changed and size is not None else ""


def _differs(file: WebFile, answer: httpx2.Response) -> bool:
    return _version_of(answer, _size_of(answer)) != file.version
