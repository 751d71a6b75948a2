from __future__ import annotations

from tests.cli.conftest import Command, cli, installed_cli, notes  # noqa: F401 - fixtures
