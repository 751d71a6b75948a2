"""An option is declared once, and fills the setting of its name."""

from __future__ import annotations

import dataclasses
from typing import get_args, get_type_hints

import pytest

from llama_cli.cli.options import FLAGS, EmbedOptions, fill, spell_options
from llama_cli.engine.options import EmbedderOptions
from llama_cli.inputs.formats import FORMATS
from llama_cli.inputs.readers.base import RowOptions
from llama_cli.inputs.sequence import ReadOptions
from llama_cli.run.job import EmbedJob
from tests.cli.conftest import OPTIONS

TYPES = get_type_hints(EmbedOptions)
SETTINGS = [
    (settings, field.name)
    for settings in (ReadOptions, RowOptions, EmbedderOptions, EmbedJob)
    for field in dataclasses.fields(settings)
    if field.name in TYPES
]
# What is made of a word or of several, or chosen where nothing was asked for.
MADE = {"format", "inputs", "keep", "model", "output", "report", "threads"}


@pytest.mark.parametrize("name", FLAGS)
def test_an_option_is_called_as_its_field(name: str) -> None:
    (option,) = [option for option in OPTIONS if option.name == name]
    assert option.opts[-1] == FLAGS[name]


@pytest.mark.parametrize(
    ("settings", "name"), [pair for pair in SETTINGS if pair[1] not in MADE], ids=str
)
def test_a_setting_takes_what_its_option_may_be(settings: type, name: str) -> None:
    assert get_type_hints(settings)[name] == TYPES[name]


def test_every_option_has_a_setting_or_is_for_the_command_itself() -> None:
    """A setting that is misspelled would be left at its default, and the option do nothing."""
    assert set(TYPES) - {name for _, name in SETTINGS} == {
        *("filename", "f32_cache"),  # of the model that is chosen, and of its copies
        *("dry_run", "progress", "quiet", "json", "debug", "version"),
    }


def test_formats_are_those_of_the_table() -> None:
    assert list(get_args(TYPES["format"])) == ["auto", *(one.name for one in FORMATS)]


def test_settings_are_filled_by_name() -> None:
    options = EmbedOptions(inputs=["in.txt"], max_length=7, on_long="error")
    filled = fill(EmbedderOptions, options, threads=3)
    assert (filled.max_length, filled.on_long, filled.threads) == (7, "error", 3)
    assert filled.decode_seconds is None, "no option has it"


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("replace it with `overwrite`", "replace it with --overwrite"),
        ("leave out `on_long=error` here", "leave out --on-long error here"),
        ("`report=a b.txt`: is a folder", "--report 'a b.txt': is a folder"),
        ("`nonsense` and `ls --si`", "`nonsense` and `ls --si`"),
    ],
)
def test_options_are_spelled_as_flags(text: str, spelled: str) -> None:
    assert spell_options(text) == spelled
