"""Which inputs there are: files, folders, patterns and pipes."""

from __future__ import annotations

import difflib
import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Self
from urllib.parse import unquote

from llama_cli.errors import InputError
from llama_cli.storage.address import is_remote, unknown_scheme
from llama_cli.storage.glob import TABLE_HINT, is_left_out, is_table, kind_of_table
from llama_cli.storage.reader import RemoteObject
from llama_cli.storage.resolve import find_files

_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
STANDARD_INPUT = Path("/dev/stdin")


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file, or a pipe, on this machine. It says of itself what a `RemoteObject` does."""

    path: Path
    name: str
    version = ""  # a disk's time of a file's last change may be wrong

    @property
    def file_name(self) -> str:
        return self.path.name

    @property
    def address(self) -> str:
        return str(self.path.absolute())

    @property
    def seekable(self) -> bool:
        return self.is_regular

    def named(self, name: str) -> Self:
        return replace(self, name=name)

    def __str__(self) -> str:
        return str(self.path)

    @property
    def is_regular(self) -> bool:
        return self.path.is_file() and not is_descriptor(self.path)

    @property
    def size(self) -> int | None:
        return self.path.stat().st_size if self.is_regular else None

    def open(self) -> BinaryIO:
        """Open it for reading bytes.

        Raises:
            InputError: it cannot be opened.
        """
        try:
            return self.path.open("rb", buffering=0)
        except FileNotFoundError as error:
            raise InputError(f"{self.path}: no such file") from error
        except OSError as error:
            raise InputError(f"{self.path}: cannot open: {error.strerror}") from error


Input = InputFile | RemoteObject


def is_descriptor(path: Path) -> bool:
    """Whether it stands for an open file of this process, so that its name says nothing."""
    return path == STANDARD_INPUT or path.is_relative_to("/dev/fd")


def find_inputs(
    words: Sequence[str],
    *,
    exclude: Iterable[Path | str] = (),
    is_no_input: Callable[[Path], bool] = lambda _: False,
    choose: Callable[[str, list[Input]], list[Input]] = lambda _, files: files,
) -> list[Input]:
    """The inputs that the user named, in that order.

    Args:
        words: names of files, folders (all files in it and below, without hidden ones and those
            like ``_SUCCESS``, sorted by name) and pipes, patterns with ``*``, ``**``, ``?`` or
            ``[…]``, URLs, and ``-`` for standard input.
        exclude: files and URLs that folders and patterns leave out, as that of the output.
        is_no_input: tells of other files that they leave out.
        choose: which of the files of a folder are inputs.

    Returns:
        At least one. A single one goes by its name alone, several by the paths that lead to them,
        remote ones by their URLs.

    Raises:
        InputError: there is none, or one cannot be read.
    """
    exclude = [*exclude]
    excluded = {os.path.realpath(path) for path in exclude if isinstance(path, Path)}

    def is_excluded(path: Path) -> bool:
        return os.path.realpath(path) in excluded or is_no_input(path)

    inputs: list[Input] = []
    for word in words:
        found: list[Input]
        if is_remote(word):
            found = [*find_files(word, [url for url in exclude if isinstance(url, str)])]
            if len(found) > 1 and not glob.has_magic(word):
                found = choose(word, found)
            inputs += found
            continue
        try:
            paths = _expand(word, is_excluded)
            for path in paths:
                _check_readable(path)
        except OSError as error:
            raise InputError(f"{error.filename or word}: {error.strerror}") from error
        found = [_named_by_path(path) for path in paths]
        inputs += choose(word, found) if Path(word).is_dir() else found
    if sum(file.address == str(STANDARD_INPUT) for file in inputs) > 1:
        raise InputError("standard input can be read once only")
    if len(inputs) == 1 and isinstance(only := inputs[0], InputFile):
        return [only.named(only.path.name if only.is_regular else "pipe")]
    return inputs


def partition_of(file: Input) -> dict[str, str | None]:
    """The columns in the names of an input's folders, as Hive has them: ``year=2024/part.csv``.

    The values are texts as they stand there, so that 007 stays itself; None for Hive's null.
    """
    folders = file.path.parts if isinstance(file, InputFile) else file.address.split("/")
    found = [part.partition("=") for part in folders[:-1] if "=" in part.strip("=")]
    return {
        unquote(key): None if value == _HIVE_NULL else unquote(value) for key, _, value in found
    }


def _named_by_path(path: Path) -> InputFile:
    return InputFile(path, "pipe" if is_descriptor(path) else str(path))


def _expand(word: str, is_excluded: Callable[[Path], bool]) -> list[Path]:
    if word == "-":
        return [STANDARD_INPUT]
    if not word:  # a variable that is not set, perhaps; it would stand for the current folder
        raise InputError("the name of an input is empty")
    path = Path(word)
    if (reason := unknown_scheme(word)) and not path.exists():
        raise InputError(reason)
    if path.is_dir():
        found, reason = sorted(_walk(path)), "there is no file in this folder"
    elif not os.path.lexists(path) and glob.has_magic(word):
        found, reason = match_files(word), "no file matches"
    else:
        return [path]
    wanted = [file for file in found if not is_excluded(file)]
    if not wanted:
        raise InputError(f"{word}: {reason}")
    return wanted


def match_files(pattern: str) -> list[Path]:
    """The files that a pattern matches, sorted, hidden ones left out.

    ``**`` does not follow links, which may lead in a circle.
    """
    names = Path(pattern).parts
    fixed = next((at for at, name in enumerate(names) if glob.has_magic(name)), len(names))
    root, rest = Path(*names[:fixed]), list(names[fixed:])
    if not rest:
        return []
    if rest[-1] == "**":
        rest.append("*")
    shows_hidden = any(name.startswith(".") for name in rest)
    matches = {path for path in root.glob("/".join(rest)) if path.is_file()}
    return sorted(
        path
        for path in matches
        if shows_hidden or not any(name.startswith(".") for name in path.parts[len(root.parts) :])
    )


def _walk(folder: Path) -> Iterator[Path]:
    """The files in a folder and below, without those that folders leave out.

    Raises:
        InputError: a folder cannot be read, or is a table with a log.
    """

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename}: {error.strerror}") from error

    for parent, folders, files in os.walk(folder, onerror=refuse):
        inside = [*((name, "") for name in folders), *((Path(parent).name, f) for f in files)]
        if kind := kind_of_table(inside):
            raise InputError(f"{folder}: {is_table(kind)}", hint=TABLE_HINT)
        folders[:] = [name for name in folders if not is_left_out(name)]
        for name in files:
            path = Path(parent, name)
            if not is_left_out(name) and path.is_file():
                yield path


def _check_readable(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"{path}: is a folder")
    if not path.exists():
        raise InputError(f"{path}: no such file", hint=_nearest(path))
    if not os.access(path, os.R_OK):
        raise InputError(f"{path}: permission denied")


def _nearest(path: Path) -> str | None:
    """The file beside it whose name is most like the one given."""
    if not path.parent.is_dir():
        return None
    siblings = [file.name for file in path.parent.iterdir()]
    close = difflib.get_close_matches(path.name, siblings, n=1)
    return f"did you mean {path.parent / close[0]}?" if close else None
