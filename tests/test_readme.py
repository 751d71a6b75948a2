"""What README.md tells people to paste is run as it stands there. `make smoke` runs its shell."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

from llama_cli.cli.app import main

ROOT = Path(__file__).parent.parent
BLOCKS = re.findall(
    r"^```(python|sql)\n(.*?)^```$",
    (ROOT / "README.md").read_text("utf-8"),
    re.MULTILINE | re.DOTALL,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the file that the README makes first."""
    folder = tmp_path_factory.mktemp("readme")
    example = ROOT / "docs" / "examples" / "village-notebook.txt"
    assert main(["embed", str(example), "-o", str(folder / "notebook.parquet"), "-q"]) == 0
    return folder


@pytest.mark.parametrize(("language", "code"), BLOCKS)
def test_snippets_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, language: str, code: str
) -> None:
    monkeypatch.chdir(folder)
    if language == "sql":
        assert "slugs" in duckdb.sql(code).fetchall()[0][0]
    else:
        exec(compile(code, "README.md", "exec"), {})


def test_there_are_snippets() -> None:
    assert [language for language, _ in BLOCKS] == ["python", "python", "sql", "python"]
