"""Completion in shells. Typer does it; this mends what it is told."""

from __future__ import annotations

from collections.abc import MutableMapping


def mend_completion(environment: MutableMapping[str, str]) -> None:
    """Join what Bash takes apart: it hands over ``--name=value`` as three words."""
    if environment.get("_LLAMA_CLI_COMPLETE") != "complete_bash":
        return
    words = environment["COMP_WORDS"].split("\n")
    current = int(environment["COMP_CWORD"])
    before = _join(words[:current])
    joined = _join(words[: current + 1])
    # Joined to the word before, the current one is no word of its own any more.
    place = len(before) - (len(joined) == len(before))
    environment["COMP_WORDS"] = "\n".join([*joined, *words[current + 1 :]])
    environment["COMP_CWORD"] = str(place)


def _join(words: list[str]) -> list[str]:
    joined: list[str] = []
    for word in words:
        last = joined[-1] if joined else ""
        if last.startswith("--") and (word == "=" or last.endswith("=")):
            joined[-1] += word
        else:
            joined.append(word)
    return joined
