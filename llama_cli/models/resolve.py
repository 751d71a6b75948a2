"""What a model is named by: the built-in model, a file, a folder of them, or one on the Hub."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from llama_cli.errors import ModelError, UsageError
from llama_cli.models.access import HubAccess
from llama_cli.models.builtin.file import DEFAULT_MODEL
from llama_cli.models.file import ModelFile
from llama_cli.models.local import find_local
from llama_cli.models.names import BUILTIN, PREFIX, HubName, parse_hub_name


def resolve_model(
    model: str | None, filename: str | None, access: HubAccess | None = None
) -> ModelFile:
    """Find the model, and download it where it is on the Hub and not in the cache.

    Args:
        model: a file, a folder or a name on the Hub; None or ``builtin`` for the built-in model.
        filename: the file to take in a folder or a repository.
        access: how the Hub is asked.

    Raises:
        ModelError: it is not there, not a file, or cannot be downloaded.
        UsageError: ``filename`` was given without a folder, or is missing where it is needed.
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
    # Here and not above: runs without the Hub do without what it takes to reach it.
    from llama_cli.models.hub import resolve_on_hub

    return resolve_on_hub(with_file(name, filename), access or HubAccess())


def find_on_disk(model: str) -> ModelFile:
    """The same without downloading anything.

    Raises:
        ModelError: it is not on this disk.
        UsageError: several files fit.
    """
    name = None if model == BUILTIN else hub_name(model)
    if name is None:
        return resolve_model(model, None)
    from llama_cli.models.cached import find_cached
    from llama_cli.models.hub_cache import translated_errors
    from llama_cli.models.nearest import nearest_cached

    with translated_errors():
        cached = find_cached(name)
        if cached is not None:
            return cached.file()
        pull = f"llama-cli models pull {model} downloads it"
        near = nearest_cached(name)
        raise ModelError(f"{name} is not in the cache", hint=f"{near}; {pull}" if near else pull)


def hub_name(model: str) -> HubName | None:
    """The name on the Hub that is meant, if one is: what is there on disk comes first.

    Raises:
        UsageError: it begins with ``hf:`` and is no name of the Hub's.
    """
    if not model.startswith(PREFIX) and os.path.lexists(model):
        return None
    return parse_hub_name(model)


def with_file(name: HubName, filename: str | None) -> HubName:
    """The name with the file that ``filename`` chooses.

    Raises:
        UsageError: it has one already.
    """
    if filename is None:
        return name
    if name.file is not None:
        raise UsageError(
            f"`filename={filename}`: `model` names the file {name.file} already", option="filename"
        )
    return dataclasses.replace(name, file=filename)


def _on_disk(model: str, filename: str | None) -> ModelFile:
    try:
        return ModelFile(find_local(Path(model).expanduser(), filename), builtin=False)
    except OSError as error:
        raise ModelError(f"{model}: {error.strerror}") from error
    except RuntimeError as error:  # of expanduser: no such user
        raise ModelError(f"{model}: {error}") from error
