"""A web server on loopback whose files can be told to misbehave."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

from tests.storage.http_server import Request, request_of, send, serve


@dataclass
class Page:
    """A file, and how the server gives it."""

    content: bytes
    etag: str = '"one"'
    changed: str = ""
    """Its time of last change, as the header has it."""
    has_ranges: bool = True
    says_size: bool = True
    redirect: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    refuse: list[int] = field(default_factory=list)
    """Status of the next answers; the last one is that of all after it, unless it is 200."""
    drop_after: list[int] = field(default_factory=list)
    """The next answers end after so many bytes of content."""
    delay: float = 0.0
    """Seconds before the first piece of content."""
    pause: float = 0.0
    """Seconds before each piece of content."""
    token: str = ""
    """What has to be in the query."""


class WebServer:
    """Add pages, then ask what came."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.requests: list[Request] = []
        self.url = ""

    def add(self, path: str, content: bytes, **options: object) -> Page:
        self.pages[path] = Page(content, **options)  # type: ignore[arg-type]
        return self.pages[path]

    def sent(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path]

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        request = request_of(handler, "web")
        self.requests.append(request)
        page = self.pages.get(request.path)
        if page is None:
            send(handler, 404, b"")
        elif page.token and page.token not in urlsplit(handler.path).query:
            send(handler, 403, b"")
        else:
            answer_with(page, handler)


def answer_with(page: Page, handler: BaseHTTPRequestHandler) -> None:
    if page.refuse:
        status = page.refuse.pop(0) if len(page.refuse) > 1 else page.refuse[0]
        if status != 200:
            send(handler, status, b"")
            return
    if page.redirect:
        send(handler, 302, b"", {"Location": page.redirect})
        return
    start, end = 0, len(page.content)
    wanted = handler.headers.get("Range", "")
    if wanted and page.has_ranges:
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start, end = int(first), min(end, int(last) + 1) if last else end
        if start >= len(page.content):
            send(handler, 416, b"", {"Content-Range": f"bytes */{len(page.content)}"})
            return
    if page.delay:
        time.sleep(page.delay)
    handler.send_response(206 if wanted and page.has_ranges else 200)
    if wanted and page.has_ranges:
        handler.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(page.content)}")
    for name, value in about(page).items():
        handler.send_header(name, value)
    if page.says_size:
        handler.send_header("Content-Length", str(end - start))
    else:
        handler.send_header("Connection", "close")
    handler.end_headers()
    send_body(page, handler, page.content[start:end])


def about(page: Page) -> dict[str, str]:
    named = {"ETag": page.etag, "Last-Modified": page.changed}
    return {name: value for name, value in named.items() if value} | page.headers


def send_body(page: Page, handler: BaseHTTPRequestHandler, body: bytes) -> None:
    if page.drop_after and len(body) > 1:
        handler.wfile.write(body[: page.drop_after.pop(0)])
        handler.close_connection = True
        return
    for begin in range(0, len(body), 1 << 16):
        if page.pause:
            time.sleep(page.pause)
        handler.wfile.write(body[begin : begin + (1 << 16)])
    if not page.says_size:
        handler.close_connection = True


@contextlib.contextmanager
def open_web_server() -> Iterator[WebServer]:
    server = WebServer()
    with serve(server.answer) as server.url:
        yield server
