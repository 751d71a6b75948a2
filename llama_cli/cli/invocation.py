"""What the command was called with: words, and defaults from the environment."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

PREFIX = "LLAMA_CLI_"
# The one command whose options have variables.
_EMBED = "embed"
_FALSE = ("0", "off", "f", "false", "n", "no")


@dataclass(frozen=True)
class Invocation:
    """What was typed, and which variables of the environment have counted.

    Errors may come before the words are understood, so what they say of how to tell of errors is
    looked for in the words themselves.

    Attributes:
        words: the command line without the program's name.
        variables: value of each variable that an option has taken its value from.
        options: name of that option.
    """

    words: Sequence[str] = ()
    variables: dict[str, str] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)

    @property
    def as_json(self) -> bool:
        """Whether scripts read the result on stdout."""
        return self._is_on("--json")

    @property
    def debug(self) -> bool:
        """Whether tracebacks are wanted."""
        return self._is_on("--debug")

    @property
    def as_events(self) -> bool:
        """Whether programs read stderr."""
        words = self._options()
        chosen = self._variable("--progress")
        for word, following in zip(words, [*words[1:], ""], strict=True):
            name, _, value = word.partition("=")
            if name == "--progress":
                chosen = value or following
        return chosen == "json"

    def _is_on(self, flag: str) -> bool:
        if flag in self._options():
            return True
        return self._variable(flag).strip().lower() not in ("", *_FALSE)

    def _options(self) -> Sequence[str]:
        """The words up to the one after which all are arguments."""
        words = list(self.words)
        return words[: words.index("--")] if "--" in words else words

    def _variable(self, option: str) -> str:
        if not self.words or self.words[0] != _EMBED:
            return ""
        return os.environ.get(variable_of(option), "")


def variable_of(option: str) -> str:
    """Name of the variable that sets an option's default."""
    return PREFIX + option.removeprefix("--").replace("-", "_").upper()
