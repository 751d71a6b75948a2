"""Takes the memory of the first GPU, but for so many MiB, until standard input ends.

python -m tests.gpu.fill MEBIBYTES
"""

from __future__ import annotations

import ctypes
import sys

import llama_cpp.llama_cpp as binding

CHUNK = 1 << 30
GPU_TYPES = (1, 2)  # `enum ggml_backend_dev_type` in ggml-backend.h


def main() -> None:
    leave = int(sys.argv[1]) << 20
    silence = binding.llama_log_callback(lambda *_: None)  # llama.cpp keeps the pointer
    binding.llama_log_set(silence, ctypes.c_void_p(0))
    binding.llama_backend_init()
    ggml = binding._lib
    ggml.ggml_backend_dev_get.restype = ctypes.c_void_p
    ggml.ggml_backend_dev_buffer_type.restype = ctypes.c_void_p
    ggml.ggml_backend_buft_alloc_buffer.restype = ctypes.c_void_p
    count = ggml.ggml_backend_dev_count()
    devices = [ctypes.c_void_p(ggml.ggml_backend_dev_get(index)) for index in range(count)]
    gpu = next(device for device in devices if ggml.ggml_backend_dev_type(device) in GPU_TYPES)
    pool = ctypes.c_void_p(ggml.ggml_backend_dev_buffer_type(gpu))
    chunk = CHUNK
    while (free := free_bytes(ggml, gpu)) > leave and chunk >= 1 << 20:
        size = min(chunk, free - leave)
        if not ggml.ggml_backend_buft_alloc_buffer(pool, ctypes.c_size_t(size)):
            chunk //= 2
    print(f"left {free_bytes(ggml, gpu) >> 20} MiB", flush=True)
    sys.stdin.read()


def free_bytes(ggml: ctypes.CDLL, gpu: ctypes.c_void_p) -> int:
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    ggml.ggml_backend_dev_memory(gpu, ctypes.byref(free), ctypes.byref(total))
    return free.value


if __name__ == "__main__":
    main()
