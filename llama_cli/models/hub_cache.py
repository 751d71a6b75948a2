"""The Hub's own cache on this disk, in the layout that its documentation describes.

models--owner--name/
    refs/main                       the commit that a branch or tag had when it was last asked
    blobs/<digest>                  a file's content; <digest>.incomplete while it is downloaded
    snapshots/<commit>/<file>       a link to its blob

Beside it, in this tool's own cache folder, the listing of each commit that was seen.
huggingface_hub takes long to load, and is imported when the cache is used.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from llama_cli.errors import ModelError
from llama_cli.models.file import remembered_sha256
from llama_cli.models.names import HubName
from llama_cli.storage.cache import load_json, store_json
from llama_cli.storage.download import file_git_sha1
from llama_cli.storage.hub import COMMIT, DIGEST, Listing, RepoFile, is_sha256
from llama_cli.storage.retry import RefusedError

log = logging.getLogger(__name__)


class RepoCache:
    """What the cache has of one repository."""

    def __init__(self, repo: str) -> None:
        self.repo = repo
        root, folder = _root(), f"models--{repo.replace('/', '--')}"
        self.folder = root / folder
        self.snapshots = self.folder / "snapshots"
        self.locks = root / ".locks" / folder

    def commit_of(self, name: HubName) -> str | None:
        """The commit that a name means, as far as the cache knows."""
        if name.pinned:
            return name.revision
        with contextlib.suppress(OSError, UnicodeDecodeError):
            commit = (self.folder / "refs" / name.revision).read_text("ascii").strip()
            return commit if COMMIT.fullmatch(commit) else None
        return None

    def file(self, commit: str, name: str) -> Path:
        """Where a file of a commit is, or would be."""
        return self.snapshots / commit / name

    def blob(self, digest: str) -> Path:
        """Where the content with that digest is, or would be."""
        return self.folder / "blobs" / digest

    def incomplete(self, digest: str) -> Path:
        """Where it is while it is downloaded."""
        return self.folder / "blobs" / f"{digest}.incomplete"

    @contextlib.contextmanager
    def locked(self, file: RepoFile) -> Iterator[None]:
        """Hold the lock that the Hub's own programs hold while they download a file.

        Raises:
            OSError: the lock cannot be written.
        """
        from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]

        self.locks.mkdir(parents=True, exist_ok=True)
        lock = self.locks / f"{file.digest}.lock"
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(WeakFileLock(lock, timeout=1))
            except TimeoutError:
                log.info("another process is downloading %s; waiting for it", file.name)
                stack.enter_context(WeakFileLock(lock))
            yield

    def listing(self, commit: str) -> Listing:
        """The repository's files at a commit: all that were seen there, else those cached."""
        return recall_listing(self.repo, commit) or self.cached_listing(commit)

    def cached_listing(self, commit: str) -> Listing:
        """The files of a commit that are in the cache."""
        folder = self.file(commit, "")
        found = (path for path in folder.rglob("*") if path.suffix.lower() == ".gguf")
        files = [_cached_file(path, folder) for path in found if path.is_file()]
        return Listing(self.repo, commit, tuple(sorted(files, key=lambda file: file.name)))

    def link(self, commit: str, name: str, digest: str) -> None:
        """Let a file of a commit have that content, which is among the blobs.

        Raises:
            OSError: the system refused.
        """
        from huggingface_hub.file_download import are_symlinks_supported

        target, blob = self.file(commit, name), self.blob(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        if not are_symlinks_supported(_root()):
            blob.replace(target)
            return
        unfinished = target.with_name(f".{digest}.{os.getpid()}")
        unfinished.symlink_to(os.path.relpath(blob, target.parent))
        unfinished.replace(target)

    def note_commit(self, revision: str, commit: str) -> None:
        """Take note of what a branch or tag is now; a cache that is read-only is no error."""
        ref = self.folder / "refs" / revision
        if revision == commit:
            return
        with contextlib.suppress(OSError):
            ref.parent.mkdir(parents=True, exist_ok=True)
            unfinished = ref.with_name(f".{ref.name}.{os.getpid()}")
            unfinished.write_text(commit, "ascii")
            unfinished.replace(ref)


def list_commits() -> list[tuple[str, str]]:
    """The repositories of models in the cache with their commits there, the newest first.

    Raises:
        OSError: the cache cannot be read.
    """
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repos = scan_cache_dir(_root()).repos
    except (CacheNotFound, ValueError):  # the latter where it is no folder
        return []
    found = []
    for repo in sorted(repos, key=lambda repo: repo.repo_id.lower()):
        if repo.repo_type == "model":
            newest = sorted(repo.revisions, key=lambda commit: commit.last_modified, reverse=True)
            found += [(repo.repo_id, revision.commit_hash) for revision in newest]
    return found


def remember_listing(listing: Listing) -> None:
    """Keep it for runs without a network; a cache that cannot be written is no error."""
    entries = [file._asdict() for file in listing.files]
    store_json(_listing_name(listing.repo, listing.commit), entries)


def recall_listing(repo: str, commit: str) -> Listing | None:
    """The listing of that commit, if it was seen before."""
    entries = load_json(_listing_name(repo, commit))
    with contextlib.suppress(TypeError, AttributeError, RefusedError):  # None, or not a listing
        return Listing(repo, commit, tuple(RepoFile(**entry) for entry in entries))
    return None


def has_digest(path: Path, digest: str) -> bool:
    """Whether a file's content is what its digest says; an unknown digest fits all.

    Raises:
        OSError: it cannot be read.
    """
    if is_sha256(digest):
        return remembered_sha256(path) == digest
    return not digest or file_git_sha1(path) == digest


@contextlib.contextmanager
def translated_errors() -> Iterator[None]:
    """Turn what the system says of the cache into an error for the user."""
    try:
        yield
    except OSError as error:
        raise ModelError(
            f"{error.filename or _root()}: {error.strerror or error}",
            hint="that is in the cache for models of the Hub; HF_HOME can name another folder",
        ) from error


def _root() -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def _listing_name(repo: str, commit: str) -> str:
    return f"hub/{repo.replace('/', '--')}/{commit}.json"


def _cached_file(path: Path, folder: Path) -> RepoFile:
    target = path.readlink() if path.is_symlink() else Path()
    known = target.parent.name == "blobs" and DIGEST.fullmatch(target.name)
    name = path.relative_to(folder).as_posix()
    return RepoFile(name, path.stat().st_size, target.name if known else "")
