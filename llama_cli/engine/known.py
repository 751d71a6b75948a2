"""What is known of a model beyond what its file says: its prompts, and how its vectors are cut."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Task = Literal["document", "query"]

# What follows a model's name in those of its files: the type of weights, the part, the tool.
_ENDINGS = re.compile(
    r"(?:[-.](?:gguf|ggml|model|qat|unquantized|imat(?:rix)?|i1|ud|bf16|fp?16|fp?32|[0-9]{5}-of-[0-9]{5}"
    r"|(?:i?q|tq)[0-9](?:-(?:[0-9]|k|nl|xxs|xs|s|m|l|xl))*))+$"
)


@dataclass(frozen=True, slots=True)
class Matryoshka:
    """How the vectors of a model that was trained for it may be cut.

    Attributes:
        widths: those that its documentation names, the full one aside; empty where it takes any.
        least: the narrowest of those it takes, where it takes any.
        layer_norm: whether vectors are layer-normalized before the cut.
    """

    widths: tuple[int, ...] = ()
    least: int = 0
    layer_norm: bool = False

    def covers(self, width: int) -> bool:
        """Whether its documentation names this width."""
        return width in self.widths if self.widths else width >= self.least

    def __str__(self) -> str:
        if not self.widths:
            return f"any width from {self.least}"
        *wider, narrowest = map(str, self.widths)
        return f"{', '.join(wider)} or {narrowest}" if wider else narrowest


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model, or a family of them, with what its documentation says.

    Attributes:
        name: what it is called.
        owner: who has it on the Hugging Face Hub.
        pattern: a regular expression for its names as `plain_name` gives them.
        document: what goes before texts that are to be found.
        query: what goes before questions.
        matryoshka: how its vectors may be cut; None where nothing is said of that.
        sources: where all this is written.
    """

    name: str
    owner: str
    pattern: str
    document: str = ""
    query: str = ""
    matryoshka: Matryoshka | None = None
    sources: tuple[str, ...] = ()

    @property
    def wants_prompt(self) -> bool:
        """Whether no text of any kind is to go without a prompt."""
        return bool(self.document and self.query)

    def is_called(self, name: str) -> bool:
        """Whether it goes by this name, which may have its owner's before it."""
        owner = plain_name(self.owner)
        return re.fullmatch(f"(?:{owner}-)?(?:{self.pattern})", plain_name(name)) is not None

    def prompt(self, task: Task) -> str:
        """What goes before each text."""
        return self.document if task == "document" else self.query


def plain_name(name: str) -> str:
    """A model's name as all its spellings have it in common: ``Bge M3_F16`` is ``bge-m3``."""
    last = name.strip().rpartition("/")[2].lower()
    return _ENDINGS.sub("", re.sub(r"[\s_]+", "-", last))
