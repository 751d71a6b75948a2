"""A model of the Hugging Face Hub: from the cache where it is there, else downloaded to it."""

from __future__ import annotations

import functools
import logging
import shutil
from collections.abc import Sequence

from llama_cli.errors import ModelError
from llama_cli.models.cached import CachedModel, drop_damaged, find_cached, nearest_cached
from llama_cli.models.choice import RepoModel, choose_model
from llama_cli.models.file import ModelFile, remember_sha256
from llama_cli.models.hub_cache import (
    RepoCache,
    has_digest,
    recall_listing,
    remember_listing,
    translated_errors,
)
from llama_cli.models.names import HubName
from llama_cli.storage.download import ProgressCallback, download, rough_size
from llama_cli.storage.hub import (
    Listing,
    Repo,
    RepoFile,
    complete,
    is_offline,
    is_sha256,
    list_repo,
    web_file,
)
from llama_cli.storage.retry import RefusedError, TransientError, with_retries

log = logging.getLogger(__name__)


def resolve_on_hub(name: HubName, on_progress: ProgressCallback) -> ModelFile:
    """The model that a name on the Hub means, on this disk.

    A commit that is in the cache is used without asking anybody. For a branch or a tag the Hub is
    asked what it is now; what the cache has of it is used where the Hub cannot be reached.

    Raises:
        ModelError: it cannot be had.
        UsageError: several of its files fit.
    """
    with translated_errors():
        found = _find(name, on_progress)
    found.log_choice(name)
    return found.file()


def _find(name: HubName, on_progress: ProgressCallback) -> CachedModel:
    cached = find_cached(name)
    if cached is not None and drop_damaged(cached):
        cached = None
    if cached is not None and (is_offline() or _is_certain(name, cached)):
        return cached
    if is_offline():
        raise ModelError(
            f"{name} is not in the cache, and HF_HUB_OFFLINE forbids to download it",
            hint=nearest_cached(name),
        )
    no_file = "" if name.forced else f", and there is no such local file as {name}"
    try:
        return _follow(name, cached, on_progress)
    except RefusedError as error:
        words = f"{name.repo}: {error}{no_file if error.missing else ''}"
        raise ModelError(words, hint=error.hint) from error
    except TransientError as error:
        raise ModelError(
            f"{name.repo}: {error}{no_file}",
            hint="try again later; what has been downloaded is kept",
        ) from error


def _is_certain(name: HubName, cached: CachedModel) -> bool:
    """Whether the Hub could say nothing else: what a commit has never changes."""
    exact = name.file == cached.model.name
    return name.pinned and (exact or recall_listing(name.repo, name.revision) is not None)


def _follow(
    name: HubName, cached: CachedModel | None, on_progress: ProgressCallback
) -> CachedModel:
    """The model as it is on the Hub now, with all its files downloaded."""
    repo = Repo(name.repo, revision=name.revision)
    if cached is None:
        listing = with_retries(lambda: list_repo(repo, ".gguf"), name.repo)
    else:
        try:
            listing = list_repo(repo, ".gguf")
        except TransientError as error:
            log.info("%s: %s; using the copy in the cache", name.repo, error)
            return cached
        except RefusedError as error:
            offline = "HF_HUB_OFFLINE=1 uses the copy in the cache"
            error.hint = f"{error.hint}; {offline}" if error.hint else offline
            raise
    model = _complete(repo, listing, choose_model(listing, name.file))
    wanted = CachedModel(listing, model)
    _download_missing(repo, wanted, on_progress)
    remember_listing(listing)
    RepoCache(name.repo).note_commit(name.revision, listing.commit)
    return wanted


def _complete(repo: Repo, listing: Listing, model: RepoModel) -> RepoModel:
    """The model with the size and digest of each file, asked for where the listing has none."""
    files = [
        file
        if file.digest
        else with_retries(functools.partial(complete, repo, listing.commit, file), repo.name)
        for file in model.files
    ]
    return RepoModel(Listing(listing.repo, listing.commit, tuple(files)).files)  # checks them


def _download_missing(repo: Repo, wanted: CachedModel, on_progress: ProgressCallback) -> None:
    """Download the files of a model that are not in the cache, or are damaged there."""
    cache = RepoCache(repo.name)
    missing = [
        file
        for path, file in zip(wanted.paths, wanted.model.files, strict=True)
        if not path.is_file() or not has_digest(path, file.digest)
    ]
    if not missing:
        return
    _check_room(cache, missing)
    done = wanted.model.size - sum(file.size for file in missing)
    for file in missing:
        follow = _add_to(on_progress, done, wanted.model.size)
        _download(cache, repo, wanted.listing.commit, file, follow)
        done += file.size


def _add_to(on_progress: ProgressCallback, before: int, total: int) -> ProgressCallback:
    """Follow one file of several, before which so many bytes are there already."""
    return lambda done, _: on_progress(before + done, total)


def _download(
    cache: RepoCache, repo: Repo, commit: str, file: RepoFile, on_progress: ProgressCallback
) -> None:
    """Download a file, check it, and only then give it its name in the cache."""
    blob = cache.blob(file.digest)
    with cache.locked(file):
        # Another process may have been faster.
        if not (blob.is_file() and has_digest(blob, file.digest)):
            incomplete = cache.incomplete(file.digest)
            download(file, web_file(repo, commit, file), incomplete, on_progress)
            incomplete.replace(blob)
            if is_sha256(file.digest):
                remember_sha256(blob, file.digest)
        cache.link(commit, file.name, file.digest)


def _check_room(cache: RepoCache, files: Sequence[RepoFile]) -> None:
    """Refuse downloads for which the disk has no room."""
    folder = cache.folder / "blobs"
    folder.mkdir(parents=True, exist_ok=True)
    begun = [cache.incomplete(file.digest) for file in files]
    there = sum(path.stat().st_size for path in begun if path.exists())
    size = sum(file.size for file in files) - there
    free = shutil.disk_usage(folder).free
    if free < size:
        raise ModelError(
            f"{folder}: {rough_size(size)} are to be downloaded, and {rough_size(free)} are free",
            hint="free some room, or keep the cache on another disk with HF_HOME",
        )
