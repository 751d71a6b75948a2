"""Who may import whom; see docs/architecture.md."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "llama_cli"

ALLOWED = {
    "types": set(),
    "errors": set(),
    "stopping": set(),
    "splits": set(),
    "allocator": set(),
    "cache": set(),
    "kernels": set(),
    "closing": set(),
    "remote": {"errors"},
    "engine": {"closing", "kernels", "splits", "types", "errors"},
    "isolation": {"allocator", "closing", "engine", "splits", "types", "errors"},
    "output": {"cache", "remote", "types", "errors"},
    "sources": {"closing", "remote", "types", "errors"},
    "models": {"cache", "splits", "errors"},
    "tally": {"sources", "types"},
    "rows": {"output", "types"},
    "report": {"sources", "types", "errors"},
    "job": {"engine", "models", "output", "remote", "report", "rows", "sources", "errors"},
    "recorder": {"output", "report", "rows", "sources", "tally", "types"},
    "agreement": {"job", "engine", "output", "remote", "sources", "errors"},
    "outcome": {"", "job", "engine", "output", "sources", "tally"},
    "preparation": {
        "engine",
        "isolation",
        "job",
        "output",
        "rows",
        "sources",
        "stopping",
    },
    "dry_run": {
        "isolation",
        "job",
        "output",
        "preparation",
        "stopping",
        "tally",
        "types",
        "errors",
    },
    "pipeline": {
        "agreement",
        "job",
        "preparation",
        "isolation",
        "sources",
        "output",
        "outcome",
        "recorder",
        "report",
        "tally",
        "stopping",
        "types",
        "errors",
    },
    "progress": {"types"},
    "cli": {
        "",
        "cli",
        "allocator",
        "dry_run",
        "job",
        "pipeline",
        "outcome",
        "rows",
        "stopping",
        "progress",
        "engine",
        "isolation",
        "models",
        "output",
        "remote",
        "sources",
        "errors",
    },
    "__main__": {"cli"},
    "__init__": {"errors", "types", "output"},
}
PRINTING = {"typer", "rich"}
PRINTERS = {"cli", "progress"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imports(path: Path) -> list[str]:
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found.append(node.module or "")
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    room = room_of(path)
    for name in imports(path):
        head, _, rest = name.partition(".")
        if head == "llama_cli":
            other = rest.partition(".")[0]
            assert other == room or other in ALLOWED[room], f"{room} must not know {other}"
        if head in PRINTING:
            assert room in PRINTERS
        if head == "llama_cpp":
            assert room == "engine"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_stay_small(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 280
