"""The folder of the user's cache that is this tool's."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any


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


def load_json(name: str) -> Any:
    """What a file of the cache has; None where there is none that can be read."""
    folder = cache_folder()
    if folder is None:
        return None
    with contextlib.suppress(OSError, ValueError):
        return json.loads((folder / name).read_text("utf-8"))
    return None


def store_json(name: str, value: Any) -> None:
    """Replace a file of the cache in one step, so that runs side by side never read half of it.

    A cache that cannot be written is no error.
    """
    folder = cache_folder()
    if folder is None:
        return
    path = folder / name
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=path.name, delete=False, encoding="utf-8"
        ) as file:
            json.dump(value, file)
        Path(file.name).replace(path)
