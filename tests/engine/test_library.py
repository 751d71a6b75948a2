"""A build of llama.cpp that does not fit the CPU, or that the compiler got wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from llama_cli.engine import library

BUILT_WITH = "CPU : SSE3 = 1 | AVX = 1 | AVX_VNNI = 1 | AVX512 = 1 | AMX_INT8 = 1 | REPACK = 1 |"


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "build_info", lambda: BUILT_WITH)
    monkeypatch.setattr(library, "amx_crashes", library.amx_crashes.__wrapped__)


@pytest.mark.parametrize(
    ("features", "missing"),
    [
        ("pni avx avx_vnni avx512f amx_int8", []),
        ("pni avx avx2 fma", ["AVX_VNNI", "AVX512", "AMX_INT8"]),
        ("", []),  # where the system does not say
    ],
)
def test_instruction_sets_that_the_cpu_lacks_are_named(
    features: str, missing: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "cpu_features", lambda: set(features.split()))
    assert library.missing_instruction_sets() == missing


@pytest.mark.parametrize(
    ("compilers", "crashes"),
    [
        (b"GCC: (Debian 12.2.0-14+deb12u1) 12.2.0\0", True),
        (b"GCC: (Ubuntu 11.4.0-1ubuntu1~22.04) 11.4.0\0", True),
        (b"GCC: (Ubuntu 13.3.0-6ubuntu2~24.04) 13.3.0\0", False),
        (b"GCC: (GNU) 4.8.5 20150623\0GCC: (GNU) 14.2.1 20250110\0", False),
        (b"clang version 18.1.3\0", False),
    ],
)
def test_code_for_amx_is_left_out_where_its_compiler_got_it_wrong(
    compilers: bytes, crashes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That it then works is shown by tests of quantized models, on a CPU with AMX."""
    (tmp_path / "libggml-cpu.so").write_bytes(b"\x7fELF\0" + compilers + b"more")
    monkeypatch.setenv("LLAMA_CPP_LIB_PATH", str(tmp_path))
    assert library.amx_crashes() is crashes
