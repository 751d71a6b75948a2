"""Which error of ours each error of pyarrow and the operating system becomes."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from llama_cli.errors import ArrowConversionError, ParquetFormatError, ParquetIOError

# pyarrow raises Python's own exceptions too, for instance OverflowError for a negative number
# in an unsigned column. ArrowIOError is OSError itself.
_FOREIGN = (pa.ArrowException, ValueError, TypeError, OverflowError)

_HINTS = {
    errno.ENOSPC: "free some space on that disk, or write to another one",
    errno.EDQUOT: "your disk quota is used up; free some space or write to another disk",
    errno.EROFS: "that file system is read-only; write to another one",
    errno.EFBIG: "the file reached the limit of its file system or of `ulimit -f`",
    errno.EACCES: "choose a folder you may write to",
    errno.EPERM: "choose a folder you may write to",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOLCK: "that file system cannot lock files; write to another one",
    errno.ENOTSUP: "that file system cannot lock files; write to another one",
    errno.ENOTDIR: "a part of that path is a file, not a folder",
}


@contextmanager
def translated_errors(
    path: Path | None,
    otherwise: type[ArrowConversionError | ParquetFormatError] = ParquetFormatError,
) -> Iterator[None]:
    """Turn foreign errors raised inside into ours, the original kept as ``__cause__``.

    Args:
        path: output the errors will name in their ``path``.
        otherwise: error for everything that is not the operating system's.

    Raises:
        ParquetIOError: for every ``OSError``, with what can be done about it as a hint.
        ArrowConversionError: or ParquetFormatError, as ``otherwise`` says, for the rest.
    """
    try:
        yield
    except OSError as error:
        # pyarrow puts a sentence of its own into strerror, so the number is looked up again.
        detail = os.strerror(error.errno) if error.errno else error
        raise ParquetIOError(detail, path=path, hint=_HINTS.get(error.errno or 0)) from error
    except _FOREIGN as error:
        raise otherwise(error, path=path) from error
