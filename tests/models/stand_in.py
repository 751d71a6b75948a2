"""A stand-in for the Hugging Face Hub: the few answers that matter, over real HTTP.

Files are served by a second server, as the Hub has them on other hosts, and repositories can be
told to misbehave.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee00" * 5
Headers = dict[str, str]


@dataclass
class Repo:
    """A repository: its files, and what is wrong with it."""

    files: dict[str, bytes]
    commit: str = COMMIT
    in_git: set[str] = field(default_factory=set)
    """Files that are not in large file storage."""
    refuse: tuple[int, Headers] | None = None
    """Status and headers of every answer."""
    fail: list[tuple[int, Headers]] = field(default_factory=list)
    """The same for the next answers, one each; status 0 is a connection that just ends."""
    fail_files: list[tuple[int, Headers]] = field(default_factory=list)
    """The same for answers with a file's content."""
    drop_after: list[int] = field(default_factory=list)
    """The next answers with content end after so many bytes."""
    delay: float = 0.0
    """Seconds before the first piece of content."""
    pause: float = 0.0
    """Seconds between the pieces."""
    content: dict[str, bytes] = field(default_factory=dict)
    """What is really sent for a file."""
    kind: str = "application/octet-stream"
    ignores_ranges: bool = False
    lists_details: bool = True


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    host: str
    method: str
    path: str
    headers: Headers


class StandIn:
    """The Hub: add repositories, then ask what came."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.requests: list[Request] = []
        self.endpoint = ""
        self.storage = ""

    def add(self, repo: str, files: dict[str, bytes], **options: object) -> Repo:
        self.repos[repo] = Repo(files, **options)  # type: ignore[arg-type]
        return self.repos[repo]

    def asked(self, part: str) -> list[Request]:
        return [request for request in self.requests if part in request.path]

    def answer(self, handler: BaseHTTPRequestHandler, host: str) -> None:
        url = urlsplit(handler.path)
        path = unquote(url.path)
        headers = {key.lower(): value for key, value in handler.headers.items()}
        self.requests.append(Request(host, handler.command, path, headers))
        if path.startswith("/api/models/"):
            repo, _, revision = path.removeprefix("/api/models/").partition("/revision/")
            self._api(handler, repo, unquote(revision))
        elif "/resolve/" in path:
            repo, _, rest = path[1:].partition("/resolve/")
            self._file(handler, host, repo, rest.partition("/")[2])
        else:
            send(handler, 404, b"")

    def _api(self, handler: BaseHTTPRequestHandler, name: str, revision: str) -> None:
        repo = self.repos.get(name)
        if repo is None:
            send(handler, 404, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif fault := repo.refuse or (repo.fail.pop(0) if repo.fail else None):
            misbehave(handler, *fault)
        elif revision not in ("main", repo.commit, "v1.0", "refs/pr/7"):
            send(handler, 404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        else:
            siblings = [describe(repo, file) for file in repo.files]
            body = {"id": name, "modelId": name, "sha": repo.commit, "siblings": siblings}
            kind = {"Content-Type": "application/json"}
            send(handler, 200, json.dumps(body).encode(), kind)

    def _file(self, handler: BaseHTTPRequestHandler, host: str, name: str, file: str) -> None:
        repo = self.repos[name]
        if repo.refuse:
            misbehave(handler, *repo.refuse)
        elif file not in repo.files:
            send(handler, 404, b"", {"X-Error-Code": "EntryNotFound"})
        elif host == "hub" and file not in repo.in_git:
            about = {
                "X-Repo-Commit": repo.commit,
                "X-Linked-Etag": f'"{digest_of(repo, file)}"',
                "X-Linked-Size": str(len(repo.files[file])),
                "Location": self.storage + handler.path,
            }
            send(handler, 302, b"", about)
        elif repo.fail_files:
            misbehave(handler, *repo.fail_files.pop(0))
        else:
            send_content(handler, repo, repo.content.get(file, repo.files[file]))


def describe(repo: Repo, file: str) -> dict[str, object]:
    content = repo.files[file]
    if not repo.lists_details:
        return {"rfilename": file}
    about: dict[str, object] = {"rfilename": file, "size": len(content), "blobId": "0" * 40}
    if file in repo.in_git:
        return about | {"blobId": digest_of(repo, file)}
    lfs = {"sha256": digest_of(repo, file), "size": len(content), "pointerSize": 134}
    return about | {"lfs": lfs}


def digest_of(repo: Repo, file: str) -> str:
    content = repo.files[file]
    if file in repo.in_git:
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    return hashlib.sha256(content).hexdigest()


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


def misbehave(handler: BaseHTTPRequestHandler, status: int, headers: Headers) -> None:
    if status:
        send(handler, status, headers.pop("body", "").encode(), headers)
    else:
        handler.close_connection = True


def send_content(handler: BaseHTTPRequestHandler, repo: Repo, content: bytes) -> None:
    wanted = handler.headers.get("Range")
    start = 0
    if wanted and not repo.ignores_ranges:
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
    if start >= len(content) > 0:
        send(handler, 416, b"")
        return
    if repo.delay:
        time.sleep(repo.delay)
    handler.send_response(206 if start else 200)
    handler.send_header("Content-Type", repo.kind)
    handler.send_header("Content-Length", str(len(content) - start))
    if start:
        handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
    handler.end_headers()
    rest = content[start:]
    if repo.drop_after:
        handler.wfile.write(rest[: repo.drop_after.pop(0)])
        handler.close_connection = True
        return
    step = 1 << 16 if repo.pause else len(rest) or 1
    for begin in range(0, len(rest), step):
        handler.wfile.write(rest[begin : begin + step])
        if repo.pause:
            time.sleep(repo.pause)


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


@contextlib.contextmanager
def open_stand_in() -> Iterator[StandIn]:
    hub = StandIn()
    with (
        serve(lambda handler: hub.answer(handler, "storage")) as storage,
        serve(lambda handler: hub.answer(handler, "hub")) as endpoint,
    ):
        hub.storage, hub.endpoint = storage, endpoint
        yield hub
