"""A model on disk, and how it is known again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from llama_cli.errors import ModelError
from llama_cli.models.builtin.file import DEFAULT_SHA256
from llama_cli.models.fingerprint import file_sha256, remembered_sha256
from llama_cli.splits import model_parts


@dataclass(frozen=True, slots=True)
class HubOrigin:
    """Where a model of the Hugging Face Hub comes from.

    Attributes:
        repo: ``owner/name``.
        commit: of the repository, 40 hex digits.
        filename: in the repository; of a model in several parts, the first.
    """

    repo: str
    commit: str
    filename: str

    def __str__(self) -> str:
        return f"hf:{self.repo}@{self.commit}/{self.filename}"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model on disk.

    Attributes:
        path: the GGUF file; of a model in several parts, the first.
        builtin: whether it is the one inside the package.
        origin: where on the Hub it comes from; None for other files.
    """

    path: Path
    builtin: bool
    origin: HubOrigin | None = None

    @property
    def parts(self) -> list[Path]:
        """All its files, in order."""
        return model_parts(self.path)

    def sha256(self) -> str:
        """The file's checksum; the built-in file's is verified against the published one.

        Of a model in several parts, it is the sha256 of the parts' own, 32 bytes each, in order.

        Raises:
            ModelError: a file cannot be read, or the built-in one was altered.
        """
        digests = [self._digest_of(part) for part in self.parts]
        if len(digests) > 1:
            return hashlib.sha256(bytes.fromhex("".join(digests))).hexdigest()
        if self.builtin and digests[0] != DEFAULT_SHA256:
            raise ModelError(
                f"{self.path}: the built-in model is damaged (sha256 {digests[0][:12]}…)",
                hint="install the package again, or name another with `model`",
            )
        return digests[0]

    def _digest_of(self, part: Path) -> str:
        try:
            return file_sha256(part) if self.builtin else remembered_sha256(part)
        except OSError as error:
            raise ModelError(f"{part}: cannot read: {error.strerror}") from error
