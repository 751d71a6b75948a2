from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from typer.core import TyperOption

from llama_cli.cli.app import app, main

EMBED = typer.main.get_command(app).commands["embed"]  # type: ignore[attr-defined]
OPTIONS = [option for option in EMBED.params if isinstance(option, TyperOption)]


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Command:
    """The command line in this process: quick, and all but the process itself is real."""

    def call(*words: object) -> Outcome:
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


@pytest.fixture
def installed_cli() -> Command:
    """The installed command as a process of its own."""
    command = Path(sys.executable).parent / "llama-cli"

    def call(*words: object, **options: object) -> Outcome:
        done = subprocess.run(
            [command, *map(str, words)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            **options,  # type: ignore[call-overload]
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    path = tmp_path / "notes.txt"
    path.write_text("hello world\n\nwater and time\nthe light of the day\n", "utf-8")
    return path
