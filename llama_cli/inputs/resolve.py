"""Which inputs there are: files, folders, patterns and pipes."""

from __future__ import annotations

import difflib
import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Self

from llama_cli.errors import InputError
from llama_cli.storage.address import is_remote, unknown_scheme
from llama_cli.storage.reader import RemoteObject
from llama_cli.storage.resolve import find_files

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
) -> list[Input]:
    """The inputs that the user named, in that order.

    Args:
        words: names of files, folders (all files in it and below, without hidden ones, sorted by
            name) and pipes, patterns with ``*``, ``**``, ``?`` or ``[…]``, URLs, and ``-`` for
            standard input.
        exclude: files and URLs that folders and patterns leave out, as that of the output.
        is_no_input: tells of other files that they leave out.

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

    inputs: list[Path | Input] = []  # remote ones among the paths
    for word in words:
        if is_remote(word):
            inputs += find_files(word, [url for url in exclude if isinstance(url, str)])
            continue
        try:
            found = _expand(word, is_excluded)
            for path in found:
                _check_readable(path)
        except OSError as error:
            raise InputError(f"{error.filename or word}: {error.strerror}") from error
        inputs += found
    if inputs.count(STANDARD_INPUT) > 1:
        raise InputError("standard input can be read once only")
    if len(inputs) == 1 and isinstance(only := inputs[0], Path):
        regular = InputFile(only, only.name)
        return [regular if regular.is_regular else InputFile(only, "pipe")]
    return [_named_by_path(file) if isinstance(file, Path) else file for file in inputs]


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
    """The files in a folder and below, hidden ones left out."""

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename}: {error.strerror}") from error

    for parent, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            path = Path(parent, name)
            if not name.startswith(".") and path.is_file():
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
