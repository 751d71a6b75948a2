"""A model on disk, how it is known again, and how far it is tested."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from llama_cli.errors import ModelError
from llama_cli.models.builtin.file import DEFAULT_SHA256
from llama_cli.splits import model_parts
from llama_cli.storage.cache import cache_folder, load_json, store_json
from llama_cli.storage.download import file_sha256

_REMEMBERED = "sha256.json"

# Architectures of which tests compare real models with their originals.
_REAL = frozenset(["bert"])
# Those of which tests load tiny models with random weights: that tokens are framed, truncated and
# pooled as they should be is checked there, but no real model's vectors.
_TINY = frozenset(
    [
        "eurobert",
        "gemma-embedding",
        "gemma3",
        "jina-bert-v2",
        "jina-bert-v3",
        "lfm2",
        "llama",
        "llama-embed",
        "mistral3",
        "modern-bert",
        "neo-bert",
        "nomic-bert",
        "nomic-bert-moe",
        "qwen2",
        "qwen2vl",
        "qwen3",
        "qwen35",
        "t5encoder",
    ]
)


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model on disk.

    Attributes:
        path: the GGUF file; of a model in several parts, the first.
        builtin: whether it is the one inside the package.
        origin: where on the Hub it comes from, as ``hf:owner/name@commit/filename``, of a model in
            several parts with the first; empty for other files.
    """

    path: Path
    builtin: bool
    origin: str = ""

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


def remembered_sha256(path: Path) -> str:
    """Like `file_sha256`, but computed once for each path, size and modification time.

    Raises:
        OSError: the file cannot be read. A cache that cannot be used is no error.
    """
    return _load().get(_key(path)) or remember_sha256(path, file_sha256(path))


def remember_sha256(path: Path, digest: str) -> str:
    """Take note of a checksum, and return it.

    Raises:
        OSError: the file is not there. A cache that cannot be used is no error.
    """
    store_json(_REMEMBERED, _load() | {_key(path): digest})
    return digest


def _key(path: Path) -> str:
    status = path.stat()
    return f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}"


def _load() -> dict[str, str]:
    known = load_json(_REMEMBERED)
    if not isinstance(known, dict):
        return {}
    return {str(key): str(value) for key, value in known.items()}


def float_copies_folder() -> Path | None:
    """Where F32 copies of weights are stored, named by the sha256 of the original file."""
    folder = cache_folder()
    return folder / "f32" if folder else None


def describe_tests(sha256: str, architecture: str) -> str:
    """How far a model is tested."""
    if sha256 == DEFAULT_SHA256:
        return "yes: its vectors are checked against those of sentence-transformers"
    if architecture in _REAL:
        return (
            f"in part: other {architecture} models are compared with their originals, not this one"
        )
    if architecture in _TINY:
        return f"in part: tests cover the architecture {architecture} on tiny models, not this one"
    return f"no: no test covers the architecture {architecture}"
