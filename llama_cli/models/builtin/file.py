"""The model inside the package: all-MiniLM-L6-v2 in F16. See ``data/PROVENANCE.md``."""

from __future__ import annotations

from pathlib import Path

DEFAULT_MODEL = Path(__file__).parent / "data" / "all-MiniLM-L6-v2-F16.gguf"
DEFAULT_SHA256 = "3d945b5337dd0f63690a71b8b0387107eb54e8a0f2abcc94a6daf753c9709823"
