"""What is to be true of outputs, and of runs that are refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from tests.conftest import cosines
from tests.run.runs import Job

_INEXACT = ("embedding", "processing_time_ms")
# A resumed run computes some texts again that it had seen before it was killed.
_MAY_DIFFER = ("run_id", "started_at", "finished_at", "duplicates", "tokens")


def footer(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(pq.read_metadata(path).metadata[b"llama_cli"])
    return values


def assert_same_content(made: Path, expected: Path) -> None:
    """All that an interruption must not change."""
    left = pq.ParquetFile(made, page_checksum_verification=True).read()
    right = pq.read_table(expected)
    exact = [name for name in right.schema.names if name not in _INEXACT]
    assert left.schema == right.schema
    assert left.select(exact).equals(right.select(exact))
    valid = right["embedding"].is_valid()
    assert left["embedding"].is_valid() == valid
    vectors = (np.stack(table["embedding"].filter(valid).to_numpy()) for table in (left, right))
    assert cosines(*vectors).min() >= 0.99999
    assert lasting(footer(made)) == lasting(footer(expected))


def lasting(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in _MAY_DIFFER}


def assert_refused(job: Job, *more: object, naming: str) -> None:
    """It is refused in one line that says why, and what is done so far stays as it is.

    Warnings about the options, and what kinds of files there are, may come before it.
    """
    before = job.unfinished()
    outcome = job.run(*more)
    assert outcome.code == 2, outcome
    assert re.fullmatch(r"(llama-cli: (warning|in): .*\n)*llama-cli: error: .*\n", outcome.err)
    assert naming in outcome.err
    assert "--restart" in outcome.err
    assert job.unfinished() == before
