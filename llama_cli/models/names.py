"""How a model on the Hugging Face Hub is named on the command line."""

from __future__ import annotations

import re
from dataclasses import dataclass

from llama_cli.errors import UsageError
from llama_cli.storage.hub import COMMIT, MAIN

PREFIX = "hf:"
BUILTIN = "builtin"

# One segment of a repository's name, as the Hub allows it.
_SEGMENT = r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?"
_NAME = re.compile(
    rf"(?P<repo>{_SEGMENT}/{_SEGMENT})(?:@(?P<revision>[^:@]+))?(?::(?P<file>.+))?", re.DOTALL
)
# As the footer of an output names its model: what was read there can be given back.
_PINNED_FILE = re.compile(r"([0-9a-f]{40})/(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class HubName:
    """A model on the Hub, as the user named it.

    Attributes:
        repo: ``owner/name``.
        revision: a branch, tag or commit.
        file: a file in the repository or a type of weights such as ``Q8_0``; None to choose.
        forced: whether the name had ``hf:`` before it.
    """

    repo: str
    revision: str = MAIN
    file: str | None = None
    forced: bool = False

    @property
    def pinned(self) -> bool:
        """Whether it names a commit, which never changes."""
        return COMMIT.fullmatch(self.revision) is not None

    def __str__(self) -> str:
        revision = "" if self.revision == MAIN else f"@{self.revision}"
        return f"{self.repo}{revision}" + (f":{self.file}" if self.file else "")


def parse_hub_name(text: str) -> HubName | None:
    """Read ``[hf:]owner/name[@revision][:file]``; None where it cannot be a name on the Hub.

    Raises:
        UsageError: it begins with ``hf:`` and is something else.
    """
    forced = text.startswith(PREFIX)
    match = _NAME.fullmatch(text.removeprefix(PREFIX))
    if match is None or not _is_allowed(match["repo"], match["revision"]):
        if forced:
            raise UsageError(
                f"{text}: is not the name of a model on the Hugging Face Hub",
                hint="write hf:owner/repo, hf:owner/repo:FILE or hf:owner/repo@REVISION:FILE",
            )
        return None
    repo, revision, file = match["repo"], match["revision"], match["file"]
    if not forced and file is None and repo.lower().endswith(".gguf"):
        return None  # a file in a folder, by the looks of it
    pinned = _PINNED_FILE.fullmatch(revision or "")
    if pinned is not None and file is None:
        revision, file = pinned.groups()
    return HubName(repo, revision or MAIN, file, forced)


def _is_allowed(repo: str, revision: str | None) -> bool:
    """Whether these can be parts of a path in the cache; the Hub has the same rules."""
    segments = (revision or MAIN).split("/")
    strange = any(part in ("", ".", "..") or not part.isprintable() for part in segments)
    return "--" not in repo and ".." not in repo and not strange
