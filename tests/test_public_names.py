from __future__ import annotations

import inspect
import re

import pytest

import llama_cli
from llama_cli import errors


@pytest.mark.parametrize("name", llama_cli.__all__)
def test_public_names_exist_and_are_documented(name: str) -> None:
    assert inspect.getdoc(getattr(llama_cli, name))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = llama_cli.nonsense


def test_the_drawn_tree_of_errors_is_complete() -> None:
    drawn = re.findall(r"^[ │├└─]*([A-Z]\w+Error)\b", errors.__doc__ or "", re.MULTILINE)
    defined = [
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and value.__module__ == errors.__name__
    ]
    assert sorted(drawn) == sorted(defined)
