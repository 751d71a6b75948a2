"""Folders and patterns of names that a server lists: as those on a disk, part by part."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

_ANY_DEPTH = "**"


def has_pattern(path: str) -> bool:
    """Whether it has ``*``, ``?`` or ``[…]``."""
    return glob.has_magic(path)


def fixed_folder(pattern: str) -> str:
    """The folder that all names which match a pattern are in."""
    parts = pattern.split("/")[:-1]
    fixed = next((n for n, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    return "/".join(parts[:fixed])


def is_deep(pattern: str) -> bool:
    """Whether names below the fixed folder's own may match."""
    below = pattern.removeprefix(fixed_folder(pattern)).lstrip("/")
    return "/" in below or _ANY_DEPTH in below


def in_folder(names: Iterable[str], folder: str) -> list[str]:
    """The names below a folder, hidden ones left out, sorted part by part."""
    start = f"{folder.rstrip('/')}/" if folder else ""
    below = (name.removeprefix(start) for name in names if name.startswith(start))
    found = [rest for rest in below if rest and not any(map(_is_hidden, rest.split("/")))]
    return [f"{start}{rest}" for rest in sorted(found, key=lambda rest: rest.split("/"))]


def matching(names: Iterable[str], pattern: str) -> list[str]:
    """The names that match a pattern, sorted part by part."""
    wanted = pattern.split("/")
    found = [name for name in names if _matches(name.split("/"), wanted)]
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
