"""Whether the long versions of tests are wanted: `make torture`."""

from __future__ import annotations

import os

TORTURE = os.environ.get("LLAMA_CLI_TORTURE") == "1"
