"""The sha256 of model files, remembered so that a large file is read once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
from pathlib import Path

from llama_cli.storage.cache import cache_folder

_REMEMBERED = "sha256.json"


def file_sha256(path: Path) -> str:
    """sha256 of a file's content, lower-case hex.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remembered_sha256(path: Path) -> str:
    """Like `file_sha256`, but computed once for each path, size and modification time.

    Raises:
        OSError: the file cannot be read. A cache that cannot be used is no error.
    """
    key = _key(path)
    known = _load()
    if key not in known:
        known = _remember(key, file_sha256(path))
    return known[key]


def remember_sha256(path: Path, digest: str) -> None:
    """Take note of a checksum that was computed while the file was made.

    Raises:
        OSError: the file is not there. A cache that cannot be used is no error.
    """
    _remember(_key(path), digest)


def float_copies_folder() -> Path | None:
    """Where F32 copies of weights are kept, named by the sha256 of the original file."""
    folder = cache_folder()
    return folder / "f32" if folder else None


def replace_file(path: Path, text: str) -> None:
    """Replace a file of the cache in one step, so that runs side by side never read half of it."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=path.name, delete=False, encoding="utf-8"
        ) as file:
            file.write(text)
        Path(file.name).replace(path)


def _key(path: Path) -> str:
    status = path.stat()
    return f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}"


def _load() -> dict[str, str]:
    folder = cache_folder()
    if folder is None:
        return {}
    with contextlib.suppress(OSError, ValueError):
        known = json.loads(folder.joinpath(_REMEMBERED).read_text("utf-8"))
        if isinstance(known, dict):
            return {str(key): str(value) for key, value in known.items()}
    return {}


def _remember(key: str, digest: str) -> dict[str, str]:
    known = _load() | {key: digest}
    folder = cache_folder()
    if folder is not None:
        replace_file(folder / _REMEMBERED, json.dumps(known))
    return known
