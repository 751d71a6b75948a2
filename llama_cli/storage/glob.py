"""Folders and patterns of names that a server lists: as those on a disk, part by part."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from llama_cli.storage.retry import RefusedError

_ANY_DEPTH = "**"
TABLE_HINT = "write it as plain Parquet, with DuckDB for instance, or name its files by a pattern"


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
        RefusedError: there is none, or the folder is a table with a log.
    """
    below = f"{glob.escape(path)}/**/*" if path else "**/*"
    wanted = (path if is_pattern else below).split("/")
    names = [name for name in names if is_pattern or name.startswith(f"{path}/" if path else "")]
    if not is_pattern:
        depth = path.count("/") + 1 if path else 0
        below_path = [name.split("/")[depth:] for name in names]
        if kind := kind_of_table(below_path):
            raise RefusedError(is_table(kind), hint=TABLE_HINT)
        names = [
            name
            for name, parts in zip(names, below_path, strict=True)
            if not any(map(is_left_out, parts))
        ]
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


def is_left_out(name: str) -> bool:
    """Whether folders leave out what has that name: hidden, or a note of Spark's as ``_SUCCESS``.

    As in Spark and Arrow, but a partition is never a note: ``_year=2024``.
    """
    return _is_hidden(name) or (name.startswith("_") and "=" not in name)


def kind_of_table(files: Iterable[Sequence[str]]) -> str | None:
    """What kind of table with a log, by which not all files count, a folder is; None for no such.

    Args:
        files: the parts of their names, from the folder on.
    """
    for *folders, name in files:
        if "_delta_log" in folders:
            return "Delta"
        if ".hoodie" in folders:
            return "Hudi"
        if "metadata" in folders and name.endswith(".metadata.json"):
            return "Iceberg"
    return None


def is_table(kind: str) -> str:
    """The refusal of such a table."""
    return f"is a table of {kind}, whose log says which of its files count"


def _is_hidden(part: str) -> bool:
    return part.startswith(".")
