"""Which cores and GPUs a run uses."""

from __future__ import annotations

import ctypes
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llama_cli.engine.library import llama_cpp
from llama_cli.errors import UsageError

# `enum ggml_backend_dev_type` in ggml-backend.h: CPU, GPU, integrated GPU, accelerator.
_GPU_TYPES = (1, 2)

ALL_LAYERS = -1


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU that this build of llama.cpp can use."""

    name: str
    handle: int


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the model goes.

    Attributes:
        devices: the GPUs to use; empty for CPU only.
        gpu_layers: layers put on them; -1 for all.
    """

    devices: tuple[Device, ...]
    gpu_layers: int

    @property
    def on_gpu(self) -> bool:
        """Whether any layer is computed on a GPU."""
        return bool(self.devices) and self.gpu_layers != 0

    def split(self) -> list[Placement]:
        """Each GPU by itself; the same as it is where it says how many layers go to GPUs."""
        if self.gpu_layers != ALL_LAYERS or len(self.devices) <= 1:
            return [self]
        return [Placement((device,), ALL_LAYERS) for device in self.devices]


def list_gpus() -> list[Device]:
    """The GPUs that this build of llama.cpp sees, in its own order."""
    ggml = _ggml()
    found = []
    for index in range(ggml.ggml_backend_dev_count()):
        handle = ggml.ggml_backend_dev_get(index)
        if ggml.ggml_backend_dev_type(handle) in _GPU_TYPES:
            found.append(Device(ggml.ggml_backend_dev_name(handle).decode(), handle))
    return found


def _ggml() -> Any:
    """The device functions of ggml, which the binding does not declare."""
    library = llama_cpp()._lib
    library.ggml_backend_dev_count.restype = ctypes.c_size_t
    library.ggml_backend_dev_get.argtypes = [ctypes.c_size_t]
    library.ggml_backend_dev_get.restype = ctypes.c_void_p
    library.ggml_backend_dev_name.argtypes = [ctypes.c_void_p]
    library.ggml_backend_dev_name.restype = ctypes.c_char_p
    library.ggml_backend_dev_type.argtypes = [ctypes.c_void_p]
    library.ggml_backend_dev_type.restype = ctypes.c_int
    return library


def place_model(device: str, gpu_layers: int | None) -> Placement:
    """Resolve the device and the layers that were asked for against what is there.

    Args:
        device: ``auto``, ``cpu``, ``gpu``, or the name of one GPU as llama.cpp gives it.
        gpu_layers: layers on the GPU, -1 for all; None for all where there is one, else none.

    Raises:
        UsageError: a GPU was asked for and is not there.
    """
    wanted = device.lower()
    if wanted == "cpu":
        if gpu_layers:
            raise UsageError("`gpu_layers` needs a GPU, but `device` is cpu", option="gpu_layers")
        return Placement((), 0)
    gpus = list_gpus()
    if wanted not in ("auto", "gpu"):
        gpus = [gpu for gpu in gpus if gpu.name.lower() == wanted]
    if not gpus and (wanted != "auto" or gpu_layers):
        raise _no_such_gpu(device, gpu_layers)
    if not gpus:
        return Placement((), 0)
    return Placement(tuple(gpus), ALL_LAYERS if gpu_layers is None else gpu_layers)


def _no_such_gpu(wanted: str, gpu_layers: int | None) -> UsageError:
    option, value = ("device", wanted) if wanted != "auto" else ("gpu_layers", gpu_layers)
    gpus = ", ".join(gpu.name for gpu in list_gpus())
    if gpus:
        return UsageError(
            f"`{option}={value}`: no such device; llama.cpp sees: cpu, {gpus}", option=option
        )
    return UsageError(
        f"`{option}={value}`: no GPU is available to this build of llama.cpp",
        hint="leave the option out, or install a build for your GPU (see the README)",
        option=option,
    )


def usable_cores() -> int:
    """Cores this process may use: its CPU affinity, and the quota of its control group."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    quotas = [math.ceil(quota) for quota in map(_read_quota, _cgroup_folders()) if quota]
    return min([cores, *quotas])


def _cgroup_folders(about: Path = Path("/proc/self")) -> list[Path]:
    """This process's control groups for the CPU, of both versions, and all above them."""
    try:
        mounts = (about / "mountinfo").read_text("utf-8", "replace").splitlines()
        lines = (about / "cgroup").read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
    # Of version 2 there is one group, with no controllers named.
    groups = {}
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if not controllers or "cpu" in controllers.split(","):
            groups["cgroup" if controllers else "cgroup2"] = group
    folders: list[Path] = []
    for line in mounts:  # see proc_pid_mountinfo(5)
        before, _, after = line.partition(" - ")
        (kind, _, options), (_, _, _, top, place, *_) = after.split(maxsplit=2), before.split()
        if kind not in groups or (kind == "cgroup" and "cpu" not in options.split(",")):
            continue
        # A container may see a part of the groups only, whose top is its own.
        inside = groups[kind].removeprefix(top.rstrip("/")).strip("/")
        own = Path(place, inside)
        folders += [own, *(folder for folder in own.parents if folder.is_relative_to(place))]
    return folders


def _read_quota(folder: Path) -> float | None:
    """The CPU quota of one control group, in cores; None where it has none."""
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        try:
            words = " ".join((folder / name).read_text("ascii") for name in names).split()
            quota, period = (float(word) for word in words)
        except (OSError, ValueError):  # no such file, or "max": no limit
            continue
        if quota > 0 and period > 0:
            return quota / period
    return None
