"""Lines of text in, a Parquet file of embeddings out.

The command is ``llama-cli embed``. From Python, `ParquetWriter` writes the same files::

    from llama_cli import EmbeddingResult, ParquetWriter

    with ParquetWriter("out.parquet", embedding_dim=384) as writer:
        writer.write_batch(results)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llama_cli.errors import (
        ArrowConversionError,
        LlamaCliError,
        OutputLockedError,
        OutputRefusedError,
        ParquetError,
        ParquetFormatError,
        ParquetIOError,
        SchemaMismatchError,
    )
    from llama_cli.output.arrow import convert_to_arrow_batch
    from llama_cli.output.provenance import Provenance, read_provenance
    from llama_cli.output.schema import output_schema
    from llama_cli.output.writer import ParquetWriter
    from llama_cli.records import EmbeddingBatch, EmbeddingResult, WriteProgress

__version__ = "0.1.0"

__all__ = [
    "ArrowConversionError",
    "EmbeddingBatch",
    "EmbeddingResult",
    "LlamaCliError",
    "OutputLockedError",
    "OutputRefusedError",
    "ParquetError",
    "ParquetFormatError",
    "ParquetIOError",
    "ParquetWriter",
    "Provenance",
    "SchemaMismatchError",
    "WriteProgress",
    "convert_to_arrow_batch",
    "output_schema",
    "read_provenance",
]

_HOMES = (
    "errors",
    "records",
    "output.arrow",
    "output.provenance",
    "output.schema",
    "output.writer",
)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: `--help` must not wait for Arrow."""
    if name in __all__:
        for home in _HOMES:
            module = importlib.import_module(f"{__name__}.{home}")
            if hasattr(module, name):
                return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
