"""A model of the Hugging Face Hub: from the cache where it is there, else downloaded to it."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from huggingface_hub import is_offline_mode

from llama_cli.errors import ModelError
from llama_cli.models.access import HubAccess, ProgressCallback
from llama_cli.models.cached import CachedModel, drop_damaged, find_cached
from llama_cli.models.choice import choose_model
from llama_cli.models.download import Download, check_room
from llama_cli.models.file import ModelFile
from llama_cli.models.hub_cache import RepoCache, has_digest, translated_errors
from llama_cli.models.hub_listing import ask_listing, ask_once, complete_model
from llama_cli.models.listing import recall_listing, remember_listing
from llama_cli.models.names import HubName
from llama_cli.models.nearest import nearest_cached


def resolve_on_hub(name: HubName, access: HubAccess) -> ModelFile:
    """The model that a name on the Hub means, on this disk.

    A commit that is in the cache is used without asking anybody. For a branch or a tag the Hub is
    asked what it is now; what the cache has of it is used where the Hub cannot be reached.

    Raises:
        ModelError: it cannot be had.
        UsageError: several of its files fit.
    """
    # What it warns of is said by ourselves, or no use to anybody.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    with translated_errors():
        found = _find(name, access)
    found.state(name)
    return found.file()


def _find(name: HubName, access: HubAccess) -> CachedModel:
    cached = find_cached(name)
    if cached is not None and drop_damaged(cached):
        cached = None
    if cached is not None and (is_offline_mode() or _is_certain(name, cached)):
        return cached
    if is_offline_mode():
        raise ModelError(
            f"{name} is not in the cache, and HF_HUB_OFFLINE forbids to download it",
            hint=nearest_cached(name),
        )
    if cached is None:
        listing = ask_listing(name, access)
    elif (current := ask_once(name)) is None:
        return cached
    else:
        listing = current
    model = complete_model(choose_model(listing, name.file), listing, name, access)
    wanted = CachedModel(listing, model)
    _download_missing(wanted, name, access)
    remember_listing(listing)
    RepoCache(name.repo).note_commit(name.revision, listing.commit)
    return wanted


def _is_certain(name: HubName, cached: CachedModel) -> bool:
    """Whether the Hub could say nothing else: what a commit has never changes."""
    exact = name.file == cached.model.name
    return name.pinned and (exact or recall_listing(name.repo, name.revision) is not None)


def _download_missing(wanted: CachedModel, name: HubName, access: HubAccess) -> None:
    """Download the files of a model that are not in the cache, or are damaged there."""
    cache = RepoCache(name.repo)
    files = wanted.model.files
    missing = [
        file
        for path, file in zip(wanted.paths, files, strict=True)
        if not path.is_file() or not has_digest(path, file.digest)
    ]
    if not missing:
        return
    check_room(cache, missing)
    done = wanted.model.size - sum(file.size for file in missing)
    for file in missing:
        follow = _Share(access.on_progress, done, wanted.model.size)
        Download(cache, wanted.listing.commit, file).run(name, access, follow)
        done += file.size


@dataclass(frozen=True, slots=True)
class _Share:
    """Follows one file of several."""

    on_progress: ProgressCallback
    before: int
    total: int

    def __call__(self, done: int, _size: int) -> None:
        self.on_progress(self.before + done, self.total)
