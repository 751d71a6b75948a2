"""What a model file says of itself, read without its weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llama_cli.engine.devices import Placement
from llama_cli.engine.doubts import find_doubts, refuse_unfit
from llama_cli.engine.facts import ModelFacts, resolve_pooling
from llama_cli.engine.library import llama_cpp
from llama_cli.engine.model import Model, check_kind
from llama_cli.engine.native_tokenizer import NativeTokenizer
from llama_cli.engine.vocabulary import complete_frame
from llama_cli.errors import ModelError
from llama_cli.records import TokenIds

_NOWHERE = Placement((), 0)


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """A model file as `llama-cli models info` shows it.

    Attributes:
        facts: what the file says.
        opening: the special tokens before a text.
        closing: those after it.
        warnings: why its vectors may not be those that the model is known for.
        refusal: why it does not embed; None where it does.
        hint: what can be done about that, or None.
    """

    facts: ModelFacts
    opening: tuple[str, ...]
    closing: tuple[str, ...]
    warnings: tuple[str, ...]
    refusal: str | None
    hint: str | None


def read_description(path: Path) -> ModelDescription:
    """Read a model file's metadata and vocabulary.

    Raises:
        ModelError: llama.cpp cannot read it.
    """
    opening: tuple[str, ...] = ()
    closing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    refusal = hint = None
    with Model(path, _NOWHERE, vocabulary_only=True) as model:
        try:
            check_kind(model)
            warnings = tuple(find_doubts(model))
            refuse_unfit(model)
            frame = complete_frame(model, NativeTokenizer(model))
            opening, closing = _texts(model, frame.opening), _texts(model, frame.closing)
            resolve_pooling(model.facts, "auto")
        except ModelError as error:
            refusal, hint = str(error), error.hint
        return ModelDescription(model.facts, opening, closing, warnings, refusal, hint)


def _texts(model: Model, ids: TokenIds) -> tuple[str, ...]:
    lib: Any = llama_cpp()
    texts = (lib.llama_vocab_get_text(model.vocab, int(token)) for token in ids)
    return tuple(text.decode("utf-8", "replace") for text in texts)
