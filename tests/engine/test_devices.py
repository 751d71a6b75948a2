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
    ("mount", "group", "quota_at", "files"),
    [
        ("/ {} rw - cgroup2 cgroup2 rw", "0::/a/b", "a", {"cpu.max": "200000 100000"}),
        ("/ {} rw - cgroup2 cgroup2 rw", "0::/", "", {"cpu.max": "200000 100000"}),
        ("/ {} rw - cgroup cgroup rw,cpu,cpuacct", "4:cpu,cpuacct:/a/b/c", "a/b", None),
        # Of a container, in which the group's own name is that of the host.
        ("/docker/1 {} rw - cgroup cgroup rw,cpu", "1:cpu:/docker/1/child", "child", None),
        ("/docker/1 {} rw - cgroup cgroup rw,cpu", "1:cpu:/docker/1", "", None),
    ],
)
def test_the_groups_above_limit_them_as_well(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mount: str,
    group: str,
    quota_at: str,
    files: dict[str, str] | None,
) -> None:
    """Of version 1 and 2, found by what the system says of its mounts."""
    about, place = tmp_path / "self", tmp_path / "cpu"
    (place / "a/b/c").mkdir(parents=True)
    (place / "child").mkdir()
    about.mkdir()
    (about / "mountinfo").write_text(
        f"22 27 0:21 / /proc rw shared:1 - proc proc rw\n31 23 0:28 {mount.format(place)}\n"
    )
    (about / "cgroup").write_text(f"9:name=systemd:/x\n{group}\n")
    for name, content in (
        files or {"cpu.cfs_quota_us": "200000\n", "cpu.cfs_period_us": "100000\n"}
    ).items():
        (place / quota_at / name).write_text(content)
    folders = devices._cgroup_folders(about)
    monkeypatch.setattr(devices, "_cgroup_folders", lambda: folders)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert usable_cores() == 2
    assert all(folder.is_relative_to(place) for folder in folders)


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
