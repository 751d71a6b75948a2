"""What the command was called with, and the command line that resumes a run begun like that."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from llama_cli.engine.kernels.installed import SWITCH
from llama_cli.storage.address import words_shown

_NAME = "llama-cli"
_PREFIX = "LLAMA_CLI_"
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
    """

    words: Sequence[str] = ()
    variables: dict[str, str] = field(default_factory=dict)

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

    def resume_command(self) -> list[str]:
        """The command line that resumes a run begun like this; empty where nothing was typed.

        It says what the environment has said: it may be run from another terminal, or next week.
        """
        if not self.words:
            return []
        counted = dict(self.variables)
        if SWITCH in os.environ:
            counted[SWITCH] = os.environ[SWITCH]
        variables = [f"{name}={value}" for name, value in counted.items()]
        words = words_shown(word for word in self.words if word != "--restart")
        return [*(["env", *variables] if variables else []), *_program(), *words]

    def _is_on(self, flag: str) -> bool:
        if flag in self._options():
            return True
        return self._variable(flag).strip().lower() not in ("", *_FALSE)

    def _options(self) -> Sequence[str]:
        """The words up to the one after which all are arguments."""
        words = list(self.words)
        return words[: words.index("--")] if "--" in words else words

    def _variable(self, flag: str) -> str:
        if not self.words or self.words[0] != _EMBED:
            return ""
        return os.environ.get(variable_of(flag), "")


def variable_of(flag: str) -> str:
    """Name of the variable that sets an option's default."""
    return _PREFIX + flag.removeprefix("--").replace("-", "_").upper()


def _program() -> list[str]:
    """The command's name, with its folder where the shell would not find that one by its name."""
    found = shutil.which(_NAME)
    own = Path(sys.argv[0])
    if own.name == "__main__.py":
        return [sys.executable, "-m", "llama_cli"]
    if own.name != _NAME or (found and own.exists() and own.samefile(found)):
        return [_NAME]
    return [str(own)]
