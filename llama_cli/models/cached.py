"""Models in the Hub's cache on this disk: found, listed and removed; nobody is asked."""

from __future__ import annotations

import contextlib
import difflib
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

from llama_cli.errors import LlamaCliError, ModelError
from llama_cli.models.choice import RepoModel, choose_model, list_models
from llama_cli.models.file import ModelFile
from llama_cli.models.hub_cache import RepoCache, has_digest, list_commits, translated_errors
from llama_cli.models.names import HubName
from llama_cli.storage.download import rough_size
from llama_cli.storage.hub import MAIN, Listing
from llama_cli.storage.retry import RefusedError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CachedModel:
    """A model of which all files are in the cache, or are to come there.

    Attributes:
        listing: the repository's files at its commit.
        model: the model.
    """

    listing: Listing
    model: RepoModel

    @property
    def name(self) -> str:
        """How the command line names it."""
        repo, commit = self.listing.repo, self.listing.commit
        current = RepoCache(repo).commit_of(HubName(repo)) == commit
        return f"{repo}{'' if current else f'@{commit}'}:{self.model.name}"

    @property
    def paths(self) -> list[Path]:
        """Where its files are, or will be."""
        cache = RepoCache(self.listing.repo)
        return [cache.file(self.listing.commit, file.name) for file in self.model.files]

    def file(self) -> ModelFile:
        """The model as runs use it."""
        origin = f"hf:{self.listing.repo}@{self.listing.commit}/{self.model.name}"
        return ModelFile(self.paths[0], builtin=False, origin=origin)

    def log_choice(self, name: HubName) -> None:
        """Say which file it is, where the name left that open."""
        if name.file == self.model.name:
            return
        weights = f"{self.model.weights}, " if self.model.weights else ""
        others = len(list_models(self.listing))
        log.info(
            "%s: using %s (%s%s)%s",
            name.repo,
            self.model.name,
            weights,
            rough_size(self.model.size),
            f", one of {others}; name another with {name.repo}:FILE" if others > 1 else "",
        )


def find_cached(name: HubName) -> CachedModel | None:
    """The model that a name means, if all of it is in the cache.

    Raises:
        OSError: the cache cannot be read.
    """
    cache = RepoCache(name.repo)
    commit = cache.commit_of(name)
    if commit is None:
        return None
    with contextlib.suppress(LlamaCliError, RefusedError):  # no such file
        listing = cache.listing(commit)
        found = CachedModel(listing, choose_model(listing, name.file))
        return found if all(path.is_file() for path in found.paths) else None
    return None


def list_cached() -> list[CachedModel]:
    """Every model of which all files are in the cache, sorted by name; the newest commit first.

    Raises:
        OSError: the cache cannot be read.
    """
    found = []
    for repo, commit in list_commits():
        with contextlib.suppress(LlamaCliError, RefusedError):
            listing = RepoCache(repo).cached_listing(commit)
            found += [
                CachedModel(listing, model)
                for model in list_models(listing)
                if not model.missing_part
            ]
    return found


def nearest_cached(name: HubName) -> str | None:
    """A hint with the cached model whose name is most like the one given.

    Raises:
        OSError: the cache cannot be read.
    """
    models = list_cached()
    same = [cached.name for cached in models if cached.listing.repo == name.repo]
    if same:
        return f"in the cache of that repository: {', '.join(same)}"
    names = [cached.name for cached in models]
    close = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close else None


def drop_damaged(cached: CachedModel) -> bool:
    """Remove the model's files that are not what they were; whether there were any.

    Raises:
        OSError: the cache cannot be read or changed.
    """
    damaged = False
    for path, file in zip(cached.paths, cached.model.files, strict=True):
        if not has_digest(path, file.digest):
            log.warning("%s is damaged, and is removed from the cache", path)
            path.resolve().unlink()
            path.unlink(missing_ok=True)
            damaged = True
    return damaged


def remove_cached(name: HubName) -> tuple[list[str], int]:
    """Remove the models that a name means, of a repository without a file all, and nothing else.

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
    if name.revision != MAIN:
        commit = RepoCache(name.repo).commit_of(name)
        found = [cached for cached in found if cached.listing.commit == commit]
    if name.file is None or not found:
        return found
    # A file that is in several commits is removed from all of them.
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
