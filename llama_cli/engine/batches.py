"""A batch of texts before and after its decode."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from llama_cli.engine.duplicates import Answer
from llama_cli.records import FloatMatrix, TextRecord, TokenIds, VectorBatch

# PyTorch's default. It keeps a row of equal numbers from being divided by zero.
_LAYER_NORM_EPSILON = 1e-5


class Item(NamedTuple):
    """A text on its way: its tokens, or None where an earlier text brings the answer."""

    record: TextRecord
    answer: Answer
    ids: TokenIds | None
    text_bytes: int


def text_size(item: Item) -> int:
    """Bytes of its text."""
    return item.text_bytes


def cost(item: Item) -> int:
    """Tokens to compute; repeated texts ride along for nothing."""
    return 0 if item.ids is None else len(item.ids)


class Decoded(NamedTuple):
    """What one decode gave for the texts of a batch that had to be computed."""

    vectors: FloatMatrix
    valid: npt.NDArray[np.bool_]
    times_ms: npt.NDArray[np.uint64]


def without_vectors(count: int, dimension: int) -> Decoded:
    """What texts have that were not decoded."""
    vectors = np.zeros((count, dimension), np.float32)
    return Decoded(vectors, np.zeros(count, np.bool_), np.zeros(count, np.uint64))


class InFlight(NamedTuple):
    """A batch, and its decode unless all its texts are repeated ones."""

    batch: list[Item]
    future: Future[Decoded] | None


def bytes_in(in_flight: Iterable[InFlight]) -> int:
    """Size of the texts in flight."""
    return sum(item.text_bytes for entry in in_flight for item in entry.batch)


def collect(batch: list[Item], future: Future[Decoded] | None) -> VectorBatch:
    """The batch's rows in order. Called in order, so that repeated texts find their answers."""
    computed = [row for row, item in enumerate(batch) if item.ids is not None]
    times = np.zeros(len(batch), np.uint64)
    if future is not None:
        decoded = future.result()
        times[computed] = decoded.times_ms
        for row, vector, valid in zip(computed, decoded.vectors, decoded.valid, strict=True):
            batch[row].answer.vector = vector.copy()  # a view would keep all the batch
            batch[row].answer.valid = bool(valid)
    answers = [item.answer for item in batch]
    return VectorBatch(
        records=[item.record for item in batch],
        embeddings=np.stack([answer.known_vector for answer in answers]),
        valid=np.array([answer.valid for answer in answers]),
        sequence_lengths=np.array([answer.tokens for answer in answers], np.uint32),
        processing_times_ms=times,
        truncated=np.array([answer.truncated for answer in answers]),
        duplicates=np.array([item.ids is None for item in batch]),
    )


def decode_safely(
    decode: Callable[[Sequence[TokenIds]], FloatMatrix], texts: list[TokenIds]
) -> FloatMatrix:
    """Decode a batch; rows that are not finite are tried again alone.

    Attention masks with minus infinity, so one text's NaN can reach the others of its batch.
    """
    vectors = decode(texts)
    if len(texts) > 1:
        for row in np.flatnonzero(~np.isfinite(vectors).all(axis=1)):
            vectors[row] = decode([texts[row]])[0]
    return vectors


def layer_norm_rows(vectors: FloatMatrix) -> None:
    """Bring each row to mean 0 and variance 1, in place, as PyTorch's ``layer_norm`` does."""
    rows = vectors.astype(np.float64)
    rows -= rows.mean(axis=1, keepdims=True)
    vectors[:] = rows / np.sqrt(rows.var(axis=1, keepdims=True) + _LAYER_NORM_EPSILON)


def normalize_rows(vectors: FloatMatrix) -> None:
    """Scale each row to length 1, in place; a row of zeros stays one."""
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    np.divide(vectors, norms, out=vectors, where=norms > 0, casting="same_kind")
