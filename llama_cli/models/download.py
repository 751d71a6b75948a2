"""One file of a repository into the cache: in pieces if need be, and never unchecked."""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Sequence
from http import HTTPStatus
from typing import BinaryIO

import httpx2
from huggingface_hub import constants, get_session, hf_hub_url
from huggingface_hub.utils import (  # type: ignore[attr-defined]
    WeakFileLock,
    build_hf_headers,
)

from llama_cli.errors import ModelError
from llama_cli.models.access import HubAccess, ProgressCallback
from llama_cli.models.hub_cache import RepoCache, has_digest, note_digest
from llama_cli.models.hub_errors import IncompleteError, NetworkError, Patience, raise_for_status
from llama_cli.models.listing import RepoFile, in_words
from llama_cli.models.names import HubName

log = logging.getLogger(__name__)


class Download:
    """Fetches one file. What has come stays when it fails, and the next one resumes from there."""

    def __init__(self, cache: RepoCache, commit: str, file: RepoFile) -> None:
        """Nothing is asked yet."""
        self._cache = cache
        self._commit = commit
        self._file = file
        self._digest = file.digest
        self._url = hf_hub_url(cache.repo, file.name, revision=commit)

    def run(self, name: HubName, access: HubAccess, on_progress: ProgressCallback) -> None:
        """Fetch the file, check it, and give it its place in the cache.

        Raises:
            ModelError: it cannot be had, is not what the Hub says it is, or does not fit.
            OSError: the cache cannot be written.
        """
        blob = self._cache.blob(self._digest)
        with contextlib.ExitStack() as stack:
            self._lock(stack)
            # Another process may have been faster.
            if not (blob.is_file() and has_digest(blob, self._digest)):
                self._fetch(name, access, on_progress)
            self._cache.link(self._commit, self._file.name, self._digest)

    def _lock(self, stack: contextlib.ExitStack) -> None:
        lock = self._cache.lock(self._digest)
        try:
            stack.enter_context(WeakFileLock(lock, timeout=1))
        except TimeoutError:
            log.info("another process is downloading %s; waiting for it", self._file.name)
            stack.enter_context(WeakFileLock(lock))

    def _fetch(self, name: HubName, access: HubAccess, on_progress: ProgressCallback) -> None:
        partial = self._cache.partial(self._digest)
        patience = Patience(name, access)
        with partial.open("ab") as target:
            while target.tell() != self._file.size:
                before = target.tell()
                try:
                    self._receive(target, on_progress)
                except NetworkError as error:
                    if target.tell() > before:
                        patience.progressed()
                    patience.wait(error)
        if not has_digest(partial, self._digest):
            partial.unlink()
            raise ModelError(
                f"{name.repo}: what came as {self._file.name} is not the file that the Hub "
                f"describes (its digest is not {self._digest[:12]}…); it was deleted",
                hint="try again; if it stays so, the server or the way to it is not to be trusted",
            )
        note_digest(partial.replace(self._cache.blob(self._digest)), self._digest)

    def _receive(self, target: BinaryIO, on_progress: ProgressCallback) -> None:
        """Ask for the rest of the file and write what comes."""
        if target.tell() > self._file.size:
            _empty(target)
        start = target.tell()
        headers = build_hf_headers(library_name="llama-cli-embed")
        headers["Accept-Encoding"] = "identity"
        if start:
            headers["Range"] = f"bytes={start}-"
        timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
        with get_session().stream("GET", self._url, headers=headers, timeout=timeout) as response:
            self._check_answer(response, target)
            for piece in response.iter_bytes():
                if target.tell() + len(piece) > self._file.size:
                    raise self._wrong_size("more")
                target.write(piece)
                target.flush()
                on_progress(target.tell(), self._file.size)
        if target.tell() < self._file.size:
            raise IncompleteError("the connection ended early")

    def _check_answer(self, response: httpx2.Response, target: BinaryIO) -> None:
        """Refuse what is not the file, and make ready for where it begins."""
        start = target.tell()
        if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            _empty(target)
            raise IncompleteError("the server cannot resume what has been downloaded")
        raise_for_status(response)
        kind = response.headers.get("Content-Type", "")
        if kind.startswith("text/html"):
            raise ModelError(
                f"{self._url}: the answer is a web page instead of the file",
                hint="a login page or a proxy may stand between this machine and the Hub",
            )
        whole = response.status_code == HTTPStatus.OK
        if start and whole:
            _empty(target)  # the server starts from the beginning, whatever it was asked
        elif start and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            _empty(target)
            raise IncompleteError("the server sent another part of the file")
        length = response.headers.get("Content-Length", "")
        if length.isdecimal() and target.tell() + int(length) != self._file.size:
            raise self._wrong_size(in_words(target.tell() + int(length)))

    def _wrong_size(self, size: str) -> ModelError:
        return ModelError(
            f"{self._url}: the server sends {size}, and the Hub lists {in_words(self._file.size)}",
            hint="the server, or a proxy before it, is not to be trusted with this file",
        )


def _empty(target: BinaryIO) -> None:
    target.seek(0)
    target.truncate()


def check_room(cache: RepoCache, files: Sequence[RepoFile]) -> None:
    """Refuse downloads for which the disk has no room.

    Raises:
        ModelError: it has not.
        OSError: it cannot be looked at.
    """
    folder = cache.folder / "blobs"
    folder.mkdir(parents=True, exist_ok=True)
    partials = [cache.partial(file.digest) for file in files]
    there = sum(partial.stat().st_size for partial in partials if partial.exists())
    size = sum(file.size for file in files) - there
    free = shutil.disk_usage(folder).free
    if free < size:
        raise ModelError(
            f"{folder}: {in_words(size)} are to be downloaded, and {in_words(free)} are free",
            hint="free some room, or keep the cache on another disk with HF_HOME",
        )
