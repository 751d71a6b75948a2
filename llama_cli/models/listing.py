"""The files of a repository at one commit, remembered because they never change."""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from llama_cli.errors import ModelError
from llama_cli.models.fingerprint import replace_file
from llama_cli.models.names import COMMIT
from llama_cli.storage.cache import cache_folder

# What a blob is named by: sha256, or git's own sha1 for a file that is not in large file storage.
DIGEST = re.compile(r"[0-9a-f]{64}|[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class RepoFile:
    """One GGUF file of a repository.

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
    """The GGUF files of a repository.

    Attributes:
        repo: ``owner/name``.
        commit: 40 hex digits.
        files: sorted by name.
    """

    repo: str
    commit: str
    files: tuple[RepoFile, ...]

    def __post_init__(self) -> None:
        """Refuse what cannot become names and folders of the cache.

        Raises:
            ModelError: whoever made the list means harm, or is broken.
        """
        if not COMMIT.fullmatch(self.commit):
            raise ModelError(f"{self.repo}: the server names no commit, so this is not a Hub")
        for file in self.files:
            if not _is_safe(file.name):
                raise ModelError(
                    f"{self.repo}: the server lists a file with the name {file.name!r}"
                )
            if file.size < 0 or (file.digest and not DIGEST.fullmatch(file.digest)):
                raise ModelError(f"{self.repo}: the server's entry for {file.name} makes no sense")


def _is_safe(name: str) -> bool:
    """Whether the name stays inside the folder that it is put into."""
    segments = name.split("/")
    return "\\" not in name and "\0" not in name and not {"", ".", ".."} & set(segments)


def remember_listing(listing: Listing) -> None:
    """Keep it for runs without a network; a cache that cannot be written is no error."""
    path = _path(listing.repo, listing.commit)
    if path is not None:
        replace_file(path, json.dumps([asdict(file) for file in listing.files]))


def recall_listing(repo: str, commit: str) -> Listing | None:
    """The listing of that commit, if it was seen before."""
    path = _path(repo, commit)
    if path is None:
        return None
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError, ModelError):
        entries = json.loads(path.read_text("utf-8"))
        return Listing(repo, commit, tuple(RepoFile(**entry) for entry in entries))
    return None


def in_words(size: int) -> str:
    """A size, roughly."""
    amount = float(size)
    for unit in ("B", "kB", "MB"):
        if amount < 999.5:  # noqa: PLR2004 - would be shown as the next unit
            return f"{amount:.0f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def _path(repo: str, commit: str) -> Path | None:
    folder = cache_folder()
    return folder / "hub" / repo.replace("/", "--") / f"{commit}.json" if folder else None
