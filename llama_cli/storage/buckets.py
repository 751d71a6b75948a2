"""Files in buckets of S3, of servers that speak like it, and of Google Cloud Storage.

Arrow's file systems read, list and write them; they are set up here as the tools of their vendors
are.
"""

from __future__ import annotations

import contextlib
import ctypes
import datetime
import functools
import glob
import os
import posixpath
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import fs

from llama_cli.storage.address import rest_of, scheme_of, shown
from llama_cli.storage.glob import find_names, fixed_folder, is_deep
from llama_cli.storage.reader import RemoteObject
from llama_cli.storage.retry import (
    ChangedError,
    RefusedError,
    TransientError,
    may_pass,
    not_installed,
)

_CONNECT_SECONDS = 10
_REQUEST_SECONDS = 60
_ATTEMPTS = 2  # of the SDK, within each try of ours
_GOOGLE_SECONDS = 15  # the same for Google, which takes a time instead
_TRUE = ("1", "true", "yes", "on")

# How Arrow says what a server has answered: "AWS Error ACCESS_DENIED during …", and for answers
# that the SDK has no name for the number alone.
_AWS = re.compile(
    r"AWS Error (\w+)(?: \(HTTP status (\d+)\))? during \w+ operation: (.*)", re.DOTALL
)
_REQUEST_ID = re.compile(r" \(Request ID.*", re.DOTALL)
_REFUSALS = {
    "ACCESS_DENIED": "access denied",
    "INVALID_ACCESS_KEY_ID": "the access key is not known",
    "SIGNATURE_DOES_NOT_MATCH": "the secret key is wrong",
    "INVALID_SIGNATURE": "the secret key is wrong",
    "EXPIRED_TOKEN": "the session token has expired",
    "INVALID_CLIENT_TOKEN_ID": "the access key is not known",
    "UNRECOGNIZED_CLIENT": "the access key is not known",
    "NO_SUCH_BUCKET": "no such bucket",
    "NO_SUCH_KEY": "no such file",
    "RESOURCE_NOT_FOUND": "no such file",
    "NO_SUCH_UPLOAD": "the upload was ended by somebody else",
}
_MISSING = ("NO_SUCH_BUCKET", "NO_SUCH_KEY", "RESOURCE_NOT_FOUND")
# What Google says without any credentials, after it has looked for a machine that gives them.
_NOTHING_FOUND = "OAuth2 access token"
_S3_HINT = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE; "
    "for public buckets AWS_NO_SIGN_REQUEST=1"
)
_GS_HINT = (
    "log in with gcloud auth application-default login or set GOOGLE_APPLICATION_CREDENTIALS; "
    "for public buckets CLOUDSDK_AUTH_DISABLE_CREDENTIALS=1"
)
_PIECE = 8 << 20
# Arrow sends in the background, and keeps all that it has not sent yet.
_PIECES_UNDER_WAY = 4


class BucketFile(RemoteObject):
    """A file in a bucket, whose version is an ETag or a generation."""

    __slots__ = ()

    def open_parts(self) -> BucketReader:
        return BucketReader(self)


class BucketReader:
    def __init__(self, file: BucketFile) -> None:
        self._file = file
        self._opened: Any = None

    def fetch(self, start: int, size: int) -> bytes:
        """A part, if the file was still the same after that part was sent."""
        try:
            with translated(scheme_of(self._file.address)):
                if self._opened is None:
                    self._opened = _open(self._file.address)
                data: bytes = self._opened.read_at(size, start)
        except (TransientError, RefusedError) as error:
            self.close()
            if isinstance(error, TransientError) or error.missing:
                self._check_version()  # a file that is shorter now fails like a bad connection
            raise
        # Arrow does not ask for a version of S3. Content is replaced by other content only, so
        # what was there before this question was asked is of the version that it answers.
        self._check_version()
        return data

    def close(self) -> None:
        self._opened = None

    def _check_version(self) -> None:
        """Raise if the file is another by now."""
        try:
            version = find_bucket_file(self._file.address).version
        except RefusedError as error:
            if not error.missing:
                raise
            version = ""
        if version != self._file.version:
            self.close()
            raise ChangedError


