"""A stand-in for the Hub's datasets: the answers that listing, reading and committing take."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, unquote, urlsplit

from tests.models.stand_in import Request, send, serve
from tests.storage.web_server import Page, answer_with

NAME = "owner/texts"


class HubServer:
    """One dataset with a history; its branch ``main`` is the last commit."""

    def __init__(self) -> None:
        self.commits: list[dict[str, bytes]] = [{}]
        self.requests: list[Request] = []
        self.pages: dict[str, Page] = {}
        self.token = ""
        self.url = ""

    @property
    def files(self) -> dict[str, bytes]:
        return self.commits[-1]

    def commit(self, **_: object) -> None:
        self.commits.append(dict(self.files))

    def add(self, path: str, content: bytes) -> str:
        self.commits.append(self.files | {path: content})
        return f"hf://datasets/{NAME}/{path}"

    def sha(self, number: int = -1) -> str:
        return f"{range(len(self.commits))[number]:040x}"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        headers = {key.lower(): value for key, value in handler.headers.items()}
        self.requests.append(Request("hub", handler.command, unquote(parts.path), headers))
        size = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(size)
        if self.token and headers.get("authorization") != f"Bearer {self.token}":
            send(handler, 401, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif parts.path.startswith(f"/api/datasets/{NAME}"):
            rest = parts.path.removeprefix(f"/api/datasets/{NAME}")
            self._api(handler, [unquote(part) for part in rest.strip("/").split("/")], body)
        elif parts.path.startswith(f"/datasets/{NAME}/resolve/"):
            revision, _, path = parts.path.split("/", 5)[5].partition("/")
            self._file(handler, revision, unquote(path))
        else:
            send(handler, 404, b"{}", {"X-Error-Code": "RepoNotFound"})

    def _api(self, handler: BaseHTTPRequestHandler, words: list[str], body: bytes) -> None:
        what, revision, path = words[0], (words[1:] or ["main"])[0], "/".join(words[2:])
        files = self._at(revision)
        if files is None:
            send(handler, 404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        elif what in ("", "revision"):
            reply(handler, {"id": NAME, "sha": self.sha() if revision == "main" else revision})
        elif what == "tree":
            self._tree(handler, files, path)
        elif what == "paths-info":
            wanted = parse_qs(body.decode())["paths"]
            folders = {"/".join(name.split("/")[:n]) for name in files for n in range(1, 9)}
            found = [describe(name, files[name]) for name in wanted if name in files]
            found += [
                {"type": "directory", "path": name, "oid": "0" * 40}
                for name in wanted
                if name in folders - set(files)
            ]
            reply(handler, found)
        elif what == "preupload":
            asked = json.loads(body)["files"]
            reply(handler, {"files": [accept(one["path"]) for one in asked]})
        elif what == "commit":
            self._commit(handler, body)
        else:
            send(handler, 404, b"{}")

    def _at(self, revision: str) -> dict[str, bytes] | None:
        known = {self.sha(number): files for number, files in enumerate(self.commits)}
        return (known | {"main": self.files}).get(revision)

    def _tree(self, handler: BaseHTTPRequestHandler, files: dict[str, bytes], path: str) -> None:
        start = f"{path}/" if path else ""
        found = {name: content for name, content in files.items() if name.startswith(start)}
        if path and not found:
            send(handler, 404, b"{}", {"X-Error-Code": "EntryNotFound"})
            return
        reply(handler, [describe(name, content) for name, content in found.items()])

    def _file(self, handler: BaseHTTPRequestHandler, revision: str, path: str) -> None:
        files = self._at(revision)
        if files is None or path not in files:
            send(handler, 404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        answer_with(self.pages.get(path) or Page(files[path], etag=""), handler)

    def _commit(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        entries = [json.loads(line) for line in body.splitlines()]
        added = {
            entry["value"]["path"]: base64.b64decode(entry["value"]["content"])
            for entry in entries
            if entry["key"] == "file"
        }
        self.commits.append(self.files | added)
        url = f"{self.url}/datasets/{NAME}/commit/{self.sha()}"
        reply(handler, {"commitUrl": url, "commitOid": self.sha(), "success": True})


def accept(path: str) -> dict[str, object]:
    return {"path": path, "uploadMode": "regular", "shouldIgnore": False}


def describe(path: str, content: bytes) -> dict[str, object]:
    return {
        "type": "file",
        "path": path,
        "size": len(content),
        "oid": hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest(),
    }


def reply(handler: BaseHTTPRequestHandler, value: object) -> None:
    send(handler, 200, json.dumps(value).encode(), {"Content-Type": "application/json"})


@contextlib.contextmanager
def open_hub_server() -> Iterator[HubServer]:
    server = HubServer()
    with serve(server.answer) as server.url:
        yield server
