"""A stand-in for the Hugging Face Hub: the answers that listing, reading and committing take.

The content of models is served by a second server, as the Hub has it on other hosts, and
repositories can be told to misbehave.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from huggingface_hub import constants
from huggingface_hub.utils import close_session

from tests.storage.http_server import Headers, Request, request_of, send, serve
from tests.storage.web_server import Page, answer_with

COMMIT = "c0ffee00" * 5
DATASET = "owner/texts"

_BRANCHES = ("main", "v1.0", "refs/pr/7")
_API = re.compile(r"/api/(models|datasets)/([^/]+/[^/]+)(?:/([^/]+)(?:/([^/]+)(?:/(.*))?)?)?")
_CONTENT = re.compile(r"/((?:datasets/)?[^/]+/[^/]+)/resolve/([^/]+)/(.+)")


@dataclass
class Repo:
    """A repository: its files, and what is wrong with it."""

    files: dict[str, bytes]
    commit: str = COMMIT
    earlier: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """The files of each commit before."""
    token: str = ""
    """What it takes to see it."""
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
    """Seconds before each piece."""
    content: dict[str, bytes] = field(default_factory=dict)
    """What is really sent for a file."""
    kind: str = "application/octet-stream"
    ignores_ranges: bool = False
    lists_details: bool = True

    def push(self, files: dict[str, bytes]) -> None:
        """Commit files."""
        self.earlier[self.commit] = self.files
        self.commit = f"{len(self.earlier):040x}"
        self.files = self.files | files
        self.in_git |= set(files)

    def add(self, path: str, content: bytes) -> str:
        """Commit a file to the dataset; its URL."""
        self.push({path: content})
        return f"hf://datasets/{DATASET}/{path}"

    def at(self, revision: str) -> dict[str, bytes] | None:
        known = {**self.earlier, self.commit: self.files}
        return known.get(self.commit if revision in _BRANCHES else revision)


class HubServer:
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
        request = request_of(handler, host)
        self.requests.append(request)
        body = handler.rfile.read(int(request.headers.get("content-length", 0)))
        path = urlsplit(handler.path).path
        asks, gets = _API.fullmatch(path), _CONTENT.fullmatch(path)
        name = ""
        if asks:
            name = asks[2] if asks[1] == "models" else f"datasets/{asks[2]}"
        elif gets:
            name = gets[1]
        repo = self.repos.get(name)
        if repo is None or not _may_see(repo, request):
            status = 404 if repo is None else 401
            send(handler, status, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif asks:
            what, revision, rest = (unquote(part or "") for part in asks.group(3, 4, 5))
            self._api(handler, repo, what, revision or "main", rest, body)
        elif gets:
            self._file(handler, host, repo, unquote(gets[2]), unquote(gets[3]))

    def _api(
        self,
        handler: BaseHTTPRequestHandler,
        repo: Repo,
        what: str,
        revision: str,
        path: str,
        body: bytes,
    ) -> None:
        files = repo.at(revision)
        if fault := repo.refuse or (repo.fail.pop(0) if repo.fail else None):
            misbehave(handler, *fault)
        elif files is None:
            send(handler, 404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        elif what in ("", "revision"):
            sha = repo.commit if revision in _BRANCHES else revision
            siblings = [describe(repo, file) for file in files]
            reply(handler, {"id": DATASET, "sha": sha, "siblings": siblings})
        elif what == "tree":
            start = f"{path}/" if path else ""
            found = [
                entry(name, content) for name, content in files.items() if name.startswith(start)
            ]
            if path and not found:
                send(handler, 404, b"{}", {"X-Error-Code": "EntryNotFound"})
            else:
                reply(handler, found)
        elif what == "paths-info":
            wanted = parse_qs(body.decode())["paths"]
            reply(handler, [found for name in wanted for found in entries_at(files, name)])
        elif what == "preupload":
            reply(handler, {"files": [accept(file["path"]) for file in json.loads(body)["files"]]})
        elif what == "commit":
            lines = [json.loads(line) for line in body.splitlines()]
            added = [line["value"] for line in lines if line["key"] == "file"]
            repo.push({file["path"]: base64.b64decode(file["content"]) for file in added})
            url = f"{self.endpoint}/datasets/{DATASET}/commit/{repo.commit}"
            reply(handler, {"commitUrl": url, "commitOid": repo.commit, "success": True})
        else:
            send(handler, 404, b"{}")

    def _file(
        self, handler: BaseHTTPRequestHandler, host: str, repo: Repo, revision: str, file: str
    ) -> None:
        files = repo.at(revision)
        if repo.refuse:
            misbehave(handler, *repo.refuse)
        elif files is None or file not in files:
            send(handler, 404, b"", {"X-Error-Code": "EntryNotFound"})
        elif host == "hub" and file not in repo.in_git:
            about = {
                "X-Repo-Commit": repo.commit,
                "X-Linked-Etag": f'"{digest_of(repo, file)}"',
                "X-Linked-Size": str(len(files[file])),
                "Location": self.storage + handler.path,
            }
            send(handler, 302, b"", about)
        elif repo.fail_files:
            misbehave(handler, *repo.fail_files.pop(0))
        else:
            page = Page(
                repo.content.get(file, files[file]),
                etag="",
                has_ranges=not repo.ignores_ranges,
                headers={"Content-Type": repo.kind},
                drop_after=repo.drop_after,
                delay=repo.delay,
                pause=repo.pause,
            )
            answer_with(page, handler)


def _may_see(repo: Repo, request: Request) -> bool:
    return not repo.token or request.headers.get("authorization") == f"Bearer {repo.token}"


def describe(repo: Repo, file: str) -> dict[str, object]:
    """A file as questions about the whole repository are answered."""
    if not repo.lists_details:
        return {"rfilename": file}
    size, digest = len(repo.files[file]), digest_of(repo, file)
    about: dict[str, object] = {"rfilename": file, "size": size, "blobId": "0" * 40}
    if file in repo.in_git:
        return about | {"blobId": digest}
    return about | {"lfs": {"sha256": digest, "size": size, "pointerSize": 134}}


def entry(file: str, content: bytes) -> dict[str, object]:
    """A file as questions about paths are answered."""
    return {"type": "file", "path": file, "size": len(content), "oid": git_digest(content)}


def entries_at(files: dict[str, bytes], path: str) -> list[dict[str, object]]:
    if path in files:
        return [entry(path, files[path])]
    is_folder = any(name.startswith(f"{path}/") for name in files)
    return [{"type": "directory", "path": path, "oid": "0" * 40}] if is_folder else []


def digest_of(repo: Repo, file: str) -> str:
    content = repo.files[file]
    return git_digest(content) if file in repo.in_git else hashlib.sha256(content).hexdigest()


def git_digest(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def accept(path: str) -> dict[str, object]:
    return {"path": path, "uploadMode": "regular", "shouldIgnore": False}


def reply(handler: BaseHTTPRequestHandler, value: object) -> None:
    send(handler, 200, json.dumps(value).encode(), {"Content-Type": "application/json"})


def misbehave(handler: BaseHTTPRequestHandler, status: int, headers: Headers) -> None:
    if status:
        send(handler, status, headers.pop("body", "").encode(), headers)
    else:
        handler.close_connection = True


@contextlib.contextmanager
def open_hub_server(home: Path, patch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """The stand-in, where this process and those it starts look for the Hub; an empty cache."""
    hub = HubServer()
    with (
        serve(lambda handler: hub.answer(handler, "storage")) as hub.storage,
        serve(lambda handler: hub.answer(handler, "hub")) as hub.endpoint,
    ):
        for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_CACHE", "HUGGING_FACE_HUB_TOKEN"):
            patch.delenv(name, raising=False)
        patch.setenv("HF_ENDPOINT", hub.endpoint)
        patch.setenv("HF_HOME", str(home))
        # The library has read the environment of this process already.
        url = hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        for name, value in (
            ("ENDPOINT", hub.endpoint),
            ("HUGGINGFACE_CO_URL_TEMPLATE", url),
            ("HF_HUB_CACHE", str(home / "hub")),
            ("HF_HUB_OFFLINE", False),
            ("HF_TOKEN_PATH", str(home / "token")),
            ("HF_HUB_ETAG_TIMEOUT", 2),
            ("HF_HUB_DOWNLOAD_TIMEOUT", 2),
            # Else its first request in a process brings one more, of its own.
            ("HF_HUB_DISABLE_TELEMETRY", True),
        ):
            patch.setattr(constants, name, value)
        yield hub
        close_session()
