"""The Hugging Face Hub: what a repository holds at a commit, where that is, and what is refused.

The only module that knows its endpoint, token, headers and timeouts. huggingface_hub takes long to
load, and is imported when the Hub is asked.
"""

from __future__ import annotations

import contextlib
import glob
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from llama_cli.storage.glob import find_names, fixed_folder
from llama_cli.storage.retry import RefusedError, TransientError, may_pass
from llama_cli.storage.web import Server, WebFile, asked_pause, explain

if TYPE_CHECKING:
    import httpx2
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

COMMIT = re.compile(r"[0-9a-f]{40}")
# sha256, or git's own sha1 of a file that is not in large file storage.
DIGEST = re.compile(r"[0-9a-f]{64}|[0-9a-f]{40}")
MAIN = "main"
_SHA256_DIGITS = 64
_LIBRARY = "llama-cli-embed"


class Repo(NamedTuple):
    """A repository of the Hub.

    Attributes:
        name: ``owner/name``.
        kind: ``dataset``, ``model`` or ``space``.
        revision: a branch, tag or commit.
    """

    name: str
    kind: str = "model"
    revision: str = MAIN


class RepoFile(NamedTuple):
    """A file of a repository.

    Attributes:
        name: with its folders, which ``/`` separates.
        size: bytes.
        digest: sha256 of its content, or git's sha1 of it; empty where it is not known.
    """

    name: str
    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class Listing:
    """Files of a repository at one commit, which never change.

    Attributes:
        repo: ``owner/name``.
        commit: 40 hex digits.
        files: in order.
    """

    repo: str
    commit: str
    files: tuple[RepoFile, ...]

    def __post_init__(self) -> None:
        """Refuse what cannot become names and folders of a cache.

        Raises:
            RefusedError: the server means harm, or is broken.
        """
        if not COMMIT.fullmatch(self.commit):
            raise RefusedError("the server names no commit, so this is not a Hub")
        for file in self.files:
            if not _stays_inside(file.name):
                raise RefusedError(f"the server lists a file with the name {file.name!r}")
            if file.size < 0 or (file.digest and not DIGEST.fullmatch(file.digest)):
                raise RefusedError(f"the server's entry for {file.name} makes no sense")


def _stays_inside(name: str) -> bool:
    """Whether the name stays inside the folder that it is put into."""
    segments = name.split("/")
    return "\\" not in name and "\0" not in name and not {"", ".", ".."} & set(segments)


def is_sha256(digest: str) -> bool:
    """Whether a digest of a listing is a sha256, and not git's sha1."""
    return len(digest) == _SHA256_DIGITS


def is_offline() -> bool:
    """Whether the user forbids to ask the Hub."""
    from huggingface_hub import is_offline_mode

    return is_offline_mode()


def list_repo(repo: Repo, suffix: str) -> Listing:
    """The files of a model's repository with that ending, by one question to the Hub.

    Mirrors may say no more than their names; `complete` has the rest.

    Raises:
        TransientError: the Hub does not answer.
        RefusedError: there is no such repository, or it may not be read.
    """
    with _translated(repo):
        about = _api().model_info(
            repo.name,
            revision=repo.revision,
            files_metadata=True,
            timeout=_answer_timeout(),
        )
        files = [
            _file(entry.rfilename, entry)
            for entry in about.siblings or []
            if entry.rfilename.lower().endswith(suffix)
        ]
        ordered = sorted(files, key=lambda file: file.name)
        return Listing(repo.name, str(about.sha), tuple(ordered))


def complete(repo: Repo, commit: str, file: RepoFile) -> RepoFile:
    """A file with its size and digest, as the answer to a question for it alone has them.

    Raises:
        TransientError: the Hub does not answer.
        RefusedError: it does not tell them.
    """
    from huggingface_hub import get_hf_file_metadata

    url = _url(repo, commit, file.name)
    with _translated(repo):
        about = get_hf_file_metadata(url, timeout=_answer_timeout(), library_name=_LIBRARY)
    if about.etag is None or about.size is None:
        raise RefusedError(f"the server gives neither size nor digest of {file.name}")
    return RepoFile(file.name, about.size, about.etag)


