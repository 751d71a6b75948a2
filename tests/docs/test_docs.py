"""The documents say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer
from typer.core import TyperOption

from tests.docs.generate import PARTS, ROOT, commands, documents, generate

REFERENCE = (ROOT / "docs" / "reference.md").read_text("utf-8")
# Options of pip and of the benchmarks.
FOREIGN = {"--force-reinstall", "--no-cache-dir", "--no-deps", "--rounds"} | {
    *("--python", "--libs", "--without", "--peer", "--lines", "--seconds", "--tokens", "--engine"),
    *("--parts", "--contexts", "--from", "--no-install-recommends"),
}


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_generated_parts_are_what_the_code_says(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text == generate(text), "run: make docs"


@pytest.mark.parametrize("name", PARTS)
def test_every_part_is_somewhere(name: str) -> None:
    marker = f"<!-- generated: {name} -->\n"
    assert sum(path.read_text("utf-8").count(marker) for path in documents()) == 1


@pytest.mark.parametrize("context", commands(), ids=lambda context: context.command_path)
def test_every_option_is_in_the_reference(context: typer.Context) -> None:
    section = REFERENCE.partition(f"## {context.command_path}\n")[2].partition("\n## ")[0]
    options = [o for o in context.command.get_params(context) if isinstance(o, TyperOption)]
    assert options
    for option in options:
        for name in option.opts:
            assert re.search(rf"{name}\b", section.replace("[no-]", ""))


def test_all_commands_are_found() -> None:
    paths = [context.command_path for context in commands()]
    assert paths[0] == "llama-cli"
    assert {"llama-cli embed", "llama-cli inspect", "llama-cli status"} <= set(paths)


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_no_document_names_an_option_that_is_not_there(path: Path) -> None:
    text = re.sub(r"\[no-\]", "", path.read_text("utf-8"))
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", text))
    known = {
        name
        for context in commands()
        for parameter in context.command.get_params(context)
        for name in (*parameter.opts, *parameter.secondary_opts)
    }
    assert named - known - FOREIGN == set()


def test_a_changed_part_is_noticed() -> None:
    changed = REFERENCE.replace("Usage: llama-cli", "Usage: llama", 1)
    assert changed != REFERENCE
    assert generate(changed) == REFERENCE
    emptied = re.sub(
        r"(<!-- generated: commands -->\n).*?(<!-- end -->)", r"\1\2", REFERENCE, flags=re.DOTALL
    )
    assert "Usage" not in emptied
    assert generate(emptied) == REFERENCE


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_files_that_a_document_names_are_there(path: Path) -> None:
    text = re.sub(r"https?://\S+", "", path.read_text("utf-8"))
    named = re.findall(r"(?<![\w/])((?:\w+/)*\w+\.py)\b", text)
    there = [
        file.as_posix() for room in ("llama_cli", "tests") for file in ROOT.glob(f"{room}/**/*.py")
    ]
    assert [name for name in named if not any(file.endswith(f"/{name}") for file in there)] == []
