"""Completion in a real Bash, and what the other shells are told."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from pathlib import Path

import pytest

from tests.run.programs import COMMAND

# Asks the function that Bash would call, as Bash would.
ASK = """
source <(llama-cli --show-completion)
COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 ))
_llama_cli_completion llama-cli
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    path = f"{COMMAND.parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "HOME": str(tmp_path), "SHELL": "/bin/bash", "TERM": "dumb"}


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([""], {"embed", "inspect", "models", "status"}),
        (["em"], {"embed"}),
        (["embed", "--p"], {"--pooling", "--progress", "--prompt"}),
        (["embed", "--no-n"], {"--no-normalize"}),
        (["embed", "--pooling", ""], {"auto", "mean", "cls", "last"}),
        (["embed", "in.txt", "--progress", "p"], {"plain"}),
        # Bash makes three words of --pooling=m.
        (["embed", "--pooling", "=", "m"], {"mean"}),
        (["embed", "--model", "=", "x", "--on-long", "="], {"truncate", "error"}),
        # Nothing: Bash then looks for files by itself.
        (["embed", "in"], {""}),
        (["embed", "-m", ""], {""}),
        (["embed", "--output", "=", "o"], {""}),
        (["inspect", ""], {""}),
    ],
)
def test_bash_is_told(environment: dict[str, str], words: list[str], found: set[str]) -> None:
    done = subprocess.run(
        ["bash", "--norc", "-c", ASK, "bash", "llama-cli", *words],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert set(done.stdout.rstrip("\n").split("\n")) == found


def test_bash_completes_files_as_well(environment: dict[str, str], tmp_path: Path) -> None:
    """Keys typed on a terminal: the option by us, the names of files by Bash."""
    (tmp_path / "unmistakable.gguf").touch()
    control, terminal = pty.openpty()
    shell = subprocess.Popen(
        ["bash", "--norc", "--noprofile", "-i"],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=environment,
        cwd=tmp_path,
        start_new_session=True,
    )
    os.close(terminal)
    try:
        os.write(control, b"source <(llama-cli --show-completion); echo re''ady\n")
        read_until(control, b"ready")
        os.write(control, b"llama-cli embed --mod\t unmist\t")
        read_until(control, b"--model")
        read_until(control, b"akable.gguf")
    finally:
        shell.kill()
        shell.wait()
        os.close(control)


def read_until(control: int, wanted: bytes) -> None:
    seen, until = b"", time.monotonic() + 20
    while wanted not in seen:
        assert time.monotonic() < until, seen
        if select.select([control], [], [], 0.1)[0]:
            seen += os.read(control, 4096)


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_are_told(environment: dict[str, str], shell: str) -> None:
    ask = {
        "_TYPER_COMPLETE_ARGS": "llama-cli embed --pool",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    for instruction, expected in (("source", "llama-cli"), ("complete", "--pooling")):
        done = subprocess.run(
            [COMMAND],
            env=environment | ask | {"_LLAMA_CLI_COMPLETE": f"{instruction}_{shell}"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert expected in done.stdout


def test_installing_it(environment: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "--norc", "-c", "llama-cli --install-completion; true"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    check = "source ~/.bashrc; complete -p llama-cli"
    found = subprocess.run(
        ["bash", "--norc", "-c", check], env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout == "complete -o default -F _llama_cli_completion llama-cli\n"
