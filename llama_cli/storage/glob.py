"""Folders and patterns of names that a server lists: as those on a disk, part by part."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from llama_cli.storage.retry import RefusedError

_ANY_DEPTH = "**"


def fixed_folder(pattern: str) -> str:
    """The folder that all names which match a pattern are in."""
    parts = pattern.split("/")[:-1]
    fixed = next((n for n, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    return "/".join(parts[:fixed])


def is_deep(pattern: str) -> bool:
    """Whether names below the fixed folder's own may match."""
    below = pattern.removeprefix(fixed_folder(pattern)).lstrip("/")
    return "/" in below or _ANY_DEPTH in below


def find_names(names: Iterable[str], path: str, *, is_pattern: bool) -> list[str]:
    """The names that match a pattern, or are below a folder, without hidden ones.

    Returns:
        At least one, sorted part by part.

    Raises:
        RefusedError: there is none.
    """
    below = f"{glob.escape(path)}/**/*" if path else "**/*"
    wanted = (path if is_pattern else below).split("/")
    found = [name for name in names if _matches(name.split("/"), wanted)]
    if not found:
        reason = "no file matches" if is_pattern else "there is no file in this folder"
        raise RefusedError(reason, missing=True)
    return sorted(found, key=lambda name: name.split("/"))


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not parts
    first, rest = pattern[0], pattern[1:]
    if first == _ANY_DEPTH and _matches(parts, rest):
        return True
    if not parts or (_is_hidden(parts[0]) and not _is_hidden(first)):
        return False
    if first == _ANY_DEPTH:
        return _matches(parts[1:], pattern)
    return fnmatchcase(parts[0], first) and _matches(parts[1:], rest)


def _is_hidden(part: str) -> bool:
    return part.startswith(".")
