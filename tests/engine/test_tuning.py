"""How a device is used; the constants are those of docs/benchmarks/README.md."""

from __future__ import annotations

import pytest

from llama_cli.engine.tuning import best_batch_tokens, make_plan


def test_small_models_get_a_context_a_core_and_large_ones_all_cores() -> None:
    def shared(model_bytes: int, *, on_gpu: bool = False) -> object:
        plan = make_plan(8, model_bytes, 384, on_gpu=on_gpu, own_kernels=False)
        return plan.contexts, plan.threads

    assert shared(90 << 20) == (8, 1)
    assert shared(5 << 30) == (1, 8)
    assert shared(90 << 20, on_gpu=True) == (4, 2)
    assert shared(5 << 30, on_gpu=True) == (1, 8)


def test_batches_have_the_sizes_that_were_best_for_the_default_model() -> None:
    assert best_batch_tokens(384, on_gpu=False, own_kernels=True) == 512
    assert best_batch_tokens(384, on_gpu=False, own_kernels=False) == 256
    assert best_batch_tokens(384, on_gpu=True, own_kernels=False) == 512


@pytest.mark.parametrize("own_kernels", [False, True])
@pytest.mark.parametrize("width", [32, 384, 768, 1024, 4096, 16384])
def test_batches_of_any_model_stay_within_bounds(width: int, own_kernels: bool) -> None:
    tokens = best_batch_tokens(width, on_gpu=False, own_kernels=own_kernels)
    assert 128 <= tokens <= 1024
    assert tokens % 128 == 0
