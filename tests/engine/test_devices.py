"""Cores and GPUs, as far as a machine without a GPU can tell."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llama_cli.engine import devices
from llama_cli.engine.devices import Device, Placement, place_model, usable_cores
from llama_cli.errors import UsageError

GPUS = [Device("CUDA0", 1), Device("CUDA1", 2)]


def test_affinity_limits_the_cores() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu.max": "max 100000"}, 8),
        ({"cpu.cfs_quota_us": "300000\n", "cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu.cfs_quota_us": "-1\n", "cpu.cfs_period_us": "100000\n"}, 8),
        ({}, 8),
    ],
)
def test_the_quota_of_the_control_group_limits_them_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], cores: int
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content, "ascii")
    monkeypatch.setattr(devices, "_cgroup_folders", lambda: [tmp_path / "absent", tmp_path])
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert usable_cores() == cores


@pytest.mark.parametrize(
    ("device", "layers", "placement"),
    [
        ("auto", None, Placement(tuple(GPUS), -1)),
        ("gpu", 7, Placement(tuple(GPUS), 7)),
        ("cuda1", None, Placement((GPUS[1],), -1)),
        ("cpu", None, Placement((), 0)),
        ("cpu", 0, Placement((), 0)),
    ],
)
def test_placement_where_there_are_gpus(
    monkeypatch: pytest.MonkeyPatch, device: str, layers: int | None, placement: Placement
) -> None:
    monkeypatch.setattr(devices, "list_gpus", lambda: GPUS)
    assert place_model(device, layers) == placement


def test_another_gpu_is_refused_with_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "list_gpus", lambda: GPUS)
    with pytest.raises(UsageError, match="`device=CUDA7`: no such device; .* CUDA0, CUDA1"):
        place_model("CUDA7", None)
