"""Defaults from the environment: LLAMA_CLI_<OPTION>."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.core import TyperOption

from llama_cli.cli.invocation import Invocation
from tests.cli.conftest import OPTIONS, Command

# They replace or discard work, or print something and end.
WITHOUT = {"--overwrite", "--restart", "--dry-run", "--version"}
# They mean something else already, and are read elsewhere.
TAKEN = {"LLAMA_CLI_KERNELS", "LLAMA_CLI_TORTURE"}


def set_all(monkeypatch: pytest.MonkeyPatch, variables: dict[str, object]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"LLAMA_CLI_{name}", str(value))


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_has_the_variable_of_its_name(option: TyperOption) -> None:
    name = option.opts[-1]
    assert name.startswith("--")
    if name in WITHOUT:
        assert option.envvar is None
    else:
        assert option.envvar == "LLAMA_CLI_" + name[2:].upper().replace("-", "_")
        assert option.envvar not in TAKEN


def test_variables_set_defaults(
    cli: Command, notes: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"MODEL": tiny_bert, "NORMALIZE": 0, "MAX_LENGTH": 10, "LINE_NUMBERS": "yes"}
    set_all(monkeypatch, values | {"POOLING": "cls", "JSON": 1, "QUIET": "true"})
    outcome = cli("embed", notes)
    assert outcome.code == 0
    assert outcome.err.splitlines() == [
        "llama-cli: warning: tiny bert says mean itself; vectors pooled otherwise (--pooling cls) "
        "fit less well"
    ]
    assert json.loads(outcome.out)["max_length"] == 10
    file = pq.read_metadata(notes.with_suffix(".parquet"))
    made = json.loads(file.metadata[b"llama_cli"])
    assert (made["pooling"], made["normalized"], made["model"]["name"]) == (
        "cls",
        False,
        "tiny bert",
    )
    assert "line" in file.schema.names


def test_the_command_line_wins(
    cli: Command, notes: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_all(monkeypatch, {"MODEL": "/absent", "NORMALIZE": 0, "POOLING": "nonsense", "QUIET": 1})
    outcome = cli("embed", notes, "-m", tiny_bert, "--normalize", "--pooling", "mean", "--json")
    assert json.loads(outcome.out)["rows"] == 3
    made = json.loads(pq.read_metadata(notes.with_suffix(".parquet")).metadata[b"llama_cli"])
    assert (made["pooling"], made["normalized"]) == ("mean", True)


def test_empty_variables_count_as_not_set(
    cli: Command, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_all(monkeypatch, {str(o.envvar)[10:]: "" for o in OPTIONS if o.envvar})
    outcome = cli("embed", notes)
    assert outcome.code == 0
    assert "3 rows" in outcome.err
    assert pq.read_schema(notes.with_suffix(".parquet")).field("embedding").type.list_size == 384


@pytest.mark.parametrize("name", ["OVERWRITE", "RESTART"])
def test_nothing_outside_replaces_or_discards(
    cli: Command, notes: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    notes.with_suffix(".parquet").write_bytes(b"old")
    set_all(monkeypatch, {name: 1})
    assert cli("embed", notes).code == 2
    assert notes.with_suffix(".parquet").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("BATCH_SIZE", "many", "LLAMA_CLI_BATCH_SIZE=many: it should be a valid integer"),
        ("BATCH_SIZE", "0", "LLAMA_CLI_BATCH_SIZE=0: it should be greater than or equal to 1"),
        ("POOLING", "men", "LLAMA_CLI_POOLING=men: 'men' is not one of 'auto', 'mean', 'cls', "),
        ("POOLING", "men", "; did you mean mean?"),
        ("NORMALIZE", "maybe", "LLAMA_CLI_NORMALIZE=maybe: it should be a valid boolean"),
        # Refused only when the run is about to begin:
        (
            "MODEL",
            "/absent.gguf",
            "no such model file; in the environment: LLAMA_CLI_MODEL=/absent",
        ),
        ("DEVICE", "cuda7", "; in the environment: LLAMA_CLI_DEVICE=cuda7"),
        ("MAX_LENGTH", "513", "; in the environment: LLAMA_CLI_MAX_LENGTH=513"),
        ("FILENAME", "x", "; in the environment: LLAMA_CLI_FILENAME=x"),
    ],
)
def test_an_error_names_the_variable(
    cli: Command, notes: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    set_all(monkeypatch, {name: value, "THREADS": 1})
    outcome = cli("embed", notes)
    assert outcome.code in {2, 3}
    (line,) = outcome.err.splitlines()
    assert message in line
    assert "THREADS" not in line


def test_an_error_on_the_command_line_names_no_variable(
    cli: Command, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_all(monkeypatch, {"DEVICE": "cuda7"})
    for words in (["--batch-size", "many"], ["--device", "cuda8"]):
        assert "LLAMA_CLI" not in cli("embed", notes, *words).err


def test_mistakes_are_told_as_the_environment_asks(
    cli: Command, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_all(monkeypatch, {"JSON": 1, "DEBUG": "off", "PROGRESS": "json"})
    outcome = cli("embed", notes, "--bogus")
    assert json.loads(outcome.out)["exit_code"] == 2
    assert json.loads(outcome.err)["event"] == "error"
    assert "traceback" not in json.loads(outcome.err)


def test_other_commands_have_no_variables(
    cli: Command, notes: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("embed", notes, "-m", tiny_bert)
    set_all(monkeypatch, {"JSON": 1, "ROWS": 1})
    assert cli("status", notes.with_suffix(".parquet")).out.startswith(str(notes.parent))
    assert "the light" in cli("inspect", notes.with_suffix(".parquet")).out


def test_the_resuming_command_says_which_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLAMA_CLI_KERNELS", "off")
    command = shlex.join(Invocation(["embed", "in.txt"]).resume_command())
    assert command.startswith("env LLAMA_CLI_KERNELS=off ")


def test_resuming_needs_no_environment(tmp_path: Path) -> None:
    invocation = Invocation(["embed", "in.txt", "--restart"], {"LLAMA_CLI_MODEL": "/a b.gguf"})
    command = shlex.join(invocation.resume_command())
    assert command.startswith("env 'LLAMA_CLI_MODEL=/a b.gguf' ")
    assert command.endswith(" embed in.txt")
    printed = subprocess.run(
        ["sh", "-c", command.partition("' ")[0] + "' env"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.search(r"^LLAMA_CLI_MODEL=/a b\.gguf$", printed.stdout, re.MULTILINE)