def find_bucket_file(url: str) -> BucketFile:
    """The file at a URL.

    Raises:
        TransientError: the server does not answer.
        RefusedError: there is none, or it may not be read.
        InputError: a library is missing.
    """
    with translated(scheme_of(url)):
        opened = _open(url)
        size = opened.size()
    address = shown(url)
    return BucketFile(
        name=address,
        address=address,
        file_name=posixpath.basename(url),
        size=size,
        version=_version_of(opened, size),
    )


def find_in_bucket(url: str) -> BucketFile | None:
    """The file at a URL; None where the bucket has none of that name.

    Raises:
        TransientError: the server does not answer.
        RefusedError: there is no such bucket, or it is not known whether there is such a file.
        InputError: a library is missing.
    """
    try:
        return find_bucket_file(url)
    except RefusedError as error:
        if not error.missing:
            raise
    if _kind_of(url, _bucket_of(url)) == fs.FileType.NotFound:
        raise RefusedError("no such bucket")
    return None


def expand_bucket(url: str) -> list[str]:
    """URLs of what a URL means: itself, or the files in a folder, or those that match.

    Raises:
        TransientError: the server does not answer.
        RefusedError: there are none, or they may not be listed.
        InputError: a library is missing.
    """
    bucket, _, name = rest_of(url).partition("/")
    if not bucket or glob.has_magic(bucket):
        raise RefusedError("the name of a bucket is missing")
    path, is_pattern = name.rstrip("/"), False
    if name and not name.endswith("/"):
        kind = _kind_of(url, rest_of(url))
        if kind == fs.FileType.File:
            return [url]
        is_pattern = kind == fs.FileType.NotFound
        if is_pattern and not glob.has_magic(name):
            raise RefusedError("no such file", missing=True)
    folder = fixed_folder(path) if is_pattern else path
    names = _list(url, folder, recursive=not is_pattern or is_deep(path))
    found = find_names(names, path, is_pattern=is_pattern)
    return [f"{scheme_of(url)}://{bucket}/{name}" for name in found]


def _list(url: str, folder: str, *, recursive: bool) -> list[str]:
    """Names of files in a folder of a bucket."""
    bucket = _bucket_of(url)
    base = f"{bucket}/{folder}".rstrip("/")
    selector = fs.FileSelector(base, recursive=recursive, allow_not_found=bool(folder))
    with translated(scheme_of(url)):
        found = open_filesystem(url).get_file_info(selector)
    files = [info.path for info in found if info.type == fs.FileType.File]
    return [path.removeprefix(f"{bucket}/") for path in files]


def _kind_of(url: str, path: str) -> fs.FileType:
    with translated(scheme_of(url)):
        return open_filesystem(url).get_file_info(path).type


def _open(url: str) -> Any:
    return open_filesystem(url).open_input_file(rest_of(url))


def _bucket_of(url: str) -> str:
    return rest_of(url).partition("/")[0]


def _version_of(opened: Any, size: int) -> str:
    about = {key.lower(): bytes(value).decode() for key, value in dict(opened.metadata()).items()}
    if generation := about.get("generation"):
        return str(generation)
    if etag := about.get("etag"):
        return str(etag).strip('"')
    changed = about.get("last-modified", "")
    return f"{changed}, {size} bytes" if changed else ""


def send_to_bucket(file: Path, url: str) -> None:
    """Write a file to a bucket, where it is complete at once or not at all.

    Raises:
        TransientError: the server does not answer.
        RefusedError: it will not have it.
        OSError: the file cannot be read.
    """
    scheme, filesystem = scheme_of(url), open_filesystem(url)
    with translated(scheme):
        stream = filesystem.open_output_stream(rest_of(url))
    _never_close(stream)
    for number, piece in enumerate(_pieces(file), start=1):
        with translated(scheme):
            stream.write(piece)
            if number % _PIECES_UNDER_WAY == 0:
                stream.flush()
    with translated(scheme):
        stream.close()


