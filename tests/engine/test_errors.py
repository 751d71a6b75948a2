"""Every failure of llama.cpp has an error of ours, which says what llama.cpp logged about it."""

from __future__ import annotations

from typing import get_args

import pytest

from llama_cli.engine import errors
from llama_cli.engine.errors import Failure, failure, forget_errors, note_error
from llama_cli.errors import EngineError, ModelError

FAILURES: tuple[Failure, ...] = get_args(Failure)


def test_the_table_is_complete() -> None:
    assert set(errors._ERRORS) == set(FAILURES)


@pytest.mark.parametrize("kind", FAILURES)
def test_every_failure_is_an_error_with_a_message_in_one_line(kind: Failure) -> None:
    forget_errors()
    error = failure(kind, "what")
    assert isinstance(error, ModelError | EngineError)
    assert "None" not in str(error)
    assert "{" not in str(error)
    assert "\n" not in str(error)


def test_the_reason_is_the_first_error_that_was_logged() -> None:
    forget_errors()
    note_error("  ")
    note_error("llama_model_load: error loading model: it is damaged")
    note_error("llama_model_load_from_file_impl: failed to load model")
    assert str(failure("load", "a.gguf")) == "a.gguf: cannot load the model: it is damaged"
    forget_errors()
    assert str(failure("load", "a.gguf")).endswith(
        "cannot load the model: llama.cpp gave no reason"
    )
