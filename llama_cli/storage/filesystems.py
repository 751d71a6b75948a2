"""Arrow's file systems for buckets, set up as the tools of their vendors are."""

from __future__ import annotations

import contextlib
import datetime
import functools
import os
import re
from collections.abc import Iterator
from http import HTTPStatus

import pyarrow as pa
from pyarrow import fs

from llama_cli.storage.retry import RefusedError, TransientError, not_installed

_CONNECT_SECONDS = 10
_REQUEST_SECONDS = 60
_ATTEMPTS = 2  # at one of our own
_GOOGLE_SECONDS = 15  # the same in time
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
_CLIENT_ERROR, _SERVER_ERROR = 400, 500
_PASSING = (
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
    # A part that is not there: the file may have been replaced, which whoever reads it finds out.
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
)


def open_filesystem(scheme: str, bucket: str) -> fs.FileSystem:
    """The file system that a bucket is in.

    Raises:
        InputError: this Arrow was built without it.
    """
    # Arrow reads these variables for URIs that it takes apart itself, but not here.
    ask = os.environ.get
    try:
        if scheme == "s3":
            endpoint = ask("AWS_ENDPOINT_URL_S3") or ask("AWS_ENDPOINT_URL")
            return _open_s3(bucket, endpoint, anonymous=_is_on("AWS_NO_SIGN_REQUEST"))
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
    # One that stands in asks for no credentials, and looking for some may take minutes.
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
    is_refusal = status and _CLIENT_ERROR <= int(status) < _SERVER_ERROR
    if is_refusal and int(status) not in _PASSING:
        return RefusedError(f"HTTP {status}: {details}")
    return TransientError(reason)


def _hint(scheme: str) -> str:
    return _S3_HINT if scheme == "s3" else _GS_HINT
