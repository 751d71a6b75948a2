from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from huggingface_hub import constants

from llama_cli.models.file import ModelFile
from llama_cli.models.resolve import resolve_model
from llama_cli.storage import retry
from llama_cli.storage.download import ProgressCallback
from tests.cli.conftest import Command, cli, installed_cli, notes  # noqa: F401 - fixtures
from tests.storage.hub_server import HubServer, open_hub_server

Resolve = Callable[..., ModelFile]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """The Hub without a repository, and an empty cache."""
    with open_hub_server(tmp_path / "hf", monkeypatch) as server:
        yield server


@pytest.fixture
def cache(hub: HubServer) -> Path:
    """The Hub's cache."""
    return Path(constants.HF_HUB_CACHE)


@pytest.fixture
def resolve(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """Finds a model as `--model` does, without pauses between tries."""

    def call(
        model: str,
        filename: str | None = None,
        pauses: Sequence[float] = (0,) * len(retry.PAUSES),
        on_progress: ProgressCallback = lambda _done, _total: None,
    ) -> ModelFile:
        with monkeypatch.context() as patch:
            patch.setattr(retry, "PAUSES", pauses)
            return resolve_model(model, filename, on_progress)

    return call
