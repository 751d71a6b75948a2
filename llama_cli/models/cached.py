"""What the Hub's cache on this disk has of a model; nobody is asked."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from pathlib import Path

from llama_cli.errors import LlamaCliError
from llama_cli.models.choice import RepoModel, choose_model, is_complete, list_models
from llama_cli.models.file import HubOrigin, ModelFile
from llama_cli.models.hub_cache import RepoCache, has_digest, list_commits
from llama_cli.models.listing import Listing, in_words
from llama_cli.models.names import HubName

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
        origin = HubOrigin(self.listing.repo, self.listing.commit, self.model.name)
        return ModelFile(self.paths[0], builtin=False, origin=origin)

    def state(self, name: HubName) -> None:
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
            in_words(self.model.size),
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
    with contextlib.suppress(LlamaCliError):  # no such file
        listing = cache.listing(commit)
        found = CachedModel(listing, choose_model(listing, name.file))
        return found if all(path.is_file() for path in found.paths) else None
    return None


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


def list_cached() -> list[CachedModel]:
    """Every model of which all files are in the cache, sorted by name; the newest commit first.

    Raises:
        OSError: the cache cannot be read.
    """
    found = []
    for repo, commit in list_commits():
        with contextlib.suppress(LlamaCliError):
            listing = RepoCache(repo).cached_listing(commit)
            models = (CachedModel(listing, model) for model in list_models(listing))
            found += [cached for cached in models if is_complete(cached.model)]
    return found
