"""Tiny models of more architectures that llama.cpp embeds with, each with what is its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .architectures import CLS, LAST, MEAN, _feed_forward, _with_bias, write_lfm2
from .gguf_files import random_weights, write_model
from .vocabularies import COMMON_WORDS, SPM_EOS, bert_metadata, spm_metadata

DIM, HEADS, LAYERS, FF, CONTEXT, EXPERTS = 64, 4, 3, 128, 512, 4
Shapes = dict[str, tuple[int, ...]]


def _sizes(arch: str, pooling: int, more: dict[str, Any]) -> dict[str, Any]:
    sizes = {
        "block_count": LAYERS,
        "context_length": CONTEXT,
        "embedding_length": DIM,
        "feed_forward_length": FF,
        "attention.head_count": HEADS,
        "pooling_type": pooling,
    }
    return {f"{arch}.{key}": value for key, value in {**sizes, **more}.items()}


def _decoding_vocabulary() -> dict[str, Any]:
    return {
        **spm_metadata("llama", COMMON_WORDS),
        "tokenizer.ggml.eos_token_id": SPM_EOS,
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.add_eos_token": True,
        "tokenizer.ggml.add_space_prefix": False,
    }


def _write_decoder(
    path: Path,
    arch: str,
    *,
    pooling: int = LAST,
    biases: bool = False,
    inner_norms: bool = False,
    outer_norms: bool = False,
    **more: Any,
) -> Path:
    """One with RMS norms and gates, as Llama has them.

    Args:
        path: the file to write.
        arch: the architecture.
        pooling: ``MEAN`` or ``LAST``.
        biases: of queries, keys and values.
        inner_norms: of queries and keys.
        outer_norms: behind attention and the feed-forward part.
        more: metadata, with ``__`` for the dots of a key.
    """
    metadata = _sizes(arch, pooling, {key.replace("__", "."): v for key, v in more.items()}) | {
        f"{arch}.attention.head_count_kv": HEADS,
        f"{arch}.attention.layer_norm_rms_epsilon": 1e-6,
        f"{arch}.rope.dimension_count": DIM // HEADS,
        **_decoding_vocabulary(),
    }
    shapes: Shapes = {
        "token_embd.weight": (len(metadata["tokenizer.ggml.tokens"]), DIM),
        "output_norm.weight": (DIM,),
    }
    for block in (f"blk.{layer}" for layer in range(LAYERS)):
        shapes |= {f"{block}.{norm}.weight": (DIM,) for norm in ("attn_norm", "ffn_norm")}
        for part in ("attn_q", "attn_k", "attn_v"):
            shapes |= _with_bias(f"{block}.{part}", DIM, DIM) if biases else {}
            shapes[f"{block}.{part}.weight"] = (DIM, DIM)
        shapes[f"{block}.attn_output.weight"] = (DIM, DIM)
        if inner_norms:
            shapes |= {f"{block}.attn_{x}_norm.weight": (DIM // HEADS,) for x in "qk"}
        if outer_norms:
            shapes |= {f"{block}.post_{x}_norm.weight": (DIM,) for x in ("attention", "ffw")}
        shapes |= _feed_forward(block, DIM, FF)
    return write_model(path, arch, metadata, random_weights(shapes, 1))


def _write_encoder(
    path: Path,
    arch: str,
    top: Shapes,
    block_of: Callable[[int], Shapes],
    *,
    pooling: int = MEAN,
    **more: Any,
) -> Path:
    """One with a WordPiece vocabulary.

    Args:
        path: the file to write.
        arch: the architecture.
        top: shapes of the tensors outside layers, the embeddings of tokens aside.
        block_of: those of a layer, by its number, without ``blk.N.``.
        pooling: ``MEAN`` or ``CLS``.
        more: metadata, with ``__`` for the dots of a key.
    """
    metadata = _sizes(arch, pooling, {key.replace("__", "."): v for key, v in more.items()}) | {
        f"{arch}.attention.layer_norm_epsilon": 1e-12,
        f"{arch}.attention.causal": False,
        **bert_metadata(COMMON_WORDS, lowercase=True, add_special=True),
    }
    shapes: Shapes = {"token_embd.weight": (len(metadata["tokenizer.ggml.tokens"]), DIM), **top}
    for layer in range(LAYERS):
        shapes |= {f"blk.{layer}.{name}": shape for name, shape in block_of(layer).items()}
    return write_model(path, arch, metadata, random_weights(shapes, 1))


_BERT_TOP: Shapes = {"token_types.weight": (2, DIM), **_with_bias("token_embd_norm", DIM)}
_JOINED: Shapes = {"attn_qkv.weight": (3 * DIM, DIM), "attn_output.weight": (DIM, DIM)}
_JOINED_WITH_BIAS = _with_bias("attn_qkv", 3 * DIM, DIM) | _with_bias("attn_output", DIM, DIM)
_NORMS_BEHIND = _with_bias("attn_output_norm", DIM) | _with_bias("layer_output_norm", DIM)
_PLAIN = _with_bias("ffn_up", FF, DIM) | _with_bias("ffn_down", DIM, FF)
_GATED: Shapes = _feed_forward("", DIM, FF)
_GATE_IN_UP: Shapes = {"ffn_up.weight": (2 * FF, DIM), "ffn_down.weight": (DIM, FF)}
_EXPERTS: Shapes = {
    "ffn_gate_inp.weight": (EXPERTS, DIM),
    "ffn_up_exps.weight": (EXPERTS, FF, DIM),
    "ffn_down_exps.weight": (EXPERTS, DIM, FF),
}


def _nomic(path: Path) -> Path:
    gated = {name.removeprefix("."): shape for name, shape in _GATED.items()}
    block = _JOINED | _NORMS_BEHIND | gated
    return _write_encoder(path, "nomic-bert", _BERT_TOP, lambda _: block, rope__freq_base=1e3)


def _nomic_moe(path: Path) -> Path:
    return _write_encoder(
        path,
        "nomic-bert-moe",
        _BERT_TOP,
        lambda layer: _JOINED_WITH_BIAS | _NORMS_BEHIND | (_EXPERTS if layer % 2 else _PLAIN),
        rope__freq_base=1e3,
        expert_count=EXPERTS,
        expert_used_count=2,
        moe_every_n_layers=2,
    )


def _jina_v3(path: Path) -> Path:
    block = _JOINED_WITH_BIAS | _NORMS_BEHIND | _PLAIN
    return _write_encoder(path, "jina-bert-v3", _BERT_TOP, lambda _: block, rope__freq_base=1e3)


def _modern(path: Path) -> Path:
    block = _JOINED | _GATE_IN_UP | {"ffn_norm.weight": (DIM,)}
    return _write_encoder(
        path,
        "modern-bert",
        {"token_embd_norm.weight": (DIM,), "output_norm.weight": (DIM,)},
        lambda layer: block | ({"attn_norm.weight": (DIM,)} if layer else {}),
        pooling=CLS,
        attention__sliding_window=8,
        rope__freq_base=1e3,
        rope__freq_base_swa=1e2,
    )


def _neo(path: Path) -> Path:
    norms: Shapes = {f"{norm}.weight": (DIM,) for norm in ("attn_norm", "ffn_norm")}
    return _write_encoder(
        path,
        "neo-bert",
        {"enc.output_norm.weight": (DIM,)},
        lambda _: _JOINED | _GATE_IN_UP | norms,
        pooling=CLS,
        attention__layer_norm_rms_epsilon=1e-5,
    )


def _qwen35(path: Path) -> Path:
    """Every other layer has a state in place of attention (a gated delta net)."""
    arch, heads, state, window = "qwen35", 2, 32, 4
    inner = heads * state
    more = {
        "attention.head_count_kv": HEADS,
        "attention.key_length": DIM // HEADS,
        "attention.value_length": DIM // HEADS,
        "attention.layer_norm_rms_epsilon": 1e-6,
        "rope.dimension_count": DIM // HEADS // 2,
        "rope.dimension_sections": [2, 1, 1, 0],
        "full_attention_interval": 2,
        "ssm.conv_kernel": window,
        "ssm.state_size": state,
        "ssm.group_count": heads,
        "ssm.time_step_rank": heads,
        "ssm.inner_size": inner,
    }
    metadata = _sizes(arch, LAST, more) | _decoding_vocabulary()
    shapes: Shapes = {
        "token_embd.weight": (len(metadata["tokenizer.ggml.tokens"]), DIM),
        "output_norm.weight": (DIM,),
    }
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        shapes |= {
            f"{block}.{norm}.weight": (DIM,) for norm in ("attn_norm", "post_attention_norm")
        }
        shapes |= _feed_forward(block, DIM, FF)
        if layer % 2:
            shapes[f"{block}.attn_q.weight"] = (2 * DIM, DIM)  # a gate for each query
            parts = ("attn_k", "attn_v", "attn_output")
            shapes |= {f"{block}.{part}.weight": (DIM, DIM) for part in parts}
            shapes |= {f"{block}.attn_{x}_norm.weight": (DIM // HEADS,) for x in "qk"}
        else:
            shapes |= {
                f"{block}.attn_qkv.weight": (3 * inner, DIM),
                f"{block}.attn_gate.weight": (inner, DIM),
                f"{block}.ssm_conv1d.weight": (3 * inner, window),
                f"{block}.ssm_dt.bias": (heads,),
                f"{block}.ssm_a": (heads,),
                f"{block}.ssm_beta.weight": (heads, DIM),
                f"{block}.ssm_alpha.weight": (heads, DIM),
                f"{block}.ssm_norm.weight": (state,),
                f"{block}.ssm_out.weight": (DIM, inner),
            }
    weights = {
        name: -np.exp(values) if name.endswith("ssm_a") else values
        for name, values in random_weights(shapes, 1).items()
    }
    return write_model(path, arch, metadata, weights)


MORE_ARCHITECTURES: dict[str, Callable[[Path], Path]] = {
    "nomic-bert": _nomic,
    "nomic-bert-moe": _nomic_moe,
    "jina-bert-v3": _jina_v3,
    "modern-bert": _modern,
    "neo-bert": _neo,
    "eurobert": lambda path: _write_decoder(
        path, "eurobert", pooling=MEAN, attention__causal=False
    ),
    "gemma3": lambda path: _write_decoder(
        path, "gemma3", inner_norms=True, outer_norms=True, attention__sliding_window=16
    ),
    "mistral3": lambda path: _write_decoder(path, "mistral3"),
    "llama-embed": lambda path: _write_decoder(path, "llama-embed"),
    "qwen2vl": lambda path: _write_decoder(
        path, "qwen2vl", biases=True, rope__dimension_sections=[2, 3, 3, 0]
    ),
    "qwen35": _qwen35,
    "lfm2": lambda path: write_lfm2(path, dim=DIM, heads=HEADS, n_ctx=CONTEXT),
}
"""Writers of models by their architecture; each returns the path that it is given."""
