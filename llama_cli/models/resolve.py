"""What a model is named by: the built-in model, a file, a folder of them, or one on the Hub."""

from __future__ import annotations

import dataclasses
import difflib
import os
from pathlib import Path

from llama_cli.errors import ModelError, UsageError
from llama_cli.models.builtin.file import DEFAULT_MODEL
from llama_cli.models.cached import find_cached, nearest_cached
from llama_cli.models.file import ModelFile
from llama_cli.models.hub import resolve_on_hub
from llama_cli.models.hub_cache import translated_errors
from llama_cli.models.names import BUILTIN, PREFIX, HubName, parse_hub_name
from llama_cli.splits import first_part_name, model_parts
from llama_cli.storage.download import ProgressCallback


def resolve_model(
    model: str | None,
    filename: str | None,
    on_progress: ProgressCallback = lambda _done, _total: None,
) -> ModelFile:
    """Find the model, and download it where it is on the Hub and not in the cache.

    Args:
        model: a file, a folder or a name on the Hub; None or ``builtin`` for the built-in model.
        filename: the file to take in a folder or a repository.
        on_progress: told of every piece of a download that has come.

    Raises:
        ModelError: it is not there, not a file, or cannot be downloaded.
        UsageError: ``filename`` was given without a folder or beside another file, or is missing
            where it is needed.
    """
    if model is None or (model == BUILTIN and not os.path.lexists(model)):
        if filename is not None:
            raise UsageError(
                "`filename` chooses a file in a folder: name that with `model`", option="filename"
            )
        return ModelFile(DEFAULT_MODEL, builtin=True)
    name = hub_name(model)
    if name is None:
        return _on_disk(model, filename)
    if filename is not None:
        if name.file is not None:
            raise UsageError(
                f"`filename={filename}`: `model` names the file {name.file} already",
                option="filename",
            )
        name = dataclasses.replace(name, file=filename)
    return resolve_on_hub(name, on_progress)


def find_on_disk(model: str) -> ModelFile:
    """Find a model that is on this disk already, the Hub's cache included.

    Raises:
        ModelError: it is not on this disk.
        UsageError: several files fit.
    """
    name = None if model == BUILTIN else hub_name(model)
    if name is None:
        return resolve_model(model, None)
    with translated_errors():
        cached = find_cached(name)
        if cached is not None:
            return cached.file()
        pull = f"llama-cli models pull {model} downloads it"
        near = nearest_cached(name)
        raise ModelError(f"{name} is not in the cache", hint=f"{near}; {pull}" if near else pull)


def hub_name(model: str) -> HubName | None:
    """The name on the Hub that is meant, if any: what is there on disk comes first.

    Raises:
        UsageError: it begins with ``hf:`` and is no name of the Hub's.
    """
    if not model.startswith(PREFIX) and os.path.lexists(model):
        return None
    return parse_hub_name(model)


def _on_disk(model: str, filename: str | None) -> ModelFile:
    try:
        return ModelFile(_find_local(Path(model).expanduser(), filename), builtin=False)
    except OSError as error:
        raise ModelError(f"{model}: {error.strerror}") from error
    except RuntimeError as error:  # of expanduser: no such user
        raise ModelError(f"{model}: {error}") from error


def _find_local(path: Path, filename: str | None) -> Path:
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
        return _first_part(_choose(path, filename))
    if filename is not None:
        raise UsageError(
            f"`filename` chooses a file in a folder, but {path} is not one", option="filename"
        )
    if not path.exists():
        raise ModelError(f"{path}: no such model file", hint=_nearest(path))
    if not path.is_file():
        raise ModelError(f"{path}: is not a regular file")
    return _first_part(path)


def _first_part(path: Path) -> Path:
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
