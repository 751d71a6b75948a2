"""``llama-cli status``: its options. The work is in `llama_cli.cli.run_status`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llama_cli.storage.address import is_remote


def status(
    output: Annotated[
        str, typer.Argument(metavar="OUT", help="Parquet file that embed was told to write.")
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on stdout.")
    ] = False,
) -> int:
    """Show how far a run is, or was, and the command that resumes it."""
    from llama_cli.cli.run_status import run_status

    return run_status(output if is_remote(output) else Path(output), as_json=as_json)
