"""What the stand-ins for servers share: real HTTP on loopback, and a record of what was asked."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

Headers = dict[str, str]


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    host: str
    method: str
    path: str
    headers: Headers


def request_of(handler: BaseHTTPRequestHandler, host: str) -> Request:
    headers = {key.lower(): value for key, value in handler.headers.items()}
    return Request(host, handler.command, unquote(urlsplit(handler.path).path), headers)


def send(
    handler: BaseHTTPRequestHandler, status: int, body: bytes, headers: Headers | None = None
) -> None:
    handler.send_response(status)
    for key, value in (headers or {}).items():
        handler.send_header(key, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body)


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Clients that go away are what the tests are about."""


@contextlib.contextmanager
def serve(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with contextlib.suppress(ConnectionError):
                answer(self)

        do_POST = do_PUT = do_GET  # noqa: N815 - so are these
        do_HEAD = do_GET  # noqa: N815 - its name in the standard library

        def log_message(self, *_: object) -> None:
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
