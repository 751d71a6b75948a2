"""What ``--model`` names: the built-in model, a GGUF file, or a folder of them."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from llama_cli.errors import ModelError, UsageError
from llama_cli.models.default import DEFAULT_MODEL, DEFAULT_SHA256
from llama_cli.models.fingerprint import file_sha256, remembered_sha256


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model file on disk.

    Attributes:
        path: the GGUF file.
        builtin: whether it is the one inside the package.
    """

    path: Path
    builtin: bool

    def sha256(self) -> str:
        """The file's checksum; the built-in file's is verified against the published one.

        Raises:
            ModelError: the file cannot be read, or the built-in one was altered.
        """
        try:
            digest = file_sha256(self.path) if self.builtin else remembered_sha256(self.path)
        except OSError as error:
            raise ModelError(f"{self.path}: cannot read: {error.strerror}") from error
        if self.builtin and digest != DEFAULT_SHA256:
            raise ModelError(
                f"{self.path}: the built-in model is damaged (sha256 {digest[:12]}…)",
                hint="install the package again, or name another model with --model",
            )
        return digest


def resolve_model(model: str | None, filename: str | None) -> ModelFile:
    """Find the model file.

    Args:
        model: a file or a folder; None for the built-in model.
        filename: the file to take in a folder.

    Raises:
        ModelError: it is not there or not a file.
        UsageError: ``filename`` was given without a folder, or is missing where it is needed.
    """
    if model is None:
        if filename is not None:
            raise UsageError("--filename chooses a file in a folder: name that with --model")
        return ModelFile(DEFAULT_MODEL, builtin=True)
    try:
        return _find(Path(model).expanduser(), filename)
    except OSError as error:
        raise ModelError(f"{model}: {error.strerror}") from error
    except RuntimeError as error:  # of expanduser: no such user
        raise ModelError(f"{model}: {error}") from error


def _find(path: Path, filename: str | None) -> ModelFile:
    if path.is_dir():
        return ModelFile(_choose(path, filename), builtin=False)
    if filename is not None:
        raise UsageError(f"--filename chooses a file in a folder, but {path} is not one")
    if not path.exists():
        raise ModelError(f"{path}: no such model file", hint=_nearest(path))
    if not path.is_file():
        raise ModelError(f"{path}: is not a regular file")
    return ModelFile(path, builtin=False)


def _choose(folder: Path, filename: str | None) -> Path:
    found = sorted(path.name for path in folder.iterdir() if path.suffix == ".gguf")
    if filename is not None:
        if not (folder / filename).is_file():
            raise ModelError(f"{folder / filename}: no such model file", hint=_listing(found))
        return folder / filename
    if len(found) == 1:
        return folder / found[0]
    if not found:
        raise ModelError(f"{folder}: no .gguf file in this folder")
    raise UsageError(f"{folder}: several models; choose one with --filename", hint=_listing(found))


def _listing(names: list[str]) -> str | None:
    return f"there are: {', '.join(names)}" if names else None


def _nearest(path: Path) -> str | None:
    """The file beside it whose name is most like the one given."""
    if not path.parent.is_dir():
        return None
    siblings = [file.name for file in path.parent.iterdir() if file.suffix == ".gguf"]
    close = difflib.get_close_matches(path.name, siblings, n=1)
    return f"did you mean {path.parent / close[0]}?" if close else None
