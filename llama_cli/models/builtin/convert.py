"""Turns the published files of all-MiniLM-L6-v2 into one GGUF file, byte for byte the same.

Knows this one model only. The layout is that of llama.cpp's converter, so that its files and
ours can be compared by checksum: metadata in its order, tensors in the order of the weights
file, matrices in half precision and everything small in single precision.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from llama_cli.errors import LlamaCliError

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
VOCABULARY = "vocab.txt"
SPECIAL_TOKENS = "special_tokens_map.json"
MODEL_CARD = "README.md"
NEEDED_FILES = (WEIGHTS, CONFIG, VOCABULARY, SPECIAL_TOKENS, MODEL_CARD)

Value = str | int | float | list[str] | list[int]
Tensor = npt.NDArray[np.float32] | npt.NDArray[np.float16]

ARCHITECTURE = "bert"
MODEL_NAME = "all-MiniLM-L6-v2"
WORD_START = "\u2581"
NORMAL_TOKEN, CONTROL_TOKEN = 1, 3

TOP_TENSORS = {
    "embeddings.LayerNorm": "token_embd_norm",
    "embeddings.position_embeddings": "position_embd",
    "embeddings.token_type_embeddings": "token_types",
    "embeddings.word_embeddings": "token_embd",
}
LAYER_TENSORS = {
    "attention.output.LayerNorm": "attn_output_norm",
    "attention.output.dense": "attn_output",
    "attention.self.key": "attn_k",
    "attention.self.query": "attn_q",
    "attention.self.value": "attn_v",
    "intermediate.dense": "ffn_up",
    "output.LayerNorm": "layer_output_norm",
    "output.dense": "ffn_down",
}
# Looked up or added, never multiplied: single precision costs little here.
SINGLE_PRECISION = {"position_embd.weight", "token_types.weight"}


def convert(files: Mapping[str, bytes], output: Path) -> None:
    """Write the model made of ``files`` (names as in ``NEEDED_FILES``) to ``output``.

    Raises:
        LlamaCliError: a file has not the expected content, or ``gguf`` is not installed.
    """
    try:
        tensors = dict(_gguf_tensors(read_safetensors(files[WEIGHTS])))
        metadata = dict(_metadata(files, sum(math.prod(t.shape) for t in tensors.values())))
    except (ValueError, LookupError, TypeError, struct.error) as error:
        raise LlamaCliError(f"the source files are not those of {MODEL_NAME}: {error}") from error
    _write(output, metadata, tensors)


def read_safetensors(data: bytes) -> dict[str, npt.NDArray[np.float32]]:
    """Views of the float32 tensors in a safetensors file, in the order of its header."""
    (header_size,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + header_size])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] != "F32":
            continue
        start, end = entry["data_offsets"]
        raw = np.frombuffer(data, "<f4", (end - start) // 4, 8 + header_size + start)
        tensors[name] = raw.reshape(entry["shape"])
    return tensors


def _gguf_tensors(weights: Mapping[str, npt.NDArray[np.float32]]) -> Iterator[tuple[str, Tensor]]:
    for source, values in weights.items():
        name = gguf_name(source)
        if name is None:
            continue
        matrix = values.ndim > 1 and name not in SINGLE_PRECISION
        yield name, values.astype(np.float16) if matrix else values


def gguf_name(source: str) -> str | None:
    """The tensor's name in GGUF; None for the pooler, which sentence embeddings do not use."""
    module, _, kind = source.rpartition(".")
    if module in TOP_TENSORS:
        return f"{TOP_TENSORS[module]}.{kind}"
    if module.startswith("encoder.layer."):
        number, _, part = module.removeprefix("encoder.layer.").partition(".")
        return f"blk.{number}.{LAYER_TENSORS[part]}.{kind}"
    return None


def _metadata(files: Mapping[str, bytes], parameters: int) -> Iterator[tuple[str, Value]]:
    config = json.loads(files[CONFIG])
    yield from _general_metadata(files, config, parameters)
    yield f"{ARCHITECTURE}.block_count", config["num_hidden_layers"]
    yield f"{ARCHITECTURE}.context_length", config["max_position_embeddings"]
    yield f"{ARCHITECTURE}.embedding_length", config["hidden_size"]
    yield f"{ARCHITECTURE}.feed_forward_length", config["intermediate_size"]
    yield f"{ARCHITECTURE}.attention.head_count", config["num_attention_heads"]
    yield f"{ARCHITECTURE}.attention.layer_norm_epsilon", config["layer_norm_eps"]
    yield "general.file_type", 1  # mostly half precision
    yield f"{ARCHITECTURE}.attention.causal", False
    yield f"{ARCHITECTURE}.pooling_type", 1  # mean, as 1_Pooling/config.json has it
    yield "general.quantization_version", 2
    yield "tokenizer.ggml.token_type_count", config["type_vocab_size"]
    yield from _tokenizer_metadata(files)


