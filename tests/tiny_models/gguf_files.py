"""Writing GGUF files, and copying them with other metadata."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from gguf import GGUFReader, GGUFValueType, GGUFWriter

Metadata = Mapping[str, Any]
Weights = Mapping[str, npt.NDArray[np.float32]]


def random_weights(shapes: Mapping[str, tuple[int, ...]], seed: int) -> Weights:
    """Weights of these shapes, sized so that vectors neither vanish nor explode."""
    random = np.random.default_rng(seed)
    weights: dict[str, npt.NDArray[np.float32]] = {}
    for name, shape in shapes.items():
        spread = 1.0 if "_embd" in name or "types" in name else shape[-1] ** -0.5
        values = random.standard_normal(shape, dtype=np.float32) * spread
        if name.endswith("norm.weight"):
            values = 1 + values / 10
        weights[name] = values.astype(np.float32)
    return weights


def write_model(path: Path, arch: str, metadata: Metadata, weights: Weights) -> Path:
    """Write a GGUF file, leaving out the metadata whose value is None; returns ``path``."""
    writer = GGUFWriter(path, arch)
    for key, value in {"general.name": f"tiny {arch}", **metadata}.items():
        if value is not None:
            writer.add_key_value(key, value, _value_type(value))
    for name, values in weights.items():
        writer.add_tensor(name, values)
    return _finish(writer, path)


def rewrite(
    source: Path, target: Path, *, changes: Metadata | None = None, drop: Collection[str] = ()
) -> Path:
    """Copy a GGUF file with other metadata; returns ``target``.

    Args:
        source: the file to copy.
        target: the file to write; not the same as ``source``.
        changes: keys to set, existing or new. New integers are unsigned, as ids and counts are.
        drop: keys or tensors to leave out; they need not exist.
    """
    reader = GGUFReader(source)
    fields = {key: field for key, field in reader.fields.items() if not key.startswith("GGUF.")}
    values = {key: field.contents() for key, field in fields.items()} | dict(changes or {})
    writer = GGUFWriter(target, values.pop("general.architecture"))
    for key, value in values.items():
        if key in drop:
            continue
        if key in fields:
            writer.add_key_value(key, value, *fields[key].types[:2])
        else:
            writer.add_key_value(key, value, _value_type(value))
    for tensor in reader.tensors:
        if tensor.name not in drop:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    return _finish(writer, target)


def split_model(source: Path, folder: Path, *, name: str = "split", most: int = 12) -> list[Path]:
    """Write a model in parts of at most so many tensors each, as gguf-split does; returns them."""
    reader = GGUFReader(source)
    folder.mkdir(parents=True, exist_ok=True)
    fields = {key: field for key, field in reader.fields.items() if not key.startswith("GGUF.")}
    arch = fields.pop("general.architecture").contents()
    writer = GGUFWriter(folder / f"{name}.gguf", arch, split_max_tensors=most)
    for key, field in fields.items():
        writer.add_key_value(key, field.contents(), *field.types[:2])
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    _finish(writer, folder)
    return sorted(folder.glob(f"{name}-*-of-*.gguf"))


def _value_type(value: Any) -> GGUFValueType:
    if isinstance(value, int) and not isinstance(value, bool):
        return GGUFValueType.UINT32
    if isinstance(value, bytes):  # an array of uint8
        return GGUFValueType.ARRAY
    return GGUFValueType.get_type(value)


def _finish(writer: GGUFWriter, path: Path) -> Path:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
