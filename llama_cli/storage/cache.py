"""The folder of the user's cache that is this tool's."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from pathlib import Path


def cache_folder() -> Path | None:
    """Where this tool keeps what is of no use to others; None for a user without a home."""
    if chosen := os.environ.get("XDG_CACHE_HOME"):
        return Path(chosen) / "llama-cli"
    try:
        home = Path.home()
    except RuntimeError:
        return None
    folder = home / "Library" / "Caches" if sys.platform == "darwin" else home / ".cache"
    return folder / "llama-cli"


def replace_file(path: Path, text: str) -> None:
    """Replace a file of the cache in one step, so that runs side by side never read half of it.

    A cache that cannot be written is no error.
    """
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=path.name, delete=False, encoding="utf-8"
        ) as file:
            file.write(text)
        Path(file.name).replace(path)
