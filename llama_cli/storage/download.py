"""One file of the Hub onto this disk: resumed where it ended, and never unchecked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from llama_cli.storage.hub import RepoFile, is_sha256
from llama_cli.storage.retry import RefusedError, Retry, TransientError
from llama_cli.storage.web import WebFile, asking

if TYPE_CHECKING:
    import httpx2

# Bytes that are there, and bytes of the whole.
ProgressCallback = Callable[[int, int], None]


def download(file: RepoFile, source: WebFile, target: Path, on_progress: ProgressCallback) -> None:
    """Have all of a file at ``target``. What has come stays when it fails, and is resumed from.

    Args:
        file: what the Hub lists.
        source: where its content is.
        target: its beginning, if there is one.
        on_progress: told of every piece that has come.

    Raises:
        TransientError: the server does not answer any more.
        RefusedError: it will not give the file, or gives another, which is deleted.
        OSError: ``target`` cannot be written.
    """
    retry = Retry(source.address)
    with target.open("ab") as opened:
        while opened.tell() != file.size:
            before = opened.tell()
            try:
                _receive(file, source, opened, on_progress)
            except TransientError as error:
                if opened.tell() > before:
                    retry.progressed()
                retry.wait(error)
    actual = file_sha256(target) if is_sha256(file.digest) else file_git_sha1(target)
    if actual != file.digest:
        target.unlink()
        raise RefusedError(
            f"what came as {file.name} is not the file that the Hub describes "
            f"(its digest is not {file.digest[:12]}…); it was deleted",
            hint="try again; if it stays so, the server or the way to it is not to be trusted",
        )


def file_sha256(path: Path) -> str:
    """sha256 of a file's content, lower-case hex.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_git_sha1(path: Path) -> str:
    """The digest by which git knows a file's content. Raises as `file_sha256` does."""
    with path.open("rb") as file:
        hashed = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
        for piece in iter(lambda: file.read(1 << 20), b""):
            hashed.update(piece)
    return hashed.hexdigest()


def rough_size(size: int) -> str:
    """A size in words, to three digits."""
    amount = float(size)
    for unit in ("B", "kB", "MB"):
        if amount < 999.5:  # noqa: PLR2004 - would be shown as the next unit
            return f"{amount:.0f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def _receive(
    file: RepoFile, source: WebFile, target: BinaryIO, on_progress: ProgressCallback
) -> None:
    """Ask for the rest of the file, and write what comes."""
    if target.tell() > file.size:
        _empty(target)
    start = target.tell()
    with asking(source.url, source.server, f"bytes={start}-" if start else None) as answer:
        _check(answer, file, target)
        for piece in answer.iter_raw():
            if target.tell() + len(piece) > file.size:
                raise _wrong_size(file, "more")
            target.write(piece)
            target.flush()
            on_progress(target.tell(), file.size)
    if target.tell() < file.size:
        raise TransientError("the connection ended early")


def _check(answer: httpx2.Response, file: RepoFile, target: BinaryIO) -> None:
    """Refuse what is not the file, and leave the target at the position where the answer begins."""
    start = target.tell()
    if answer.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        _empty(target)
        raise TransientError("the server cannot resume what has been downloaded")
    if answer.headers.get("Content-Type", "").startswith("text/html"):
        raise RefusedError(
            f"the answer is a web page instead of the file {file.name}",
            hint="a login page or a proxy may stand between this machine and the Hub",
        )
    if start and answer.status_code == HTTPStatus.OK:
        _empty(target)  # the server starts from the beginning, whatever it was asked
    elif start and not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        _empty(target)
        raise TransientError("the server sent another part of the file")
    length = answer.headers.get("Content-Length", "")
    if length.isdecimal() and target.tell() + int(length) != file.size:
        raise _wrong_size(file, rough_size(target.tell() + int(length)))


def _wrong_size(file: RepoFile, size: str) -> RefusedError:
    return RefusedError(
        f"the server sends {size} as {file.name}, and the Hub lists {rough_size(file.size)}",
        hint="the server, or a proxy before it, is not to be trusted with this file",
    )


def _empty(target: BinaryIO) -> None:
    target.seek(0)
    target.truncate()
