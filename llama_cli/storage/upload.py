"""Finished files on their way to a server, each under its name at once or not at all."""

from __future__ import annotations

from pathlib import Path

from llama_cli.storage.address import BUCKETS, HUB, has_credentials, rest_of, scheme_of, shown
from llama_cli.storage.buckets import find_in_bucket, send_to_bucket
from llama_cli.storage.hub import find_in_repo, send_to_repo
from llama_cli.storage.reader import RemoteObject
from llama_cli.storage.retry import FIRST_PAUSES, RefusedError, not_installed, with_retries


def check_output_url(url: str) -> None:
    """Refuse a URL that nothing can be written to.

    Raises:
        RefusedError: files are not written there.
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


def find_output(url: str) -> RemoteObject | None:
    """What is at a URL that is to be written to; None where nothing is.

    Raises:
        RefusedError: that may not be known, or there is no such bucket or repository.
        TransientError: the server does not answer.
        InputError: a library is missing.
    """
    check_output_url(url)
    find = find_in_repo if scheme_of(url) == HUB else find_in_bucket
    try:
        return with_retries(lambda: find(url), shown(url), FIRST_PAUSES)
    except ImportError as error:
        raise not_installed(scheme_of(url), error) from error


def upload(file: Path, url: str) -> None:
    """Send a file. Whoever reads the URL meanwhile finds what was there before.

    Raises:
        RefusedError: the server will not have it.
        TransientError: it did not come through.
        OSError: the file cannot be read.
    """
    send = send_to_repo if scheme_of(url) == HUB else send_to_bucket
    send(file, url)
