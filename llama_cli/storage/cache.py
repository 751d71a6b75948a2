"""The folder of the user's cache that is this tool's."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path | None:
    """Where this tool may keep what is no one else's; None for a user without a home."""
    if chosen := os.environ.get("XDG_CACHE_HOME"):
        return Path(chosen) / "llama-cli"
    try:
        home = Path.home()
    except RuntimeError:
        return None
    folder = home / "Library" / "Caches" if sys.platform == "darwin" else home / ".cache"
    return folder / "llama-cli"
