"""Finished files on their way to a server, each under its name at once or not at all."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llama_cli.storage.address import BUCKETS, HUB, has_credentials, rest_of, scheme_of, shown
from llama_cli.storage.resolve import FoundFile
from llama_cli.storage.retry import RefusedError, not_installed, persist

_PIECE = 8 << 20
# Arrow sends in the background, and keeps all that it has not sent yet.
_PIECES_UNDER_WAY = 4


def check_output_url(url: str) -> None:
    """Refuse a URL that nothing can be written to.

    Raises:
        RefusedError: it is one.
    """
    scheme = scheme_of(url)
    if scheme not in (*BUCKETS, HUB):
        raise RefusedError(
            f"{scheme}:// cannot be written to", hint="name a file, or an s3://, gs:// or hf:// URL"
        )
    if has_credentials(url):
        raise RefusedError("a URL is no place for keys", hint="use AWS_ACCESS_KEY_ID")
    if "/" not in rest_of(url).strip("/"):
        raise RefusedError("is a bucket", hint="name a file in it")


def find_output(url: str) -> FoundFile | None:
    """What is at a URL that is to be written to; None where nothing is.

    Raises:
        RefusedError: that may not be known, or there is no such bucket or repository.
        TransientError: the server does not answer.
        InputError: a library is missing.
    """
    check_output_url(url)
    try:
        if scheme_of(url) == HUB:
            from llama_cli.storage.hub import find_in_repo

            return persist(lambda: find_in_repo(url), shown(url))
        from llama_cli.storage.buckets import find_in_bucket

        return persist(lambda: find_in_bucket(url), shown(url))
    except ImportError as error:
        raise not_installed(scheme_of(url), error) from error


def upload(file: Path, url: str) -> None:
    """Send a file. Whoever reads the URL meanwhile finds what was there before.

    Raises:
        RefusedError: the server will not have it.
        TransientError: it did not come through.
        OSError: the file cannot be read.
    """
    if scheme_of(url) == HUB:
        from llama_cli.storage.hub import send_to_repo

        send_to_repo(file, url)
        return
    from llama_cli.storage.filesystems import open_filesystem, translated

    scheme, path = scheme_of(url), rest_of(url)
    filesystem = open_filesystem(scheme, path.partition("/")[0])
    with translated(scheme):
        stream = filesystem.open_output_stream(path)
    _never_close(stream)
    for number, piece in enumerate(_pieces(file), start=1):
        with translated(scheme):
            stream.write(piece)
            if number % _PIECES_UNDER_WAY == 0:
                stream.flush()
    with translated(scheme):
        stream.close()


def _never_close(stream: Any) -> None:
    """Keep a stream from being closed but by us.

    Arrow closes one that is let go of, and a closed one is a complete object on the server, however
    little was written to it. So an upload that fails must not even be let go of.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(stream))


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while piece := opened.read(_PIECE):
            yield piece
