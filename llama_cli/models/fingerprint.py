"""The sha256 of model files, remembered so that a large file is read once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path


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
    status = path.stat()
    key = f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}"
    folder = cache_folder()
    if folder is None:
        return file_sha256(path)
    cache = folder / "sha256.json"
    known = _load(cache)
    if key not in known:
        known[key] = file_sha256(path)
        _store(cache, known)
    return known[key]


def cache_folder() -> Path | None:
    """Where this tool may keep what it can compute again; None for a user without a home."""
    if chosen := os.environ.get("XDG_CACHE_HOME"):
        return Path(chosen) / "llama-cli"
    try:
        home = Path.home()
    except RuntimeError:
        return None
    folder = home / "Library" / "Caches" if sys.platform == "darwin" else home / ".cache"
    return folder / "llama-cli"


def float_copies_folder() -> Path | None:
    """Where F32 copies of weights are kept, named by the sha256 of the original file."""
    folder = cache_folder()
    return folder / "f32" if folder else None


def _load(cache: Path) -> dict[str, str]:
    with contextlib.suppress(OSError, ValueError):
        known = json.loads(cache.read_text("utf-8"))
        if isinstance(known, dict):
            return {str(key): str(value) for key, value in known.items()}
    return {}


def _store(cache: Path, known: dict[str, str]) -> None:
    """Replace the cache in one step, so that runs side by side never read half of it."""
    with contextlib.suppress(OSError):
        cache.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=cache.parent, prefix=cache.name, delete=False, encoding="utf-8"
        ) as file:
            json.dump(known, file)
        Path(file.name).replace(cache)
