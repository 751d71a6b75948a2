"""The name that was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """The end of a message, with the nearest of the names; nothing where none is near."""
    # Their dashes would make all options alike.
    known = {name.lstrip("-"): name for name in names}
    word = word.lstrip("-").lower()
    begun = [name for name in known if name.startswith(word)]
    near = begun if len(begun) == 1 else difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {known[near[0]]}?" if near else ""
