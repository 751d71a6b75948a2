"""What made a file: one footer key, holding versioned JSON."""

from __future__ import annotations

import json
import os
from dataclasses import MISSING, asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow.parquet as pq

from llama_cli.errors import ParquetFormatError
from llama_cli.output.errors import translated_errors
from llama_cli.storage.address import is_remote
from llama_cli.storage.resolve import find_file

METADATA_KEY = "llama_cli"
FORMAT_VERSION = 2

# What version 1 called some keys, of the file and of its model.
_VERSION_1 = {
    "cut": "truncated",
    "repaired": "invalid_utf8",
    "repeated": "duplicates",
    "quantisation": "quantization",
}


@dataclass(frozen=True, slots=True)
class ModelProvenance:
    """The model that made the vectors.

    Attributes:
        name: as the model file or the user calls it.
        sha256: of the model file, 64 hex digits.
        architecture: as the model file says, for instance ``bert``.
        quantization: type of the weights, for instance ``F16``.
        dimension: floats per vector.
        source: where it can be had again, as ``hf:owner/repo@commit/file.gguf``; empty for files
            of the user's own and the built-in model.
    """

    name: str
    sha256: str
    architecture: str
    quantization: str
    dimension: int
    source: str = ""


@dataclass(frozen=True, slots=True)
class InputProvenance:
    """What went in.

    Attributes:
        name: of a single input without its folder, of several as the user would name them.
        bytes: size, as read.
        xxh3_128: of all its bytes, 32 hex digits; empty of a table on a server that tells its
            version, since all its bytes are not downloaded for this.
        version: of an input on a server, what that calls it: an ETag, a generation, the digest
            that a repository has; empty where it does not say.
    """

    name: str
    bytes: int
    xxh3_128: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Everything needed to tell where a file's vectors come from.

    Attributes:
        tool_version: version of this package.
        llama_cpp_version: version of the llama.cpp binding.
        model: the model.
        pooling: ``mean``, ``cls`` or ``last``.
        normalized: whether the vectors have length 1.
        max_length: tokens after which texts were truncated.
        input: the input; of several, how many they are, their size, and the xxh3_128 of their
            digests one after the other.
        rows: texts in the file.
        skipped: blank lines or texts left out.
        truncated: texts longer than ``max_length``.
        invalid_utf8: texts with bytes that were not UTF-8.
        duplicates: texts that got the vector of an equal text before them.
        without_vector: rows whose vector is null.
        tokens: fed to the model, in all.
        started_at: when the run began; a time without zone is taken as local.
        finished_at: when its last row was written.
        run_id: 32 hex digits of the run, however often it was resumed.
        inputs: each of several inputs, in order.
        bad_rows: rows of the inputs left out because they could not be used.
        limit: texts after which no more were read, or None.
        dims: width to which vectors were truncated; None where they are whole.
        prompt: what the model was given before each text; not part of the texts in the file.
        task: ``document`` or ``query`` where that chose the prompt, else empty.
        layer_norm: whether vectors were layer-normalized before they were truncated to ``dims``.
    """

    tool_version: str
    llama_cpp_version: str
    model: ModelProvenance
    pooling: str
    normalized: bool
    max_length: int
    input: InputProvenance
    rows: int
    skipped: int
    truncated: int
    invalid_utf8: int
    duplicates: int
    without_vector: int
    tokens: int
    started_at: datetime
    finished_at: datetime
    run_id: str = ""
    inputs: tuple[InputProvenance, ...] = ()
    bad_rows: int = 0
    limit: int | None = None
    dims: int | None = None
    prompt: str = ""
    task: str = ""
    layer_norm: bool = False

    @property
    def dimension(self) -> int:
        """Floats per vector."""
        return self.dims or self.model.dimension

    @property
    def all_inputs(self) -> tuple[InputProvenance, ...]:
        """Each input, in order."""
        return self.inputs or (self.input,)

    def to_json(self) -> str:
        """Write as JSON, with ``format_version`` first and times in ISO 8601, UTC."""
        values = {"format_version": FORMAT_VERSION} | asdict(self)
        for name in ("started_at", "finished_at"):
            values[name] = values[name].astimezone(UTC).isoformat()
        # ASCII only: a file name may hold bytes that are not UTF-8.
        return json.dumps(values)

    @classmethod
    def from_json(cls, text: str | bytes) -> Provenance:
        """Read what ``to_json`` wrote, here or in version 1; keys that are not known are ignored.

        Raises:
            ValueError: not JSON, or of no format version.
            KeyError: a value is missing.
            TypeError: a value has the wrong type.
        """
        values = json.loads(text)
        version = int(values["format_version"])
        if version < 1:
            raise ValueError(f"format version {version} never existed")
        if version == 1:
            values = _renamed(values) | {"model": _renamed(values["model"])}
        known = _known(cls, values)
        known["model"] = ModelProvenance(**_known(ModelProvenance, values["model"]))
        known["input"] = InputProvenance(**_known(InputProvenance, values["input"]))
        known["inputs"] = tuple(
            InputProvenance(**_known(InputProvenance, file)) for file in values.get("inputs", ())
        )
        for name in ("started_at", "finished_at"):
            known[name] = datetime.fromisoformat(values[name])
        return cls(**known)


def read_provenance(path: str | os.PathLike[str]) -> Provenance | None:
    """Read a Parquet file's provenance.

    Args:
        path: of a file on this machine, or its URL.

    Returns:
        The provenance, or None where the file has no such key: another tool made it.

    Raises:
        ParquetIOError: the file cannot be read.
        InputError: the URL leads to no file.
        InputReadError: the server does not answer.
        ParquetFormatError: it is not Parquet, or its provenance cannot be understood.
    """
    with translated_errors(Path(path)), _open(path) as file:
        key_values = pq.read_metadata(file).metadata or {}
    text = key_values.get(METADATA_KEY.encode())
    if text is None:
        return None
    try:
        return Provenance.from_json(text)
    except (KeyError, TypeError, ValueError) as error:
        detail = f"the footer's {METADATA_KEY} cannot be read: {error!r}"
        raise ParquetFormatError(detail, path=Path(path)) from error


def _open(path: str | os.PathLike[str]) -> BinaryIO:
    """Opened by Python: Arrow takes no names that are not UTF-8."""
    if isinstance(path, str) and is_remote(path):
        return find_file(path).open()
    return Path(path).open("rb")


def _renamed(values: dict[str, Any]) -> dict[str, Any]:
    return {_VERSION_1.get(name, name): value for name, value in values.items()}


def _known(kind: type[Any], values: dict[str, Any]) -> dict[str, Any]:
    return {
        field.name: values[field.name]
        for field in fields(kind)
        if field.name in values or field.default is MISSING
    }
