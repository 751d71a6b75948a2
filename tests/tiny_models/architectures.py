"""The tiny models: their metadata and the shapes of their weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from .gguf_files import random_weights, write_model
from .vocabularies import COMMON_WORDS, SPM_EOS, SPM_UNK, bert_metadata, spm_metadata

MEAN, CLS, LAST = 1, 2, 3
"""Values of ``pooling``."""


def write_bert(
    path: Path,
    *,
    arch: Literal["bert", "jina-bert-v2"] = "bert",
    dim: int = 32,
    layers: int = 2,
    heads: int = 2,
    ff: int = 64,
    n_ctx: int = 64,
    pooling: int | None = MEAN,
    lowercase: bool | None = True,
    add_special: bool = True,
    scores: bool = False,
    words: Sequence[str] = COMMON_WORDS,
    seed: int = 1,
) -> Path:
    """Write an encoder with a WordPiece vocabulary; returns ``path``.

    Args:
        path: the file to write.
        arch: ``jina-bert-v2`` knows positions by ALiBi, and has gates in its feed-forward part.
        dim: width of the vectors; a multiple of ``heads``.
        layers: number of layers.
        heads: number of attention heads.
        ff: width of the feed-forward part.
        n_ctx: number of positions the model has learned.
        pooling: ``MEAN``, ``CLS``, or None to leave the key out.
        lowercase: whether the tokenizer folds case; None leaves the key out.
        add_special: False leaves out the keys that ask for ``[CLS]`` and ``[SEP]`` and the id of
            the end token, as early conversions did.
        scores: whether there are the weights that make a reranker of it.
        words: the whole words of the vocabulary.
        seed: of the random weights.
    """
    metadata: dict[str, Any] = {
        f"{arch}.block_count": layers,
        f"{arch}.context_length": n_ctx,
        f"{arch}.embedding_length": dim,
        f"{arch}.feed_forward_length": ff,
        f"{arch}.attention.head_count": heads,
        f"{arch}.attention.layer_norm_epsilon": 1e-12,
        f"{arch}.attention.causal": False,
        f"{arch}.pooling_type": pooling,
        **bert_metadata(words, lowercase=lowercase, add_special=add_special),
    }
    shapes = {
        "token_embd.weight": (len(metadata["tokenizer.ggml.tokens"]), dim),
        "token_types.weight": (metadata["tokenizer.ggml.token_type_count"], dim),
        **_with_bias("token_embd_norm", dim),
    }
    if scores:
        shapes |= _with_bias("cls.output", 1, dim)
    if arch == "bert":
        shapes["position_embd.weight"] = (n_ctx, dim)
    for block in (f"blk.{layer}" for layer in range(layers)):
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            shapes |= _with_bias(f"{block}.{part}", dim, dim)
        shapes |= _with_bias(f"{block}.attn_output_norm", dim)
        shapes |= _with_bias(f"{block}.ffn_up", ff, dim)
        if arch != "bert":
            shapes[f"{block}.ffn_gate.weight"] = (ff, dim)
        shapes |= _with_bias(f"{block}.ffn_down", dim, ff)
        shapes |= _with_bias(f"{block}.layer_output_norm", dim)
    return write_model(path, arch, metadata, random_weights(shapes, seed))


def write_causal(
    path: Path,
    *,
    arch: Literal["llama", "qwen2", "qwen3", "gemma-embedding"] = "llama",
    dim: int = 32,
    layers: int = 2,
    heads: int = 2,
    kv_heads: int | None = None,
    ff: int = 64,
    n_ctx: int = 64,
    pooling: int | None = LAST,
    add_bos: bool | None = True,
    add_eos: bool | None = True,
    eos: bool = True,
    dense: bool = True,
    words: Sequence[str] = COMMON_WORDS,
    seed: int = 1,
) -> Path:
    """Write a decoder with a SentencePiece vocabulary; returns ``path``.

    Args:
        path: the file to write.
        arch: the architecture; all get the same vocabulary. The last one is not causal, and its
            layers but every sixth see 8 tokens to each side only.
        dim: width of the vectors; a multiple of ``heads`` by an even number.
        layers: number of layers.
        heads: number of attention heads.
        kv_heads: heads of the keys and values, which several may share; by default as many.
        ff: width of the feed-forward part.
        n_ctx: context length the model claims.
        pooling: ``MEAN``, ``LAST``, or None to leave the key out, as models for chat do.
        add_bos: whether texts start with ``<s>``; None leaves the key out.
        add_eos: whether texts end with ``</s>``; None leaves the key out.
        eos: False leaves out the id of the end token; llama.cpp then assumes the usual one.
        dense: False leaves out the dense layers that ``gemma-embedding`` ends with.
        words: the whole words of the vocabulary.
        seed: of the random weights.
    """
    metadata: dict[str, Any] = {
        f"{arch}.block_count": layers,
        f"{arch}.context_length": n_ctx,
        f"{arch}.embedding_length": dim,
        f"{arch}.feed_forward_length": ff,
        f"{arch}.attention.head_count": heads,
        f"{arch}.attention.head_count_kv": kv_heads or heads,
        f"{arch}.attention.layer_norm_rms_epsilon": 1e-6,
        f"{arch}.attention.sliding_window": 16 if arch == "gemma-embedding" else None,
        f"{arch}.rope.dimension_count": dim // heads,
        f"{arch}.pooling_type": pooling,
        **spm_metadata("llama", words),
        "tokenizer.ggml.eos_token_id": SPM_EOS if eos else None,
        "tokenizer.ggml.add_bos_token": add_bos,
        "tokenizer.ggml.add_eos_token": add_eos,
    }
    shapes = {
        "token_embd.weight": (len(metadata["tokenizer.ggml.tokens"]), dim),
        "output_norm.weight": (dim,),
    }
    if arch == "gemma-embedding" and dense:
        shapes |= {"dense_2.weight": (ff, dim), "dense_3.weight": (dim, ff)}
        metadata |= {f"{arch}.dense_2_feat_in": dim, f"{arch}.dense_2_feat_out": ff}
        metadata |= {f"{arch}.dense_3_feat_in": ff, f"{arch}.dense_3_feat_out": dim}
    for block in (f"blk.{layer}" for layer in range(layers)):
        shapes |= {f"{block}.{norm}.weight": (dim,) for norm in ("attn_norm", "ffn_norm")}
        for part in ("attn_q", "attn_k", "attn_v"):
            rows = dim if part == "attn_q" else dim // heads * (kv_heads or heads)
            shapes[f"{block}.{part}.weight"] = (rows, dim)
            if arch == "qwen2":
                shapes[f"{block}.{part}.bias"] = (rows,)
        if arch in ("qwen3", "gemma-embedding"):
            shapes |= {f"{block}.attn_{x}_norm.weight": (dim // heads,) for x in "qk"}
        if arch == "gemma-embedding":
            shapes |= {f"{block}.post_{x}_norm.weight": (dim,) for x in ("attention", "ffw")}
        shapes[f"{block}.attn_output.weight"] = (dim, dim)
        shapes |= _feed_forward(block, dim, ff)
    return write_model(path, arch, metadata, random_weights(shapes, seed))


def write_lfm2(
    path: Path, *, dim: int = 32, heads: int = 2, n_ctx: int = 64, seed: int = 1
) -> Path:
    """Write a decoder of which every other layer is a convolution with a state; returns ``path``.

    Args:
        path: the file to write.
        dim: width of the vectors.
        heads: number of attention heads.
        n_ctx: context length the model claims.
        seed: of the random weights.
    """
    arch, layers, ff, window = "lfm2", 4, 2 * dim, 3
    metadata: dict[str, Any] = {
        f"{arch}.block_count": layers,
        f"{arch}.context_length": n_ctx,
        f"{arch}.embedding_length": dim,
        f"{arch}.feed_forward_length": ff,
        f"{arch}.attention.head_count": heads,
        f"{arch}.attention.head_count_kv": [heads * (layer % 2) for layer in range(layers)],
        f"{arch}.attention.layer_norm_rms_epsilon": 1e-5,
        f"{arch}.shortconv.l_cache": window,
        f"{arch}.rope.freq_base": 1e4,
        f"{arch}.pooling_type": LAST,
        **spm_metadata("llama", COMMON_WORDS),
        "tokenizer.ggml.eos_token_id": SPM_EOS,
        "tokenizer.ggml.add_bos_token": True,
    }
    words = metadata[f"{arch}.vocab_size"] = len(metadata["tokenizer.ggml.tokens"])
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (words, dim),
        "token_embd_norm.weight": (dim,),
    }
    for layer in range(layers):
        block = f"blk.{layer}"
        shapes |= {f"{block}.{norm}.weight": (dim,) for norm in ("attn_norm", "ffn_norm")}
        shapes |= _feed_forward(block, dim, ff)
        if layer % 2:
            parts = ("attn_q", "attn_k", "attn_v", "attn_output")
            shapes |= {f"{block}.{part}.weight": (dim, dim) for part in parts}
            shapes |= {f"{block}.attn_{x}_norm.weight": (dim // heads,) for x in "qk"}
        else:
            shapes[f"{block}.shortconv.conv.weight"] = (dim, window)
            shapes[f"{block}.shortconv.in_proj.weight"] = (3 * dim, dim)
            shapes[f"{block}.shortconv.out_proj.weight"] = (dim, dim)
    return write_model(path, arch, metadata, random_weights(shapes, seed))


def write_t5(
    path: Path,
    *,
    arch: Literal["t5", "t5encoder"] = "t5",
    dim: int = 32,
    layers: int = 2,
    heads: int = 2,
    ff: int = 64,
    n_ctx: int = 64,
    pooling: int | None = None,
    words: Sequence[str] = COMMON_WORDS,
    seed: int = 1,
) -> Path:
    """Write an encoder-decoder (``t5``) or its encoder alone (``t5encoder``); returns ``path``.

    Beware of decoding the first kind: llama.cpp ends the process when its decoder runs before
    its encoder. The other arguments are those of ``write_bert``.
    """
    buckets = 32
    metadata: dict[str, Any] = {
        f"{arch}.block_count": layers,
        f"{arch}.context_length": n_ctx,
        f"{arch}.embedding_length": dim,
        f"{arch}.feed_forward_length": ff,
        f"{arch}.attention.head_count": heads,
        f"{arch}.attention.layer_norm_epsilon": 1e-6,
        f"{arch}.attention.layer_norm_rms_epsilon": 1e-6,
        f"{arch}.attention.relative_buckets_count": buckets,
        f"{arch}.decoder_start_token_id": 0,
        f"{arch}.pooling_type": pooling,
        **spm_metadata("t5", words),
        "tokenizer.ggml.padding_token_id": SPM_UNK,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.ggml.add_eos_token": True,
    }
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (len(metadata["tokenizer.ggml.tokens"]), dim)
    }
    for stack in ("enc",) if arch == "t5encoder" else ("enc", "dec"):
        shapes[f"{stack}.output_norm.weight"] = (dim,)
        for layer in range(layers):
            block = f"{stack}.blk.{layer}"
            for attention in ("attn",) if stack == "enc" else ("attn", "cross_attn"):
                shapes[f"{block}.{attention}_norm.weight"] = (dim,)
                shapes[f"{block}.{attention}_rel_b.weight"] = (buckets, heads)
                shapes |= {f"{block}.{attention}_{x}.weight": (dim, dim) for x in "qkvo"}
            shapes[f"{block}.ffn_norm.weight"] = (dim,)
            shapes |= _feed_forward(block, dim, ff)
    return write_model(path, arch, metadata, random_weights(shapes, seed))


def _with_bias(name: str, *shape: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def _feed_forward(block: str, dim: int, ff: int) -> dict[str, tuple[int, ...]]:
    return {
        f"{block}.ffn_gate.weight": (ff, dim),
        f"{block}.ffn_up.weight": (ff, dim),
        f"{block}.ffn_down.weight": (dim, ff),
    }
