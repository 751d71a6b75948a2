"""Removing models from the Hub's cache, and nothing else that other programs keep there."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from llama_cli.errors import ModelError
from llama_cli.models.cached import CachedModel, list_cached
from llama_cli.models.choice import choose_model
from llama_cli.models.hub_cache import RepoCache, translated_errors
from llama_cli.models.listing import Listing
from llama_cli.models.names import DEFAULT_REVISION, HubName
from llama_cli.models.nearest import nearest_cached


def remove_cached(name: HubName) -> tuple[list[str], int]:
    """Remove the models that a name means: of a repository without a file, all.

    Returns:
        Their names, and the bytes that are free again.

    Raises:
        ModelError: there is none, or it cannot be removed.
        UsageError: several files fit.
    """
    with translated_errors():
        found = _matching(name)
        if not found:
            raise ModelError(f"{name} is not in the cache", hint=nearest_cached(name))
        names = [cached.name for cached in found]
        cache = RepoCache(name.repo)
        freed = sum(_unlink(path, cache) for cached in found for path in cached.paths)
        _prune(cache)
        return names, freed


def _matching(name: HubName) -> list[CachedModel]:
    found = [cached for cached in list_cached() if cached.listing.repo == name.repo]
    if name.revision != DEFAULT_REVISION:
        commit = RepoCache(name.repo).commit_of(name)
        found = [cached for cached in found if cached.listing.commit == commit]
    if name.file is None or not found:
        return found
    # One that is in several commits is removed from all of them.
    files = {file.name: file for cached in found for file in cached.model.files}
    everywhere = Listing(name.repo, found[0].listing.commit, tuple(files.values()))
    wanted = choose_model(everywhere, name.file).name
    return [cached for cached in found if cached.model.name == wanted]


def _unlink(path: Path, cache: RepoCache) -> int:
    """Remove a file of a commit, and its content if no other has the same; returns its size."""
    content, size = path.resolve(), path.stat().st_size
    path.unlink()
    others = (other for other in cache.snapshots.rglob("*") if other.is_symlink())
    if content == path or any(other.resolve() == content for other in others):
        return 0 if content.exists() else size
    content.unlink()
    return size


def _prune(cache: RepoCache) -> None:
    """Remove folders that have become empty; of a repository without files, all that is left."""
    folders = (path for path in cache.snapshots.rglob("*") if path.is_dir())
    for folder in sorted(folders, reverse=True):
        with contextlib.suppress(OSError):  # not empty
            folder.rmdir()
    if not any(cache.snapshots.iterdir()):
        shutil.rmtree(cache.folder)
        shutil.rmtree(cache.locks, ignore_errors=True)
