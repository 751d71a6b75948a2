"""The name in the cache that was perhaps meant."""

from __future__ import annotations

import difflib

from llama_cli.models.cached import list_cached
from llama_cli.models.names import HubName


def nearest_cached(name: HubName) -> str | None:
    """A hint with the cached model whose name is most like the one given."""
    models = list_cached()
    names = [cached.name for cached in models]
    same = [cached.name for cached in models if cached.listing.repo == name.repo]
    if same:
        return f"in the cache of that repository: {', '.join(same)}"
    close = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close else None