def _general_metadata(
    files: Mapping[str, bytes], config: Mapping[str, Any], parameters: int
) -> Iterator[tuple[str, Value]]:
    card = _front_matter(files[MODEL_CARD].decode())
    yield "general.type", "model"
    yield "general.name", MODEL_NAME
    yield "general.organization", _title(config["_name_or_path"].split("/")[0])
    yield "general.size_label", f"{parameters / 1e6:.0f}M"
    yield "general.license", card["license"][0]
    yield "general.dataset.count", len(card["datasets"])
    for number, dataset in enumerate(card["datasets"]):
        organization, _, name = dataset.rpartition("/")
        yield f"general.dataset.{number}.name", _title(name)
        if organization:
            yield f"general.dataset.{number}.organization", _title(organization)
            yield f"general.dataset.{number}.repo_url", f"https://huggingface.co/{dataset}"
    yield "general.tags", card["tags"] + card["pipeline_tag"]
    yield "general.languages", card["language"]


def _front_matter(card: str) -> dict[str, list[str]]:
    """The lists and single values at the head of a model card, all as lists."""
    values: dict[str, list[str]] = {}
    key = ""
    for line in card.split("---\n")[1].splitlines():
        if line.startswith("- "):
            values[key].append(line[2:])
        else:
            key, _, value = line.partition(":")
            values[key] = [value.strip()] if value.strip() else []
    return values


def _title(name: str) -> str:
    """Spaces for hyphens and a capital for each word that has none."""
    return " ".join(w.title() if w.islower() else w for w in name.split("-"))


def _tokenizer_metadata(files: Mapping[str, bytes]) -> Iterator[tuple[str, Value]]:
    special = json.loads(files[SPECIAL_TOKENS])
    pieces = files[VOCABULARY].decode().removesuffix("\n").split("\n")
    names = set(special.values())
    yield "tokenizer.ggml.model", "bert"
    yield "tokenizer.ggml.pre", "jina-v2-en"  # the name by which llama.cpp knows this splitting
    yield "tokenizer.ggml.tokens", [p if p in names else _gguf_piece(p) for p in pieces]
    yield (
        "tokenizer.ggml.token_type",
        [CONTROL_TOKEN if p in names else NORMAL_TOKEN for p in pieces],
    )
    for role, token in (
        ("bos", "cls_token"),
        ("eos", "sep_token"),
        ("unknown", "unk_token"),
        ("seperator", "sep_token"),  # spelled so in the format
        ("padding", "pad_token"),
        ("mask", "mask_token"),
    ):
        yield f"tokenizer.ggml.{role}_token_id", pieces.index(special[token])
    yield "tokenizer.ggml.add_bos_token", True
    yield "tokenizer.ggml.add_eos_token", True
    yield "tokenizer.ggml.add_sep_token", False  # between pairs
    yield "tokenizer.ggml.normalizer.lowercase", True


def _gguf_piece(piece: str) -> str:
    """GGUF marks the pieces that start a word; BERT marks those that continue one."""
    return piece[2:] if piece.startswith("##") else WORD_START + piece


def _write(output: Path, metadata: Mapping[str, Value], tensors: Mapping[str, Tensor]) -> None:
    try:
        from gguf import GGUFValueType, GGUFWriter
    except ImportError as error:
        raise LlamaCliError(
            "building the model needs the gguf package",
            hint="pip install 'llama-cli-embed[build-default]'",
        ) from error

    def value_type(value: Value) -> GGUFValueType:
        # Counts and ids are unsigned in this format; only the items of arrays are signed.
        if isinstance(value, int) and not isinstance(value, bool):
            return GGUFValueType.UINT32
        return GGUFValueType.get_type(value)

    writer = GGUFWriter(output, ARCHITECTURE)
    try:
        for key, value in metadata.items():
            writer.add_key_value(key, value, value_type(value))
        for name, tensor in tensors.items():
            writer.add_tensor(name, tensor)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()
