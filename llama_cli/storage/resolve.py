"""What a URL of the command line means: files, found by the module that knows its scheme."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence

from llama_cli.errors import InputError
from llama_cli.storage.address import BUCKETS, HUB, has_credentials, normalized, scheme_of, shown
from llama_cli.storage.buckets import expand_bucket, find_bucket_file
from llama_cli.storage.hub import expand_repo
from llama_cli.storage.reader import RemoteObject
from llama_cli.storage.retry import (
    FIRST_PAUSES,
    RefusedError,
    TransientError,
    as_read_error,
    not_installed,
    with_retries,
)
from llama_cli.storage.web import find_web_file


def find_files(url: str, left_out: Iterable[str] = ()) -> Sequence[RemoteObject]:
    """The files that a URL means, in order.

    In buckets and on the Hub it may be that of a folder, for all files in it and below without
    hidden ones, or a pattern.

    Args:
        url: as the user wrote it.
        left_out: addresses that are not taken from folders and patterns.

    Returns:
        At least one.

    Raises:
        InputError: there is none, or it cannot be read.
        InputReadError: the server does not answer.
    """
    scheme, address = scheme_of(url), shown(url)
    url = f"{scheme}{url[len(scheme) :]}"  # in small letters
    left_out = {normalized(other) for other in left_out}
    try:
        found: Sequence[RemoteObject]
        if scheme in BUCKETS:
            found = _find_in_bucket(url, address, left_out)
        elif scheme == HUB:
            found = with_retries(lambda: expand_repo(url), address, FIRST_PAUSES)
            if len(found) > 1:
                found = [file for file in found if normalized(file.address) not in left_out]
        else:
            found = [with_retries(lambda: find_web_file(url), address, FIRST_PAUSES)]
    except ImportError as error:
        raise not_installed(scheme, error) from error
    except RefusedError as error:
        raise InputError(f"{address}: {error}", hint=error.hint) from error
    except TransientError as error:
        raise as_read_error(address, error) from error
    if not found:
        raise InputError(f"{address}: there is no file in this folder")
    return found


def find_file(url: str) -> RemoteObject:
    """The one file that a URL names. Raises as `find_files` does, of folders and patterns too."""
    file, *more = find_files(url)
    if more or normalized(file.address) != normalized(shown(url)):
        raise InputError(f"{shown(url)}: is a folder or a pattern", hint="name one file")
    return file


def _find_in_bucket(url: str, address: str, left_out: set[str]) -> Sequence[RemoteObject]:
    if has_credentials(url):
        raise InputError(f"{address}: a URL is no place for keys", hint="use AWS_ACCESS_KEY_ID")
    found = []
    for name in with_retries(lambda: expand_bucket(url), address, FIRST_PAUSES):
        if name == url or name not in left_out:
            ask = functools.partial(find_bucket_file, name)
            found.append(with_retries(ask, name, FIRST_PAUSES))
    return found
