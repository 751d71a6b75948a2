"""``llama-cli inspect``: its options. The work is in `llama_cli.cli.run_inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llama_cli.storage.address import is_remote


def inspect(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Parquet file made by embed.")],
    rows: Annotated[
        int, typer.Option("-n", "--rows", metavar="N", min=0, help="Rows to show.")
    ] = 5,
) -> int:
    """Show how a file of embeddings was made, and its first rows."""
    from llama_cli.cli.run_inspect import run_inspect

    return run_inspect(file if is_remote(file) else Path(file), rows)
