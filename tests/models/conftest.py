from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from huggingface_hub import constants
from huggingface_hub.utils import close_session

from llama_cli.models.file import ModelFile
from llama_cli.models.resolve import resolve_model
from llama_cli.storage import retry
from llama_cli.storage.download import ProgressCallback
from tests.cli.conftest import Command, cli, installed_cli, notes  # noqa: F401 - fixtures
from tests.models.stand_in import StandIn, open_stand_in

Resolve = Callable[..., ModelFile]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """The stand-in, where this process and those it starts look for the Hub; an empty cache."""
    with open_stand_in() as server:
        for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_CACHE", "HUGGING_FACE_HUB_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        cache = tmp_path / "hf" / "hub"
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        # The library has read the environment of this process already.
        url = server.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        for name, value in (
            ("ENDPOINT", server.endpoint),
            ("HUGGINGFACE_CO_URL_TEMPLATE", url),
            ("HF_HUB_CACHE", str(cache)),
            ("HF_HUB_OFFLINE", False),
            ("HF_TOKEN_PATH", str(tmp_path / "hf" / "token")),
            ("HF_HUB_ETAG_TIMEOUT", 2),
            ("HF_HUB_DOWNLOAD_TIMEOUT", 2),
            # Else its first request in a process brings one more, of its own.
            ("HF_HUB_DISABLE_TELEMETRY", True),
        ):
            monkeypatch.setattr(constants, name, value)
        yield server
        close_session()


@pytest.fixture
def cache(hub: StandIn) -> Path:
    """The Hub's cache."""
    return Path(constants.HF_HUB_CACHE)


@pytest.fixture
def resolve(hub: StandIn, monkeypatch: pytest.MonkeyPatch) -> Resolve:
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
