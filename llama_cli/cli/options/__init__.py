"""The options of ``llama-cli embed``, a module for each group of its help."""

from __future__ import annotations

# In the order of the help.
GROUPS = ("Input", "Model", "Vectors", "Output", "Run")