def _never_close(stream: Any) -> None:
    """Keep a stream from being closed by anything but `send_to_bucket`.

    Arrow closes a stream that is garbage, and what was written to it so far becomes a complete
    object on the server. So the stream of an upload that fails must never become garbage.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(stream))


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while piece := opened.read(_PIECE):
            yield piece


# --- The file systems, and what they say ---------------------------------------------------------


def open_filesystem(url: str) -> fs.FileSystem:
    """The file system that a file's bucket is in.

    Raises:
        InputError: this Arrow was built without it.
    """
    # Arrow reads these variables for URIs that it takes apart itself, but not here.
    ask, scheme = os.environ.get, scheme_of(url)
    try:
        if scheme == "s3":
            endpoint = ask("AWS_ENDPOINT_URL_S3") or ask("AWS_ENDPOINT_URL")
            return _open_s3(_bucket_of(url), endpoint, anonymous=_is_on("AWS_NO_SIGN_REQUEST"))
        # The variable that Google's own libraries have for servers that stand in for theirs.
        endpoint = ask("STORAGE_EMULATOR_HOST")
        return _open_gs(endpoint, anonymous=_is_on("CLOUDSDK_AUTH_DISABLE_CREDENTIALS"))
    except ImportError as error:
        raise not_installed(scheme, error) from error


@functools.cache
def _open_s3(bucket: str, endpoint: str | None, *, anonymous: bool) -> fs.FileSystem:
    make, options = fs.S3FileSystem, {}  # this comes first: it tells where there is none
    if endpoint:
        options = _endpoint(endpoint, "https")
    elif region := _region_of(bucket):
        options = {"region": region}
    return make(
        anonymous=anonymous,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
        connect_timeout=_CONNECT_SECONDS,
        request_timeout=_REQUEST_SECONDS,
        **options,
    )


@functools.cache
def _open_gs(endpoint: str | None, *, anonymous: bool) -> fs.FileSystem:
    options = _endpoint(endpoint, "http") if endpoint else {}
    # A stand-in wants no credentials, and looking for some may take minutes.
    return fs.GcsFileSystem(
        anonymous=anonymous or bool(endpoint),
        retry_time_limit=datetime.timedelta(seconds=_GOOGLE_SECONDS),
        **options,
    )


def _endpoint(url: str, otherwise: str) -> dict[str, str]:
    scheme, mark, host = url.rstrip("/").rpartition("://")
    return {"endpoint_override": host, "scheme": scheme if mark else otherwise}


def _region_of(bucket: str) -> str | None:
    """Where the bucket is, whatever region the environment names: another one refuses it."""
    try:
        return str(fs.resolve_s3_region(bucket))
    except OSError:
        return None  # the first request says why


def _is_on(name: str) -> bool:
    return os.environ.get(name, "").lower() in _TRUE


@contextlib.contextmanager
def translated(scheme: str) -> Iterator[None]:
    """Arrow's errors as ours."""
    try:
        yield
    except FileNotFoundError as error:
        raise RefusedError("no such file", missing=True) from error
    except PermissionError as error:
        raise RefusedError("access denied", hint=_hint(scheme)) from error
    except pa.ArrowInvalid as error:
        raise RefusedError("a name with an empty part, as in a//b, cannot be used") from error
    except OSError as error:
        raise _explain(scheme, str(error)) from error


def _explain(scheme: str, message: str) -> TransientError | RefusedError:
    found = _AWS.search(message)
    if found is None:
        if _NOTHING_FOUND in message:
            return RefusedError("no credentials were found", hint=_hint(scheme))
        return TransientError(message)
    name, status, details = found.groups()
    details = _REQUEST_ID.sub("", details)
    if name in _REFUSALS:
        missing = name in _MISSING
        return RefusedError(
            _REFUSALS[name], hint=None if missing else _hint(scheme), missing=missing
        )
    reason = f"{details} ({name})"
    # The file may have been replaced by a shorter one, which the reader finds out.
    gone = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
    is_failure = status and int(status) >= HTTPStatus.BAD_REQUEST
    if is_failure and int(status) != gone and not may_pass(int(status)):
        return RefusedError(f"HTTP {status}: {details}")
    return TransientError(reason)


def _hint(scheme: str) -> str:
    return _S3_HINT if scheme == "s3" else _GS_HINT
