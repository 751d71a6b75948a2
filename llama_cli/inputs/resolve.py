"""Which inputs there are: files, folders, patterns and pipes."""

from __future__ import annotations

import difflib
import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, Self

from llama_cli.errors import InputError
from llama_cli.inputs.remote import find_remote
from llama_cli.storage.address import is_remote, unknown_scheme

STANDARD_INPUT = Path("/dev/stdin")


class Input(Protocol):
    """One input, wherever it is."""

    @property
    def name(self) -> str:
        """What messages, the column ``source`` and the output's footer call it."""
        ...

    @property
    def file_name(self) -> str:
        """Its name without a folder, which may tell its format."""
        ...

    @property
    def address(self) -> str:
        """Where it is, in words by which it is known again."""
        ...

    @property
    def is_regular(self) -> bool:
        """Whether it is a file that can be read again."""
        ...

    @property
    def has_parts(self) -> bool:
        """Whether any part of it can be read without those before."""
        ...

    @property
    def version(self) -> str:
        """What changes when its content does; empty where only reading it tells."""
        ...

    def size(self) -> int | None:
        """Its size in bytes; None where that is not known, as of a pipe."""
        ...

    def open(self) -> BinaryIO:
        """Open it for reading bytes.

        Raises:
            InputError: it cannot be opened.
        """
        ...

    def named(self, name: str) -> Self:
        """The same under another name."""
        ...


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file, or a pipe, on this machine.

    Attributes:
        path: where it is.
        name: what messages, the column ``source`` and the output's footer call it.
    """

    path: Path
    name: str

    @property
    def file_name(self) -> str:
        """Its name without a folder."""
        return self.path.name

    @property
    def address(self) -> str:
        """Its path from the root."""
        return str(self.path.absolute())

    @property
    def has_parts(self) -> bool:
        """Whether it is a file."""
        return self.is_regular

    @property
    def version(self) -> str:
        """None: what a disk says of a file's last change may be wrong."""
        return ""

    def named(self, name: str) -> Self:
        """The same under another name."""
        return type(self)(self.path, name)

    def __str__(self) -> str:
        return str(self.path)

    @property
    def is_regular(self) -> bool:
        """Whether it is a file that can be read again."""
        return self.path.is_file() and not is_descriptor(self.path)

    def size(self) -> int | None:
        """Its size in bytes; None of a pipe."""
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


def is_descriptor(path: Path) -> bool:
    """Whether it stands for an open file of this process, whose name is no name to go by."""
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
        exclude: files that are not taken from folders and patterns, as the output is not.
        is_no_input: tells of other files that are not taken from there either.

    Returns:
        At least one. A single one goes by its name alone, several by the paths that lead to them,
        remote ones by their URLs.

    Raises:
        InputError: there is none, or one cannot be read.
    """
    exclude = [*exclude]
    left_out = {os.path.realpath(path) for path in exclude if isinstance(path, Path)}

    def is_left_out(path: Path) -> bool:
        return os.path.realpath(path) in left_out or is_no_input(path)

    paths: list[Path] = []
    found_at: list[Path | Input] = []
    for word in words:
        if is_remote(word):
            found_at += find_remote(word, [url for url in exclude if isinstance(url, str)])
            continue
        try:
            found = _expand(word, is_left_out)
            for path in found:
                _check_readable(path)
        except OSError as error:
            raise InputError(f"{error.filename or word}: {error.strerror}") from error
        paths += found
        found_at += found
    if paths.count(STANDARD_INPUT) > 1:
        raise InputError("standard input can be read once only")
    if len(paths) == len(found_at) == 1:
        (path,) = paths
        regular = InputFile(path, path.name)
        return [regular if regular.is_regular else InputFile(path, "pipe")]
    return [_named_by_path(one) if isinstance(one, Path) else one for one in found_at]


def _named_by_path(path: Path) -> InputFile:
    return InputFile(path, "pipe" if is_descriptor(path) else str(path))


def _expand(word: str, is_left_out: Callable[[Path], bool]) -> list[Path]:
    if word == "-":
        return [STANDARD_INPUT]
    if not word:  # a variable that is not set, perhaps; it would stand for the current folder
        raise InputError("the name of an input is empty")
    path = Path(word)
    if (reason := unknown_scheme(word)) and not path.exists():
        raise InputError(reason)
    if path.is_dir():
        found = [one for one in sorted(_walk(path)) if not is_left_out(one)]
        if not found:
            raise InputError(f"{word}: there is no file in this folder")
        return found
    if not os.path.lexists(path) and glob.has_magic(word):
        found = [one for one in match_files(word) if not is_left_out(one)]
        if not found:
            raise InputError(f"{word}: no file matches")
        return found
    return [path]


def match_files(pattern: str) -> list[Path]:
    """The files that a pattern matches, sorted, hidden ones left out.

    ``**`` does not follow links, which may lead in a circle.
    """
    parts = Path(pattern).parts
    fixed = next((at for at, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    root, rest = Path(*parts[:fixed]), list(parts[fixed:])
    if not rest:
        return []
    if rest[-1] == "**":
        rest.append("*")
    shows_hidden = any(part.startswith(".") for part in rest)
    matches = {path for path in root.glob("/".join(rest)) if path.is_file()}
    return sorted(
        path
        for path in matches
        if shows_hidden or not any(part.startswith(".") for part in path.parts[len(root.parts) :])
    )


def _walk(folder: Path) -> Iterator[Path]:
    """The files in a folder and below, hidden ones left out."""

    def stop(error: OSError) -> None:
        raise InputError(f"{error.filename}: {error.strerror}") from error

    for parent, folders, files in os.walk(folder, onerror=stop):
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
