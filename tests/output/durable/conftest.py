"""What a run leaves that was killed, and what it was to make."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.output.durable.runs import ROWS, copy_of, make_killed, run
from tests.output.samples import read, rows_of


@pytest.fixture(scope="session")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a process that was killed after three commits; to be copied, not changed."""
    return make_killed(tmp_path_factory.mktemp("killed") / "folder", 3)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file as it must become."""
    out = tmp_path_factory.mktemp("finished") / "out.parquet"
    run(out)
    assert read(out).to_pylist() == rows_of(ROWS)
    return out.read_bytes()


@pytest.fixture
def out(killed: Path, tmp_path: Path) -> Path:
    """An output whose run was killed. Tests of the writer alone have one that is not there yet."""
    return copy_of(killed, tmp_path / "folder")