def web_file(repo: Repo, commit: str, file: RepoFile, address: str | None = None) -> WebFile:
    """Where the content of a file is, under the address that users are told."""
    address = address or f"{repo.name}/{file.name}"
    return WebFile(
        name=address,
        address=address,
        file_name=address.rpartition("/")[2],
        size=file.size,
        version=file.digest,
        url=_url(repo, commit, file.name),
        sends_version=False,  # nor need it: a commit does not change
        server=_server(repo),
    )


# --- What an hf:// URL means --------------------------------------------------------------------


class RepoPath(NamedTuple):
    """What a URL names.

    Attributes:
        repo: the repository.
        root: what the URL begins with, up to the path.
        path: a file, folder or pattern in it.
    """

    repo: Repo
    root: str
    path: str


def expand_repo(url: str) -> list[WebFile]:
    """The files that a URL means: one, or those in a folder, or those that match.

    Raises:
        TransientError: the Hub does not answer.
        RefusedError: there are none, or they may not be read.
    """
    named = _parse(url)
    with _translated(named.repo):
        # Whatever is pushed meanwhile: all is read at this commit, where nothing changes.
        listing = _list_named(named, _commit_of(named.repo))
    return [_remote(named, listing.commit, file) for file in listing.files]


def find_in_repo(url: str) -> WebFile | None:
    """The file at a URL; None where the repository has none of that name.

    Raises:
        TransientError: the Hub does not answer.
        RefusedError: there is no such repository, or it may not be read.
    """
    named = _parse(url)
    with _translated(named.repo):
        commit = _commit_of(named.repo)
        entry = _entry(named, commit)
        if entry is None:
            return None
        if not _is_file(entry):
            raise RefusedError("is a folder", hint="name a file in it")
        return _remote(named, commit, _file(entry.path, entry))


def send_to_repo(file: Path, url: str) -> None:
    """Commit a file to a repository.

    Raises:
        TransientError: the Hub does not answer.
        RefusedError: it will not have it.
        OSError: the file cannot be read.
    """
    named = _parse(url)
    with _translated(named.repo):
        _api().upload_file(
            path_or_fileobj=file,
            path_in_repo=named.path,
            repo_id=named.repo.name,
            repo_type=named.repo.kind,
            revision=named.repo.revision,
            commit_message=f"Add {named.path}",
        )


def _parse(url: str) -> RepoPath:
    from huggingface_hub.utils import parse_hf_uri  # type: ignore[attr-defined]

    try:
        found = parse_hf_uri(url)
    except ValueError as error:
        raise _no_path() from error
    if found.is_bucket:
        raise RefusedError("is a bucket of the Hub, which cannot be read yet")
    path = found.path_in_repo.rstrip("/")
    root = url.rstrip("/").removesuffix(path).rstrip("/")
    return RepoPath(Repo(found.id, found.type, found.revision or MAIN), root, path)


def _no_path() -> RefusedError:
    return RefusedError("is no path on the Hub", hint="write hf://datasets/OWNER/NAME/PATH")


def _commit_of(repo: Repo) -> str:
    about = _api().repo_info(repo.name, revision=repo.revision, repo_type=repo.kind)
    return Listing(repo.name, str(about.sha), ()).commit


def _list_named(named: RepoPath, commit: str) -> Listing:
    path, repo = named.path, named.repo
    is_pattern = glob.has_magic(path)
    entry = _entry(named, commit) if path else None
    if entry is not None and _is_file(entry):
        return Listing(repo.name, commit, (_file(entry.path, entry),))
    if path and entry is None and not is_pattern:
        raise RefusedError("no such file", missing=True)
    folder = fixed_folder(path) if is_pattern else path
    tree = _api().list_repo_tree(
        repo.name, folder or None, recursive=True, revision=commit, repo_type=repo.kind
    )
    files = {entry.path: entry for entry in tree if _is_file(entry)}
    names = find_names(files, path, is_pattern=is_pattern)
    return Listing(repo.name, commit, tuple(_file(name, files[name]) for name in names))


def _entry(named: RepoPath, commit: str) -> Any:
    """The file or folder of that name; None where there is none, or it is a pattern."""
    found = _api().get_paths_info(
        named.repo.name, named.path, revision=commit, repo_type=named.repo.kind
    )
    return found[0] if found else None


def _is_file(entry: Any) -> bool:
    return hasattr(entry, "blob_id")  # a folder has a tree_id


