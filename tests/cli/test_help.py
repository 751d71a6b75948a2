"""`--help`: grouped, complete, and no wider than the screen."""

from __future__ import annotations

import re
from typing import Annotated

import pytest
import typer
from typer.core import TyperOption

from llama_cli.cli.command import Command as HelpfulCommand
from tests.cli.conftest import EMBED, OPTIONS, Command

GROUPS = ["Input", "Model", "Vectors", "Output", "Run"]


@pytest.fixture
def on_screen(cli: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The lines of a help on a screen of that many columns."""

    def show(columns: int, *words: object) -> list[str]:
        monkeypatch.setenv("COLUMNS", str(columns))
        return cli(*words, "--help").out.splitlines()

    return show  # type: ignore[return-value]


@pytest.mark.parametrize("option", EMBED.params, ids=lambda option: option.name)
def test_every_option_is_in_a_group(option: TyperOption) -> None:
    if not option.is_eager:  # those that print something and end
        assert option.rich_help_panel in GROUPS


def test_groups_stand_in_their_order(cli: Command) -> None:
    headings = re.findall(r"^(\w+):$", cli("embed", "--help").out, re.MULTILINE)
    assert headings == [*GROUPS, "Options"]


@pytest.mark.parametrize("words", [[], ["embed"], ["inspect"], ["status"]])
@pytest.mark.parametrize("columns", [40, 50, 59, 60, 61, 80, 100, 300])
def test_no_line_is_wider_than_the_screen(
    on_screen: Command, columns: int, words: list[str]
) -> None:
    lines = on_screen(columns, *words)
    # What is to be copied stays whole.
    breakable = [line for line in lines if len(line.split()) > 1]
    assert max(map(len, breakable)) < min(columns, 101)
    # Where its line is too long Typer's usage ends with a space.
    assert not any(line != line.rstrip() for line in lines[1:])


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_an_option_takes_two_lines_at_most(on_screen: Command, option: TyperOption) -> None:
    lines = on_screen(80, "embed")
    name = re.escape(option.opts[-1].removeprefix("--"))
    start = next(i for i, line in enumerate(lines) if re.match(rf"  (-\w, )?--{name}\b", line))
    more = [line for line in lines[start + 1 : start + 3] if line.startswith(" " * 6)]
    assert len(more) < 2, "say it in fewer words"


def test_defaults_and_choices_are_said(cli: Command) -> None:
    out = " ".join(cli("embed", "--help").out.split())
    assert "--batch-size N Texts encoded at a time; more takes more memory. [default: 1024;" in out
    assert "--pooling <auto|mean|cls|last> How to pool tokens. [default: auto]" in out
    assert "--on-long <truncate|error> Truncate texts that are too long, or stop. [default" in out
    assert "--normalize / --no-normalize Scale vectors to length 1 (L2). [default: norm" in out
    assert "--threads N CPU threads in all. [default: (usable cores);" in out
    assert "--overwrite Replace the output if it exists. --" in out, "off needs no words"
    assert "can be set in the environment: LLAMA_CLI_BATCH_SIZE=64" in out
    assert "not that of --overwrite, --restart and --dry-run." in out


def test_help_is_ascii(cli: Command) -> None:
    assert cli("embed", "--help").out.isascii(), "any locale can print it"


def test_narrow_screens_have_texts_below_the_names(on_screen: Command) -> None:
    lines = on_screen(50, "embed")
    place = lines.index("  -o, --output FILE")
    assert lines[place + 1] == "      Parquet file to write.  [default: (INPUT's"


def shown(capsys: pytest.CaptureFixture[str], **options: object) -> str:
    """The help of a command with one argument and one option."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)

    def embed(names, wish=None) -> None: ...  # type: ignore[no-untyped-def]

    embed.__annotations__ = {
        "names": Annotated[list[str], typer.Argument(metavar="NAME")],
        "wish": Annotated[list[str] | None, typer.Option("--wish", help="A wish.", **options)],  # type: ignore[call-overload]
    }
    app.command(cls=HelpfulCommand)(embed)
    with pytest.raises(SystemExit):
        app(["--help"])
    return capsys.readouterr().out


def test_what_may_be_given_several_times(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys)
    assert "Usage: " in out
    assert "[OPTIONS] {NAME}...\n" in out
    assert "--wish <list[str]>  A wish.\n" in out


def test_hidden_options_are_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--wish" not in shown(capsys, hidden=True)


def test_an_option_without_a_group_is_among_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--wish" in shown(capsys).partition("Options:\n")[2]


def test_the_program_lists_its_commands(cli: Command) -> None:
    outcome = cli("--help")
    assert re.search(
        r"^  inspect  Show how a file of embeddings was made", outcome.out, re.MULTILINE
    )
    assert max(map(len, outcome.out.splitlines())) < 80
