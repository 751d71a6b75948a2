"""What is known of a model once it is open, apart from the model itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from llama_cli.errors import ModelError

Pooling = Literal["mean", "cls", "last"]
PoolingChoice = Literal["auto", "mean", "cls", "last"]

# Architectures of which all models attend to both sides. Their files do not say so, and llama.cpp
# has to be told.
ATTENDING_TO_BOTH_SIDES = frozenset(["llama-embed"])


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a model file says of itself.

    Attributes:
        name: the model's own name, or the file's where it has none.
        architecture: llama.cpp's name of it, such as ``bert``.
        quantization: the type of most weights, such as ``F16``.
        dimension: width of the vectors.
        width: width of the hidden layers.
        context: the longest text the model was trained on, in tokens.
        pooling: ``mean``, ``cls``, ``last``, ``rank``, ``none``, or None where it says nothing.
        lowercase: whether a BERT vocabulary is lower-cased; None where it says nothing.
        strip_accents: whether a BERT vocabulary drops accents; None where it says nothing.
    """

    name: str
    architecture: str
    quantization: str
    dimension: int
    width: int
    context: int
    pooling: str | None
    lowercase: bool | None
    strip_accents: bool | None


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A model with what the options come to: what whoever wants vectors has to know.

    Attributes:
        facts: what the model file says.
        pooling: how token vectors become one.
        max_length: most tokens of a text, special tokens included.
        dimension: width of the vectors as they are handed out.
        prompt: what goes before each text.
        layer_norm: whether vectors are layer-normalized before they are truncated.
        arithmetic: who computes, and with which weights, in words.
        llama_cpp_version: version of the llama.cpp binding.
    """

    facts: ModelFacts
    pooling: Pooling
    max_length: int
    dimension: int
    prompt: str
    layer_norm: bool
    arithmetic: str
    llama_cpp_version: str


def reranker_error(facts: ModelFacts) -> ModelError:
    """The refusal of a model that scores pairs of texts."""
    return ModelError(f"{facts.name} is a reranker: it scores pairs of texts, it does not embed")


def resolve_pooling(facts: ModelFacts, choice: PoolingChoice) -> Pooling:
    """The pooling to use: what the user chose, else what the file says.

    Raises:
        ModelError: the file says nothing usable and the user chose nothing.
    """
    if facts.pooling == "rank":
        raise reranker_error(facts)
    if choice != "auto":
        return choice
    if facts.pooling in ("mean", "cls", "last"):
        return facts.pooling  # type: ignore[return-value]
    raise ModelError(
        f"{facts.name} does not say how to pool its token vectors",
        hint="choose with `pooling=mean`, cls or last, as the model's own documentation says",
    )