def _file(name: str, entry: Any) -> RepoFile:
    """A file from the Hub's entry for it, of which mirrors may leave out all but the name."""
    digest = entry.lfs.sha256 if entry.lfs else entry.blob_id
    size = entry.lfs.size if entry.lfs else entry.size
    known = digest is not None and size is not None
    return RepoFile(name, size or 0, str(digest) if known else "")


def _remote(named: RepoPath, commit: str, file: RepoFile) -> WebFile:
    return web_file(named.repo, commit, file, f"{named.root}/{file.name}")


# --- How the Hub is asked, and what its answers mean --------------------------------------------


def _api() -> HfApi:
    from huggingface_hub import HfApi, constants

    return HfApi(endpoint=constants.ENDPOINT, library_name=_LIBRARY)


def _answer_timeout() -> float:
    from huggingface_hub import constants

    return constants.HF_HUB_ETAG_TIMEOUT


def _url(repo: Repo, commit: str, name: str) -> str:
    from huggingface_hub import hf_hub_url

    return hf_hub_url(repo.name, name, repo_type=repo.kind, revision=commit)


def _server(repo: Repo) -> Server:
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        build_hf_headers,
        hf_raise_for_status,
    )

    def refuse(answer: httpx2.Response) -> None:
        with _translated(repo):
            try:
                hf_raise_for_status(answer)
            except (AttributeError, TypeError, KeyError) as error:  # the body is not the Hub's JSON
                raise HfHubHTTPError("the answer is not the Hub's", response=answer) from error

    headers = build_hf_headers(library_name=_LIBRARY)
    return Server("the Hub", headers, constants.HF_HUB_DOWNLOAD_TIMEOUT, refuse)


@contextlib.contextmanager
def _translated(repo: Repo) -> Iterator[None]:
    """Errors of huggingface_hub, and of what it asks with, as ours."""
    import httpx2
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    # What it warns of is said by ourselves, or no use to anybody.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    try:
        yield
    except HfHubHTTPError as error:
        raise _explain(repo, error) from error
    except OfflineModeIsEnabled as error:
        raise RefusedError("HF_HUB_OFFLINE forbids to read from the Hub") from error
    except httpx2.HTTPError as error:
        raise explain(error, "the Hub") from error
    except HFValidationError as error:
        raise _no_path() from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise RefusedError(
            f"{constants.ENDPOINT} does not answer as the Hugging Face Hub does",
            hint="check HF_ENDPOINT; a login page or a proxy may stand in the way",
        ) from error


def _explain(repo: Repo, error: HfHubHTTPError) -> TransientError | RefusedError:
    from huggingface_hub import constants
    from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, RevisionNotFoundError

    status = error.response.status_code
    said = f"HTTP {status} {error.server_message or error.response.reason_phrase}"
    if may_pass(status):
        return TransientError(said, wait=asked_pause(error.response))
    page = f"{constants.ENDPOINT}/{constants.REPO_TYPES_URL_PREFIXES.get(repo.kind, '')}{repo.name}"
    table: list[tuple[bool, RefusedError]] = [
        (
            isinstance(error, GatedRepoError),
            RefusedError(
                f"is gated: its owner wants its terms accepted (HTTP {status})",
                hint=f"accept them at {page} and set HF_TOKEN to a token of that account",
            ),
        ),
        (
            isinstance(error, RevisionNotFoundError),
            RefusedError(f"the repository has no revision {repo.revision} (HTTP {status})"),
        ),
        (isinstance(error, EntryNotFoundError), RefusedError("the Hub has no such file")),
        (
            status == HTTPStatus.UNAUTHORIZED,
            RefusedError(
                "is not on the Hub, or not for everybody (HTTP 401)",
                hint="check the name; if it is private or gated, set HF_TOKEN to a valid token, or "
                "log in with hf auth login",
                missing=True,
            ),
        ),
        (
            status == HTTPStatus.NOT_FOUND,
            RefusedError(
                "is not on the Hub (HTTP 404)",
                hint="check the name; if it is private, set HF_TOKEN to a token that may read it",
                missing=True,
            ),
        ),
        (
            status == HTTPStatus.FORBIDDEN,
            RefusedError(f"the Hub refuses: {said}", hint="check HF_TOKEN and what it may read"),
        ),
    ]
    refused = RefusedError(f"the Hub refuses: {said}")
    return next((refusal for applies, refusal in table if applies), refused)
