"""Files in buckets of S3, of servers that speak like it, and of Google Cloud Storage."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import Any

from pyarrow import fs

from llama_cli.storage.address import rest_of, scheme_of
from llama_cli.storage.filesystems import open_filesystem, translated
from llama_cli.storage.glob import (
    fixed_folder,
    has_pattern,
    in_folder,
    is_deep,
    matching,
)
from llama_cli.storage.retry import ChangedError, RefusedError, TransientError


@dataclass(frozen=True, slots=True)
class BucketFile:
    """A file in a bucket.

    Attributes:
        scheme: ``s3`` or ``gs``.
        path: bucket and name, as Arrow writes them.
        size: bytes.
        version: what the server calls this content: an ETag, or a generation.
    """

    scheme: str
    path: str
    size: int
    version: str
    has_ranges: bool = True

    @property
    def address(self) -> str:
        """Its URL."""
        return f"{self.scheme}://{self.path}"

    @property
    def file_name(self) -> str:
        """Its name without a folder."""
        return posixpath.basename(self.path)

    def open(self) -> BucketParts:
        """Make ready for reading it once."""
        return BucketParts(self)


class BucketParts:
    """A file in a bucket that is being read."""

    def __init__(self, file: BucketFile) -> None:
        """Nothing is asked yet."""
        self._file = file
        self._opened: Any = None

    def fetch(self, start: int, size: int) -> bytes:
        """A part, if the file was still the same after that part was sent."""
        try:
            with translated(self._file.scheme):
                if self._opened is None:
                    self._opened = _open(self._file.scheme, self._file.path)
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
        """Let go of it."""
        self._opened = None

    def _check_version(self) -> None:
        """Raise if the file is another one by now."""
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
    scheme, path = scheme_of(url), rest_of(url)
    with translated(scheme):
        opened = _open(scheme, path)
        size = opened.size()
    return BucketFile(scheme, path, size, _version_of(opened, size))


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
    scheme, bucket = scheme_of(url), rest_of(url).partition("/")[0]
    if _kind_of(scheme, bucket) == fs.FileType.NotFound:
        raise RefusedError("no such bucket")
    return None


def expand_bucket(url: str) -> list[str]:
    """URLs of what a URL means: itself, or the files in a folder, or those that match.

    Raises:
        TransientError: the server does not answer.
        RefusedError: there are none, or they may not be listed.
        InputError: a library is missing.
    """
    scheme, path = scheme_of(url), rest_of(url)
    bucket, _, name = path.partition("/")
    if not bucket or has_pattern(bucket):
        raise RefusedError("the name of a bucket is missing")
    if name and not name.endswith("/"):
        kind = _kind_of(scheme, path)
        if kind == fs.FileType.File:
            return [url]
        if kind == fs.FileType.NotFound:
            if not has_pattern(name):
                raise RefusedError("no such file", missing=True)
            names = _list(scheme, bucket, fixed_folder(name), recursive=is_deep(name))
            return _urls(scheme, bucket, matching(names, name), "no file matches")
    folder = name.rstrip("/")
    names = in_folder(_list(scheme, bucket, folder, recursive=True), folder)
    return _urls(scheme, bucket, names, "there is no file in this folder")


def _urls(scheme: str, bucket: str, names: list[str], otherwise: str) -> list[str]:
    if not names:
        raise RefusedError(otherwise, missing=True)
    return [f"{scheme}://{bucket}/{name}" for name in names]


def _list(scheme: str, bucket: str, folder: str, *, recursive: bool) -> list[str]:
    """Names of files in a folder of a bucket."""
    base = f"{bucket}/{folder}".rstrip("/")
    selector = fs.FileSelector(base, recursive=recursive, allow_not_found=bool(folder))
    with translated(scheme):
        found = open_filesystem(scheme, bucket).get_file_info(selector)
    files = [info.path for info in found if info.type == fs.FileType.File]
    return [path.removeprefix(f"{bucket}/") for path in files]


def _kind_of(scheme: str, path: str) -> fs.FileType:
    bucket = path.partition("/")[0]
    with translated(scheme):
        return open_filesystem(scheme, bucket).get_file_info(path).type


def _open(scheme: str, path: str) -> Any:
    return open_filesystem(scheme, path.partition("/")[0]).open_input_file(path)


def _version_of(opened: Any, size: int) -> str:
    about = {key.lower(): bytes(value).decode() for key, value in dict(opened.metadata()).items()}
    if generation := about.get("generation"):
        return str(generation)
    if etag := about.get("etag"):
        return str(etag).strip('"')
    changed = about.get("last-modified", "")
    return f"{changed}, {size} bytes" if changed else ""
