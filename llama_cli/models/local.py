"""Model files and folders of them on this machine's own disk."""

from __future__ import annotations

import difflib
from pathlib import Path

from llama_cli.errors import ModelError, UsageError
from llama_cli.splits import first_part_name, model_parts


def find_local(path: Path, filename: str | None) -> Path:
    """The file that llama.cpp is given: of a model in several parts, the first.

    Args:
        path: a model file, one of its parts, or a folder of models.
        filename: the file to take in a folder.

    Raises:
        ModelError: it is not there, not a file, or lacks a part.
        UsageError: ``filename`` was given without a folder, or is missing where it is needed.
        OSError: the system refused to look.
    """
    if path.is_dir():
        return first_part(_choose(path, filename))
    if filename is not None:
        raise UsageError(
            f"`filename` chooses a file in a folder, but {path} is not one", option="filename"
        )
    if not path.exists():
        raise ModelError(f"{path}: no such model file", hint=_nearest(path))
    if not path.is_file():
        raise ModelError(f"{path}: is not a regular file")
    return first_part(path)


def first_part(path: Path) -> Path:
    """The first of a model's files.

    Raises:
        ModelError: one of them is not there.
    """
    parts = model_parts(path)
    for part in parts:
        if not part.is_file():
            raise ModelError(
                f"{part}: this part of the split model is missing",
                hint=f"put all {len(parts)} of its parts into one folder",
            )
    return parts[0]


def _choose(folder: Path, filename: str | None) -> Path:
    names = (path.name for path in folder.iterdir() if path.suffix == ".gguf")
    found = sorted({first_part_name(name) for name in names})
    if filename is not None:
        if not (folder / filename).is_file():
            raise ModelError(f"{folder / filename}: no such model file", hint=_listing(found))
        return folder / filename
    if len(found) == 1:
        return folder / found[0]
    if not found:
        raise ModelError(f"{folder}: no .gguf file in this folder")
    raise UsageError(
        f"{folder}: several models; choose one with `filename`",
        hint=_listing(found),
        option="model",
    )


def _listing(names: list[str]) -> str | None:
    return f"there are: {', '.join(names)}" if names else None


def _nearest(path: Path) -> str | None:
    """The file beside it whose name is most like the one given."""
    if not path.parent.is_dir():
        return None
    siblings = [file.name for file in path.parent.iterdir() if file.suffix == ".gguf"]
    close = difflib.get_close_matches(path.name, siblings, n=1)
    return f"did you mean {path.parent / close[0]}?" if close else None
