"""Where the model goes: all of it, some layers, one GPU by name, none."""

from __future__ import annotations

import re

from tests.conftest import cosines
from tests.gpu.runs import Command, gpus_seen

TEXTS = ["a red tree", "the water was green and the day was one of light", "two cats"]
# The default model has six layers, and llama.cpp counts its output as one more.
OFFLOADED = re.compile(r"offloaded (\d+)/7 layers to GPU")


def test_a_gpu_build_uses_the_gpu_without_being_asked(command: Command) -> None:
    run = command.run(command.write(TEXTS), "--debug", device="auto")
    assert OFFLOADED.findall(run.err) == ["7"] * len(gpus_seen())


def test_gpu_means_all_layers(command: Command) -> None:
    run = command.run(command.write(TEXTS), "--debug")
    assert OFFLOADED.findall(run.err) == ["7"] * len(gpus_seen())
    assert run.code == 0


def test_a_small_model_is_decoded_in_several_contexts(command: Command) -> None:
    run = command.run(command.write(TEXTS), "--debug", "--threads", 4)
    assert "4 contexts of 1 threads each" in run.err, run.err


def test_some_layers_give_the_same_vectors(command: Command) -> None:
    source = command.write(TEXTS)
    some = command.run(source, "--debug", "--gpu-layers", 3, name="some")
    assert OFFLOADED.findall(some.err) == ["3"]
    cpu = command.run(source, device="cpu", name="cpu")
    assert cosines(some.vectors, cpu.vectors).min() >= 0.9999


def test_no_layers_on_a_gpu_is_the_cpu(command: Command) -> None:
    source = command.write(TEXTS)
    none = command.run(source, "--gpu-layers", 0, name="none")
    cpu = command.run(source, device="cpu", name="cpu")
    assert cosines(none.vectors, cpu.vectors).min() >= 0.9999


def test_the_cpu_can_be_chosen(command: Command) -> None:
    run = command.run(command.write(TEXTS), "--debug", device="cpu")
    assert run.code == 0
    assert not {"7", "3"} & set(OFFLOADED.findall(run.err))


def test_a_gpu_is_chosen_by_its_name(command: Command) -> None:
    source = command.write(TEXTS)
    for name in gpus_seen():
        run = command.run(source, "--debug", device=name.lower(), name=name)
        assert OFFLOADED.findall(run.err) == ["7"]
        assert run.code == 0


def test_another_name_is_refused_with_those_there_are(command: Command) -> None:
    run = command.run(command.write(TEXTS), device="CUDA99")
    assert run.code == 2
    assert run.only_error().endswith("llama.cpp sees: cpu, " + ", ".join(gpus_seen()))
    assert not run.output.exists()
