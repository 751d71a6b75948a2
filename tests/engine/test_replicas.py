"""One model on several devices; copies on the CPU stand in for GPUs, of which there are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from llama_cli.engine import model as model_module
from llama_cli.engine.devices import ALL_LAYERS, Device, Placement
from llama_cli.engine.embedder import LlamaEmbedder
from llama_cli.engine.model import Model, open_replicas
from llama_cli.engine.options import EmbedderOptions
from llama_cli.errors import ModelError
from tests.conftest import CPU, embed_all, open_embedder

FIRST, SECOND = Device("CUDA0", 1), Device("CUDA1", 2)
BOTH = Placement((FIRST, SECOND), ALL_LAYERS)


def test_each_gpu_gets_a_copy_unless_layers_were_counted() -> None:
    assert BOTH.split() == [
        Placement((FIRST,), ALL_LAYERS),
        Placement((SECOND,), ALL_LAYERS),
    ]
    counted = Placement((FIRST, SECOND), 7)
    assert counted.split() == [counted]
    assert CPU.split() == [CPU]


def test_copies_share_the_texts_and_the_order_is_kept(tiny_bert: Path) -> None:
    texts = [f"water and time {'life ' * (number % 40)}" for number in range(500)]
    with open_embedder(tiny_bert, dedup=False) as embedder:
        alone = embed_all(embedder, texts)
    with (
        Model(tiny_bert, CPU) as model,
        Model(tiny_bert, CPU) as copy,
        LlamaEmbedder(model, EmbedderOptions(dedup=False), replicas=[copy]) as embedder,
    ):
        shared = embed_all(embedder, texts)
    assert shared.lengths == alone.lengths
    assert np.allclose(shared.vectors, alone.vectors, atol=1e-6)


class Loaded:
    """Stands in for a model on GPUs."""

    def __init__(self, _path: Path, placement: Placement) -> None:
        if len(placement.devices) == 1 and placement.devices[0] in self.too_small:
            raise ModelError("out of memory")
        self.placement = placement
        self.open.append(self)

    too_small: tuple[Device, ...] = ()
    open: list[Loaded] = []  # noqa: RUF012 - shared on purpose

    def __enter__(self) -> Loaded:
        return self

    def __exit__(self, *_: object) -> None:
        self.open.remove(self)


def test_a_model_too_large_for_one_gpu_goes_over_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_module, "Model", Loaded)
    with open_replicas(Path("model.gguf"), BOTH) as models:
        assert [model.placement.devices for model in models] == [(FIRST,), (SECOND,)]
    assert Loaded.open == []
    monkeypatch.setattr(Loaded, "too_small", (SECOND,))
    with open_replicas(Path("model.gguf"), BOTH) as models:
        assert [model.placement for model in models] == [BOTH]
        assert len(Loaded.open) == 1
    assert Loaded.open == []
