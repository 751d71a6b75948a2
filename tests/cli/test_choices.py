"""Values of options that stand for something in parts which are slow to import."""

from __future__ import annotations

from llama_cli.cli.options.input import FormatName
from llama_cli.inputs.formats import FORMATS


def test_formats_are_those_of_the_table() -> None:
    assert list(FormatName) == ["auto", *(one.name for one in FORMATS)]
