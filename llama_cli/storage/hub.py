"""Files of datasets, models and spaces on the Hugging Face Hub."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

import httpx2
from huggingface_hub import HfApi, hf_hub_url
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import build_hf_headers, parse_hf_uri  # type: ignore[attr-defined]

from llama_cli.storage.glob import fixed_folder, has_pattern, in_folder, matching
from llama_cli.storage.retry import RefusedError, TransientError
from llama_cli.storage.web import RangedParts, WebFile

_LOGIN = "set HF_TOKEN to a token that may read it, or log in with hf auth login"


class RepoPath(NamedTuple):
    """A place in a repository.

    Attributes:
        prefix: what the URL begins with, up to the path.
        kind: ``dataset``, ``model`` or ``space``.
        repo: its name, with its owner's.
        revision: what the user named, or None.
        path: the file, folder or pattern in it.
    """

    prefix: str
    kind: str
    repo: str
    revision: str | None
    path: str


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository, at one commit.

    Attributes:
        address: its URL.
        web: where its content is.
        version: the digest that the repository knows it by.
    """

    address: str
    web: WebFile
    version: str
    has_ranges: bool = True

    @property
    def size(self) -> int | None:
        """Bytes."""
        return self.web.size

    @property
    def file_name(self) -> str:
        """Its name without a folder."""
        return self.address.rpartition("/")[2]

    def open(self) -> RangedParts:
        """Make ready for reading it once."""
        return RangedParts(self.web)


def expand_repo(url: str) -> list[HubFile]:
    """The files that a URL means: one, or those in a folder, or those that match.

    Raises:
        TransientError: the Hub does not answer.
        RefusedError: there are none, or they may not be read.
    """
    place = parse(url)
    api = HfApi(library_name="llama-cli-embed")
    with translated():
        about = api.repo_info(place.repo, revision=place.revision, repo_type=place.kind)
        if about.sha is None:
            raise TransientError("the Hub does not say of which commit this is")
        # Whatever is pushed meanwhile: all is read at this commit, where nothing changes.
        files = _find(api, place, about.sha)
    return [_hub_file(place, about.sha, file) for file in files]


def find_in_repo(url: str) -> HubFile | None:
    """The file at a URL; None where the repository has none of that name.

    Raises:
        TransientError: the Hub does not answer.
        RefusedError: there is no such repository, or it may not be read.
    """
    place = parse(url)
    api = HfApi(library_name="llama-cli-embed")
    with translated():
        about = api.repo_info(place.repo, revision=place.revision, repo_type=place.kind)
        commit = about.sha or place.revision or "main"
        found = api.get_paths_info(place.repo, place.path, revision=commit, repo_type=place.kind)
    if not found:
        return None
    if not isinstance(found[0], RepoFile):
        raise RefusedError("is a folder", hint="name a file in it")
    return _hub_file(place, commit, found[0])


def send_to_repo(file: Path, url: str) -> None:
    """Commit a file to a repository.

    Raises:
        TransientError: the Hub does not answer.
        RefusedError: it will not have it.
        OSError: the file cannot be read.
    """
    place = parse(url)
    with translated():
        HfApi(library_name="llama-cli-embed").upload_file(
            path_or_fileobj=file,
            path_in_repo=place.path,
            repo_id=place.repo,
            repo_type=place.kind,
            revision=place.revision,
            commit_message=f"Add {place.path}",
        )


def parse(url: str) -> RepoPath:
    """Take a URL apart.

    Raises:
        RefusedError: it is not one of a repository.
    """
    try:
        found = parse_hf_uri(url)
    except (HFValidationError, ValueError) as error:
        raise RefusedError(
            "is no place on the Hub", hint="write hf://datasets/OWNER/NAME/PATH"
        ) from error
    if found.is_bucket:
        raise RefusedError("is a bucket of the Hub, which cannot be read yet")
    path = found.path_in_repo.rstrip("/")
    prefix = url.rstrip("/").removesuffix(path).rstrip("/")
    return RepoPath(prefix, found.type, found.id, found.revision, path)


def _find(api: HfApi, place: RepoPath, commit: str) -> list[RepoFile]:
    if place.path and (file := _one_file(api, place, commit)):
        return [file]
    is_pattern = has_pattern(place.path)
    folder = fixed_folder(place.path) if is_pattern else place.path
    tree = api.list_repo_tree(
        place.repo, folder or None, recursive=True, revision=commit, repo_type=place.kind
    )
    files = {entry.path: entry for entry in tree if isinstance(entry, RepoFile)}
    names = matching(files, place.path) if is_pattern else in_folder(files, place.path)
    if not names:
        reason = "no file matches" if is_pattern else "there is no file in this folder"
        raise RefusedError(reason, missing=True)
    return [files[name] for name in names]


def _one_file(api: HfApi, place: RepoPath, commit: str) -> RepoFile | None:
    """The file of that name; None where it is a folder's, or a pattern."""
    found = api.get_paths_info(place.repo, place.path, revision=commit, repo_type=place.kind)
    if found and isinstance(found[0], RepoFile):
        return found[0]
    if not found and not has_pattern(place.path):
        raise RefusedError("no such file", missing=True)
    return None


def _hub_file(place: RepoPath, commit: str, file: RepoFile) -> HubFile:
    url = hf_hub_url(place.repo, file.path, repo_type=place.kind, revision=commit)
    version = file.lfs.sha256 if file.lfs else file.blob_id
    address = f"{place.prefix}/{file.path}"
    web = WebFile(
        url,
        address,
        file.size,
        version,
        has_ranges=True,
        headers=build_hf_headers(library_name="llama-cli-embed"),
        sends_version=False,  # nor need it: a commit does not change
    )
    return HubFile(address, web, version)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Errors of the Hub as ours."""
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    try:
        yield
    except OfflineModeIsEnabled as error:
        raise RefusedError("HF_HUB_OFFLINE forbids to read from the Hub") from error
    except GatedRepoError as error:
        raise RefusedError("its owner wants its terms accepted", hint=_LOGIN) from error
    except RevisionNotFoundError as error:
        raise RefusedError("the repository has no such revision", missing=True) from error
    except RepositoryNotFoundError as error:
        raise RefusedError(
            "there is no such repository, or it is private", hint=_LOGIN, missing=True
        ) from error
    except EntryNotFoundError as error:
        raise RefusedError("no such file", missing=True) from error
    except HfHubHTTPError as error:
        raise _explain(error) from error
    except httpx2.TransportError as error:
        raise TransientError("the Hub does not answer") from error
    except (ValueError, TypeError, KeyError) as error:  # a page that some proxy made, perhaps
        raise TransientError("the Hub's answer cannot be understood") from error


def _explain(error: HfHubHTTPError) -> TransientError | RefusedError:
    status = error.response.status_code
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return TransientError(f"HTTP {status}")
    denied = status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
    return RefusedError(f"HTTP {status}", hint=_LOGIN if denied else None)
