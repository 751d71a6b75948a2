"""Every error of pyarrow and the operating system has one of ours."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pyarrow as pa
import pytest

from llama_cli.errors import (
    ArrowConversionError,
    ParquetError,
    ParquetFormatError,
    ParquetIOError,
    SchemaMismatchError,
)
from llama_cli.output.errors import translated_errors

PATH = Path("out.parquet")
PYARROW_ERRORS = [
    kind
    for kind in vars(pa.lib).values()
    if isinstance(kind, type)
    and issubclass(kind, BaseException)
    and (kind.__module__.startswith("pyarrow") or kind is pa.ArrowIOError)
]


def translate(error: BaseException, otherwise: type[ParquetError]) -> ParquetError:
    with (
        pytest.raises(ParquetError) as caught,
        translated_errors(PATH, otherwise),  # type: ignore[arg-type]
    ):
        raise error
    return caught.value


def test_the_list_of_pyarrows_errors_is_not_empty() -> None:
    assert {pa.ArrowInvalid, pa.ArrowMemoryError, pa.ArrowIOError, pa.ArrowCancelled} <= set(
        PYARROW_ERRORS
    )
    assert len(PYARROW_ERRORS) >= 11


@pytest.mark.parametrize(
    "kind", [*PYARROW_ERRORS, ValueError, TypeError, OverflowError], ids=lambda kind: kind.__name__
)
@pytest.mark.parametrize(
    ("otherwise", "prefix"),
    [(ArrowConversionError, "Arrow error: "), (ParquetFormatError, "Parquet error: ")],
)
def test_every_error_is_translated(
    kind: type[Exception], otherwise: type[ParquetError], prefix: str
) -> None:
    error = kind("what happened")
    ours = translate(error, otherwise)
    if issubclass(kind, OSError):
        assert type(ours) is ParquetIOError
        prefix = "IO error: "
    else:
        assert type(ours) is otherwise
    assert str(ours) == prefix + "what happened"
    assert ours.__cause__ is error
    assert ours.path == PATH
    assert ours.exit_code == 1


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "free some space on that disk, or write to another one"),
        (errno.EDQUOT, "your disk quota is used up; free some space or write to another disk"),
        (errno.EROFS, "that file system is read-only; write to another one"),
        (errno.EFBIG, "the file reached the limit of its file system or of `ulimit -f`"),
        (errno.EACCES, "choose a folder you may write to"),
        (errno.EIO, None),
    ],
)
def test_an_error_of_the_system_is_said_in_its_words(number: int, hint: str | None) -> None:
    ours = translate(OSError(number, "a sentence of pyarrow's"), ParquetFormatError)
    assert str(ours) == f"IO error: {os.strerror(number)}"
    assert ours.hint == hint


@pytest.mark.parametrize(
    "error", [SchemaMismatchError(8, 9), KeyboardInterrupt(), MemoryError(), AttributeError()]
)
def test_our_own_errors_and_what_is_nobodys_business_pass(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, translated_errors(PATH):
        raise error
    assert caught.value is error
