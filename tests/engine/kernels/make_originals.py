"""Writes ``originals.npz``: what transformers computes with the tiny models' weights and tokens.

python -m tests.engine.kernels.make_originals, with the ``bench`` extra. Weights go by the names
that llama.cpp's converter has for them, and what it does to some of them is undone. Made with
transformers 5.24 and PyTorch 2.14 in float32.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import transformers
from gguf import MODEL_ARCH_NAMES, GGUFReader, TensorNameMap, get_tensor_name_map

from llama_cli.engine.model import Model
from llama_cli.engine.tokenizer import Tokenizer
from tests.conftest import CPU
from tests.engine.kernels.test_models import (
    MODELS,
    NOT_IN_TRANSFORMERS,
    ORIGINALS,
    lines_of_all_lengths,
)
from tests.tiny_models import CLS, LAST, MEAN
from tests.tiny_models.more import MORE_ARCHITECTURES

Floats = npt.NDArray[np.float32]

# Queries and keys of these are laid out for a rotation of neighbors; transformers rotates halves.
_ROTATING_NEIGHBORS = ("llama", "llama-embed", "mistral3")
# Their norms multiply by a weight and one, which the converter adds.
_NORMS_ABOVE_ONE = ("gemma3", "gemma-embedding", "qwen35")
# Their queries, keys and values are one matrix in GGUF and three in transformers.
_JOINED = ("nomic-bert", "jina-bert-v3")


class Original:
    """One of the tiny models in transformers."""

    def __init__(self, path: Path) -> None:
        reader = GGUFReader(path)
        self._fields = {key: field.contents() for key, field in reader.fields.items()}
        self._weights = {one.name: np.array(one.data, np.float32) for one in reader.tensors}
        self.architecture = self._fields["general.architecture"]
        self._model = self._build().float().eval()
        self._load()

    def embed(self, tokens: list[int]) -> Floats:
        """The pooled vector of a text: float32[n]."""
        more: dict[str, Any] = {}
        if self.architecture == "llama-embed":
            # Llama's code masks what comes later unless it gets a mask; this one hides nothing.
            more["attention_mask"] = torch.zeros(1, 1, len(tokens), len(tokens))
        with torch.no_grad():
            states = self._model(input_ids=torch.tensor([tokens]), **more).last_hidden_state[0]
        states = states.numpy()
        pooled: dict[int, Floats] = {MEAN: states.mean(0), CLS: states[0], LAST: states[-1]}
        vector = pooled[self._field("pooling_type")]
        if self.architecture == "gemma-embedding":
            vector = self._weights["dense_3.weight"] @ (self._weights["dense_2.weight"] @ vector)
        return vector

    def _field(self, key: str, default: Any = None) -> Any:
        return self._fields.get(f"{self.architecture}.{key}", default)

    def _build(self) -> Any:
        t = transformers
        layers, heads = self._field("block_count"), self._field("attention.head_count")
        shared = self._field("attention.head_count_kv")
        common = {
            "vocab_size": len(self._fields["tokenizer.ggml.tokens"]),
            "hidden_size": self._field("embedding_length"),
            "intermediate_size": self._field("feed_forward_length"),
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "max_position_embeddings": self._field("context_length"),
            "pad_token_id": 0,
            "attn_implementation": "eager",
        }
        epsilon = self._field("attention.layer_norm_epsilon")
        turning = _turning(self._field("rope.freq_base", 1e4))
        encoder = {**common, "layer_norm_eps": epsilon, "type_vocab_size": 2}
        turned = {**encoder, "rope_parameters": turning}
        decoder = {
            **common,
            "num_key_value_heads": shared if isinstance(shared, int) else heads,
            "head_dim": common["hidden_size"] // heads,
            "rms_norm_eps": self._field("attention.layer_norm_rms_epsilon"),
            "rope_parameters": turning,
        }
        modern = {
            **common,
            "norm_eps": epsilon,
            "local_attention": self._field("attention.sliding_window"),
            "layer_types": _sliding_but(layers, 3, 0),
            "rope_parameters": _two_turnings(turning, self._field("rope.freq_base_swa")),
        }
        gemma = {
            **decoder,
            "sliding_window": self._field("attention.sliding_window"),
            "layer_types": _sliding_but(layers, 6, 5),
            "query_pre_attn_scalar": decoder["head_dim"],
            "rope_parameters": _two_turnings(turning, 1e4),
            "use_bidirectional_attention": self.architecture == "gemma-embedding",
        }
        sections = self._field("rope.dimension_sections", [])[:3]
        qwen2vl = {**decoder, "rope_parameters": {**turning, "mrope_section": sections}}
        lfm2 = {
            **decoder,
            "norm_eps": decoder["rms_norm_eps"],
            "conv_L_cache": self._field("shortconv.l_cache"),
            "block_auto_adjust_ff_dim": False,
            "layer_types": ["full_attention" if n else "conv" for n in _listed(shared)],
        }
        qwen35 = {
            **decoder,
            "rope_parameters": {
                **turning,
                "mrope_section": sections,
                "partial_rotary_factor": self._field("rope.dimension_count", 0)
                / decoder["head_dim"],
            },
            "linear_conv_kernel_dim": self._field("ssm.conv_kernel"),
            "linear_key_head_dim": self._field("ssm.state_size"),
            "linear_value_head_dim": self._field("ssm.state_size"),
            "linear_num_key_heads": self._field("ssm.group_count"),
            "linear_num_value_heads": self._field("ssm.group_count"),
            "layer_types": [
                "full_attention" if layer % 2 else "linear_attention" for layer in range(layers)
            ],
        }
        kind, config, settings = {
            "bert": (t.BertModel, t.BertConfig, encoder),
            "nomic-bert": (
                t.NomicBertModel,
                t.NomicBertConfig,
                {**turned, "head_dim": decoder["head_dim"]},
            ),
            "jina-bert-v3": (t.JinaEmbeddingsV3Model, t.JinaEmbeddingsV3Config, turned),
            "modern-bert": (t.ModernBertModel, t.ModernBertConfig, modern),
            "eurobert": (t.EuroBertModel, t.EuroBertConfig, decoder),
            "gemma3": (t.Gemma3TextModel, t.Gemma3TextConfig, gemma),
            "gemma-embedding": (t.Gemma3TextModel, t.Gemma3TextConfig, gemma),
            "llama": (t.LlamaModel, t.LlamaConfig, decoder),
            "llama-embed": (t.LlamaModel, t.LlamaConfig, decoder),
            "mistral3": (t.MistralModel, t.MistralConfig, {**decoder, "sliding_window": None}),
            "qwen3": (t.Qwen3Model, t.Qwen3Config, decoder),
            "qwen2vl": (t.Qwen2VLTextModel, t.Qwen2VLTextConfig, _without("head_dim", qwen2vl)),
            "qwen35": (t.Qwen3_5TextModel, t.Qwen3_5TextConfig, qwen35),
            "lfm2": (t.Lfm2Model, t.Lfm2Config, lfm2),
        }[self.architecture]
        model = kind(config(**settings))
        # A layer for classifiers that some have behind the last, which nothing here goes through.
        model.pooler = None
        return model

    def _load(self) -> None:
        layers = self._field("block_count")
        names = get_tensor_name_map(
            next(number for number, name in MODEL_ARCH_NAMES.items() if name == self.architecture),
            layers,
        )
        state = self._model.state_dict()
        left = set(self._weights) - {"dense_2.weight", "dense_3.weight"}
        for key, before in state.items():
            name, part = self._find(key, names)
            left.discard(name)
            weights = self._weights[name]
            if part is not None:
                weights = np.split(weights, 3)[part]
            if self.architecture in _ROTATING_NEIGHBORS and ".attn_" in name:
                weights = self._with_halves(name, weights)
            if self.architecture in _NORMS_ABOVE_ONE and name.endswith("norm.weight"):
                weights = weights - ("ssm_norm" not in name)
            if name.endswith("ssm_a"):
                weights = np.log(-weights)
            state[key] = torch.from_numpy(weights.copy()).reshape(before.shape)
        assert not left, left
        self._model.load_state_dict(state)

    def _find(self, key: str, names: TensorNameMap) -> tuple[str, int | None]:
        """The tensor for a parameter, and which third of it."""
        module, _, kind = key.rpartition(".")
        if self.architecture in _JOINED and module.startswith("layers."):
            _, layer, *rest = module.split(".")
            own = {"post_attention_layernorm": "attn_output", "post_mlp_layernorm": "layer_output"}
            if rest[0] in own:
                return f"blk.{layer}.{own[rest[0]]}_norm.{kind}", None
            if rest[-1] in ("q_proj", "k_proj", "v_proj"):
                return f"blk.{layer}.attn_qkv.{kind}", "qkv".index(rest[-1][0])
        own_names = {"dt_bias": "ssm_dt.bias", "A_log": "ssm_a"}
        if kind in own_names:
            return f"blk.{module.split('.')[1]}.{own_names[kind]}", None
        found = names.get_name(module) or names.get_name(f"model.{module}")
        assert found, key
        return f"{found}.{kind}", None

    def _with_halves(self, name: str, weights: Floats) -> Floats:
        heads = {
            "attn_q": self._field("attention.head_count"),
            "attn_k": self._field("attention.head_count_kv"),
        }.get(name.split(".")[2])
        if heads is None:
            return weights
        pairs = weights.reshape(heads, -1, 2, weights.shape[1])
        return pairs.swapaxes(1, 2).reshape(weights.shape)


def _turning(base: float) -> dict[str, Any]:
    return {"rope_type": "default", "rope_theta": base}


def _listed(value: Any) -> list[int]:
    return value if isinstance(value, list) else []


def _without(key: str, settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name != key}


def _two_turnings(full: dict[str, Any], sliding: float) -> dict[str, Any]:
    return {"full_attention": full, "sliding_attention": _turning(sliding)}


def _sliding_but(layers: int, every: int, place: int) -> list[str]:
    kinds = ("sliding_attention", "full_attention")
    return [kinds[layer % every == place] for layer in range(layers)]


def main() -> None:
    vectors = {}
    for name, write in {**MODELS, **MORE_ARCHITECTURES}.items():
        if name in NOT_IN_TRANSFORMERS:
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = write(Path(folder) / "model.gguf")
            original = Original(path)
            with Model(path, CPU, vocabulary_only=True) as model:
                tokenizer = Tokenizer(model, max_length=512)
                tokens = [
                    tokenizer.tokenize(line.encode()).ids.tolist()
                    for line in lines_of_all_lengths()
                ]
        made = np.stack([original.embed(ids) for ids in tokens])
        # Of length 1, so that 16 bits hold all of them alike.
        made /= np.linalg.norm(made, axis=1, keepdims=True)
        vectors[name] = made.astype(np.float16)
    np.savez_compressed(ORIGINALS, **vectors)


if __name__ == "__main__":
    main()
