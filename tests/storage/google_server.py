"""The few answers of Google Cloud Storage that reading, listing and uploading take."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, unquote, urlsplit

from tests.storage.http_server import send, serve

BUCKET = "bucket"
_TIME = "2026-11-02T10:00:00Z"


class GoogleServer:
    """One bucket; each object has a number that grows with each new content."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, int]] = {}
        self.url = ""
        self._generation = 0
        self._upload = ("", b"")

    def put(self, name: str, content: bytes) -> str:
        self._generation += 1
        self.objects[name] = (content, self._generation)
        return f"gs://{BUCKET}/{name}"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        url = urlsplit(handler.path)
        path, query = unquote(url.path), parse_qs(url.query)
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        bucket = f"/storage/v1/b/{BUCKET}"
        if path == bucket:
            reply(handler, {"name": BUCKET, "id": BUCKET, "timeCreated": _TIME, "updated": _TIME})
        elif path == f"{bucket}/o":
            start = query.get("prefix", [""])[0]
            names = sorted(name for name in self.objects if name.startswith(start))
            reply(handler, {"items": [self._describe(name) for name in names]})
        elif path == f"/upload{bucket}/o":
            self._upload = (query["name"][0], b"")
            send(handler, 200, b"", {"Location": f"{self.url}/upload"})
        elif path == "/upload":
            self._take(handler, body)
        elif (found := re.match(f"(?:/download)?{bucket}/o/(.+)", path)) is None:
            send(handler, 404, b'{"error": {"code": 404, "message": "none"}}')
        elif found[1] not in self.objects:
            send(handler, 404, b'{"error": {"code": 404, "message": "no such object"}}')
        elif query.get("alt") == ["media"]:
            self._send(handler, found[1], query)
        else:
            reply(handler, self._describe(found[1]))

    def _describe(self, name: str) -> dict[str, str]:
        content, generation = self.objects[name]
        return {
            "kind": "storage#object",
            "name": name,
            "bucket": BUCKET,
            "generation": str(generation),
            "size": str(len(content)),
            "timeCreated": _TIME,
            "updated": _TIME,
        }

    def _send(
        self, handler: BaseHTTPRequestHandler, name: str, query: dict[str, list[str]]
    ) -> None:
        content, generation = self.objects[name]
        if query.get("generation", [str(generation)]) != [str(generation)]:
            send(handler, 404, b'{"error": {"code": 404, "message": "no such generation"}}')
            return
        first, _, last = (
            handler.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        )
        part = content[int(first) : int(last) + 1 if last else None]
        end = int(first) + len(part) - 1
        send(handler, 206, part, {"Content-Range": f"bytes {first}-{end}/{len(content)}"})

    def _take(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        name, before = self._upload
        self._upload = (name, before + body)
        if handler.headers.get("Content-Range", "").endswith("/*"):
            received = {"Range": f"bytes=0-{len(before + body) - 1}"} if before + body else {}
            send(handler, 308, b"", received)
            return
        self.put(name, before + body)
        reply(handler, self._describe(name))


def reply(handler: BaseHTTPRequestHandler, value: object) -> None:
    send(handler, 200, json.dumps(value).encode(), {"Content-Type": "application/json"})


@contextlib.contextmanager
def open_google_server() -> Iterator[GoogleServer]:
    server = GoogleServer()
    with serve(server.answer) as server.url:
        yield server
