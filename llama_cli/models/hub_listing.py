"""Asking the Hub what a repository holds now."""

from __future__ import annotations

import dataclasses
import logging
from functools import partial

from huggingface_hub import HfApi, ModelInfo, constants, get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import HfHubHTTPError

from llama_cli.errors import ModelError
from llama_cli.models.access import HubAccess
from llama_cli.models.choice import RepoModel
from llama_cli.models.hub_errors import NetworkError, describe, may_pass, persist, refusal
from llama_cli.models.listing import Listing, RepoFile
from llama_cli.models.names import HubName

log = logging.getLogger(__name__)

LIBRARY = "llama-cli-embed"


def ask_listing(name: HubName, access: HubAccess) -> Listing:
    """The repository's GGUF files, at the commit that its branch or tag has now.

    Raises:
        ModelError: the Hub refuses, or cannot be reached.
    """
    return persist(lambda: _ask(name), name, access)


def ask_once(name: HubName) -> Listing | None:
    """The same where there is a copy to fall back on: None where the Hub cannot be reached.

    Raises:
        ModelError: the Hub refuses.
    """
    try:
        return _ask(name)
    except NetworkError as error:
        if may_pass(error):
            log.info("%s: %s; using the copy in the cache", name.repo, describe(error))
            return None
        refused = refusal(name, error)
        offline = "HF_HUB_OFFLINE=1 uses the copy in the cache"
        refused.hint = f"{refused.hint}; {offline}" if refused.hint else offline
        raise refused from error


def complete_model(
    model: RepoModel, listing: Listing, name: HubName, access: HubAccess
) -> RepoModel:
    """The model with the size and digest of each file, asked for where the listing has none.

    Raises:
        ModelError: the Hub does not tell them.
    """
    files = [
        file if file.digest else persist(partial(_ask_file, listing, file), name, access)
        for file in model.files
    ]
    Listing(listing.repo, listing.commit, tuple(files))  # refuses what makes no sense
    return RepoModel(tuple(files))


def _ask(name: HubName) -> Listing:
    api = HfApi(endpoint=constants.ENDPOINT, library_name=LIBRARY)
    try:
        info = api.model_info(
            name.repo,
            revision=name.revision,
            files_metadata=True,
            timeout=constants.HF_HUB_ETAG_TIMEOUT,
        )
        return _read(name.repo, info)
    except HfHubHTTPError:  # some of them are ValueErrors
        raise
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{name.repo}: {constants.ENDPOINT} does not answer as the Hugging Face Hub does",
            hint="check HF_ENDPOINT; a login page or a proxy may stand in the way",
        ) from error


def _read(repo: str, info: ModelInfo) -> Listing:
    files = []
    for entry in info.siblings or []:
        if entry.rfilename.lower().endswith(".gguf"):
            digest = entry.lfs.sha256 if entry.lfs else entry.blob_id
            size = entry.lfs.size if entry.lfs else entry.size
            known = digest is not None and size is not None
            files.append(RepoFile(entry.rfilename, size or 0, str(digest) if known else ""))
    return Listing(repo, str(info.sha), tuple(sorted(files, key=lambda file: file.name)))


def _ask_file(listing: Listing, file: RepoFile) -> RepoFile:
    """The file as the answer to a question for it alone describes it; mirrors may list no more."""
    url = hf_hub_url(listing.repo, file.name, revision=listing.commit)
    about = get_hf_file_metadata(url, timeout=constants.HF_HUB_ETAG_TIMEOUT, library_name=LIBRARY)
    if about.etag is None or about.size is None:
        raise ModelError(f"{listing.repo}: the server gives neither size nor digest of {file.name}")
    return dataclasses.replace(file, size=about.size, digest=about.etag)
