"""What the peers need: published weights, an ONNX export of them, a program of llama.cpp's."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

from llama_cli.engine.kernels.build import download_sdist
from llama_cli.models.builtin.build import download


def prepare_weights(folder: Path) -> None:
    """The model as published, for sentence-transformers and the export."""
    if (folder / "model" / "model.safetensors").exists():
        return
    unpacked = folder / "wheel"
    with zipfile.ZipFile(download(folder)) as wheel:
        wheel.extractall(unpacked)
    next(unpacked.rglob("model.safetensors")).parent.rename(folder / "model")


def prepare_onnx(folder: Path) -> None:
    """The model in float32, as its last hidden state."""
    prepare_weights(folder)
    if (folder / "model.onnx").exists():
        return
    import torch
    from transformers import AutoModel, AutoTokenizer

    class LastHiddenState(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = AutoModel.from_pretrained(folder / "model", attn_implementation="eager")

        def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
            return self.model(**dict(zip(names, inputs, strict=True))).last_hidden_state

    names = ["input_ids", "attention_mask", "token_type_ids"]
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    example = tokenizer(["one text", "another and longer text"], padding=True, return_tensors="pt")
    sizes = {0: "texts", 1: "tokens"}
    torch.onnx.export(
        LastHiddenState().eval(),
        tuple(example[name] for name in names),
        str(folder / "unfinished.onnx"),
        input_names=names,
        output_names=["hidden"],
        dynamic_axes=dict.fromkeys([*names, "hidden"], sizes),
        opset_version=17,
        dynamo=False,
    )
    (folder / "unfinished.onnx").rename(folder / "model.onnx")


def prepare_llama_embedding(folder: Path) -> None:
    """Compile the program from the source distribution that llama-cpp-python comes from."""
    if (folder / "llama-embedding").exists():
        return
    with tarfile.open(download_sdist(folder)) as archive:
        archive.extractall(folder, filter="data")
    source = next(folder.glob("llama_cpp_python-*/vendor/llama.cpp"))
    build = folder / "llama.cpp-build"
    flags = ("CURL=OFF", "BUILD_TESTS=OFF", "BUILD_TOOLS=OFF", "BUILD_SERVER=OFF")
    configure = ["cmake", "-S", source, "-B", build, "-DCMAKE_BUILD_TYPE=Release"]
    configure += ["-DBUILD_SHARED_LIBS=OFF", *(f"-DLLAMA_{flag}" for flag in flags)]
    subprocess.run(configure, check=True, stdout=subprocess.DEVNULL)
    compile_it = ["cmake", "--build", build, "--target", "llama-embedding", "-j"]
    subprocess.run(compile_it, check=True, stdout=subprocess.DEVNULL)
    shutil.copy(next(build.rglob("bin/llama-embedding")), folder)
